"""Exact top k of every subject by mutual score, in tiles of the market.

A tile is scored in float32 (one matrix product for the shared blocks, then the directional features
and the rules element by element) and only what can still reach the subject's best k is kept, with a
margin wider than the float32 error. The survivors are scored again in float64 and sorted by
(-score, id). Memory is that of a tile and of the survivors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from matching.engine.candidates import Codes, first_code, listed_cells, party_codes, strike_out
from matching.engine.errors import EngineError
from matching.engine.model import Encoded, Model, TileColumns
from matching.engine.pairs import accepts_of, mutual_of, mutual_scores, pair_logits
from matching.engine.parallel import run_blocks, spans
from matching.engine.scoring import ANCHOR_DECIDES, HINGES, STALL_DECIDES
from matching.engine.shortlist import Shortlist, ranks
from matching.engine.types import (
    BoolArray,
    Exclusions,
    Float32Array,
    FloatArray,
    IntArray,
    Rule,
    Side,
    rows_of,
)
from matching.engine.weights import DECISIONS

Progress = Callable[[int, int], None]
Cells = tuple[IntArray, IntArray, Codes]
_Best = tuple[IntArray, FloatArray, FloatArray]  # [m, k] partner rows, mutual, P(partner accepts)
_SUBJECTS = 256
_TILE_CELLS = 256 * 2048


@dataclass(frozen=True)
class Ranked:
    """Partner rows of each subject, best first, -1 padded, and why the others were ruled out."""

    partner_rows: IntArray  # [m, k]
    mutual: FloatArray  # [m, k] probability that both accept and complete, 0 where padded
    partner_accepts: FloatArray  # [m, k] P(partner accepts) · √P(both complete), 0 where padded
    counts: Any  # uint32 [m, len(Rule) + 1]


@dataclass(frozen=True)
class Query:
    """Who asks for whom: rows of subjects of one side, and which partners may be shown."""

    side: Side
    subject_rows: IntArray
    k: int
    allowed: BoolArray | None = None  # [partners]
    without_ids: IntArray | None = None


@dataclass(frozen=True)
class _Market:
    """What every block of one call shares."""

    model: Model
    stalls: Encoded
    anchors: Encoded
    query: Query
    partner_codes: Codes  # [partners]
    partners: IntArray | None  # rows worth visiting, None for all
    listed: Cells  # subject rows ascending, partner rows, codes

    @property
    def subjects(self) -> Encoded:
        return self.stalls if self.query.side is Side.STALL else self.anchors

    @property
    def others(self) -> Encoded:
        return self.anchors if self.query.side is Side.STALL else self.stalls


def top_k(
    model: Model,
    stalls: Encoded,
    anchors: Encoded,
    exclusions: Exclusions,
    query: Query,
    progress: Progress | None = None,
) -> Ranked:
    """The exact best k partners of each subject; `progress` is told subjects done and in all."""
    if query.k < 1:
        raise EngineError(f"k: at least 1 expected, {query.k} given")
    market = _prepare(model, stalls, anchors, exclusions, query)
    total = len(query.subject_rows)
    partner_rows = np.full((total, query.k), -1, dtype=np.int64)
    mutual, partner_accepts = np.zeros(partner_rows.shape), np.zeros(partner_rows.shape)
    counts = np.zeros((total, len(Rule) + 1), dtype=np.uint32)

    def one(at: slice) -> None:
        (partner_rows[at], mutual[at], partner_accepts[at]), counts[at] = _block(
            market, query.subject_rows[at]
        )

    def report(blocks_done: int) -> None:
        if progress:
            progress(min(blocks_done * _SUBJECTS, total), total)

    run_blocks(one, spans(total, _SUBJECTS), report)
    return Ranked(partner_rows, mutual, partner_accepts, counts)


def _prepare(
    model: Model, stalls: Encoded, anchors: Encoded, exclusions: Exclusions, query: Query
) -> _Market:
    others = anchors if query.side is Side.STALL else stalls
    codes = party_codes(others.rules, as_partner=True)
    shown = np.ones(len(others), dtype=np.bool_) if query.allowed is None else query.allowed.copy()
    if shown.shape != (len(others),) or shown.dtype != np.bool_:
        raise EngineError(f"allowed: a mask of {len(others)} partners expected")
    if query.without_ids is not None:
        hidden = rows_of(others.parties.ids, query.without_ids)
        shown[hidden[hidden >= 0]] = False
    codes[(codes == 0) & ~shown] = Rule.FILTERED
    listed_of_subjects = _of_subjects(exclusions, stalls, anchors, query)
    stall_rows, anchor_rows, listed = listed_cells(
        listed_of_subjects, stalls.parties.ids, anchors.parties.ids
    )
    mine, theirs = (stall_rows, anchor_rows) if query.side is Side.STALL else (anchor_rows, stall_rows)
    order = np.argsort(mine, kind="stable")
    left = np.flatnonzero(codes == 0)
    return _Market(
        model,
        stalls,
        anchors,
        query,
        codes,
        # Copying rows costs less than scoring what is struck out only when few are left.
        partners=left if 2 * len(left) < len(others) else None,
        listed=(mine[order], theirs[order], listed[order]),
    )


def _of_subjects(exclusions: Exclusions, stalls: Encoded, anchors: Encoded, query: Query) -> Exclusions:
    """The exclusions that touch a subject; sorting all of them would cost one asker more than the scan."""
    if query.side is Side.STALL:
        mine, ids = exclusions.stall_ids, stalls.parties.ids[query.subject_rows]
    else:
        mine, ids = exclusions.anchor_ids, anchors.parties.ids[query.subject_rows]
    kept = np.isin(mine, ids)
    return Exclusions(exclusions.stall_ids[kept], exclusions.anchor_ids[kept], exclusions.codes[kept])


# --- one block of subjects ----------------------------------------------------------------------------


def _block(market: _Market, subjects: IntArray) -> tuple[_Best, Any]:
    """The best of these subject rows, and counts [m, rules + 1]."""
    own = party_codes(market.subjects.rules.at(subjects), as_partner=False)
    counts = _party_counts(own, market.partner_codes)
    shortlist = Shortlist(market.query.k, len(subjects))
    cells = _listed_in(market, subjects)
    if np.any(own == 0):
        visited = len(market.others) if market.partners is None else len(market.partners)
        for at in spans(visited, max(1, _TILE_CELLS // len(subjects))):
            partners = at if market.partners is None else market.partners[at]
            _visit(market, subjects, partners, own, cells, counts, shortlist)
    counts[:, 0] = len(market.others) - counts[:, 1:].sum(axis=1)
    return _ranked(market, subjects, shortlist), counts


def _party_counts(own: Codes, partner_codes: Codes) -> Any:
    """Counts by rule from the rules about one party, [m, rules + 1]."""
    counts = np.zeros((len(own), len(Rule) + 1), dtype=np.int64)
    for code in np.unique(own):
        first = first_code(np.full_like(partner_codes, code), partner_codes)
        counts[own == code] = np.bincount(first, minlength=len(Rule) + 1)
    counts[:, 0] = 0
    return counts


def _visit(
    market: _Market,
    subjects: IntArray,
    partners: slice | IntArray,
    own: Codes,
    cells: Cells,
    counts: Any,
    shortlist: Shortlist,
) -> None:
    """Score one tile and offer what is eligible to the shortlist."""
    partner_rows = np.arange(len(market.others))[partners]
    alive = (own == 0)[:, None] & (market.partner_codes[partners] == 0)[None, :]
    _strike_listed(cells, partner_rows, alive, counts)
    is_stall = market.query.side is Side.STALL
    stall_index, anchor_index = (subjects, partners) if is_stall else (partners, subjects)
    # Rows are stalls: the tile lies on its side when anchors ask.
    tile = alive if is_stall else np.ascontiguousarray(alive.T)
    stall_rules = market.stalls.rules.at(stall_index).at((slice(None), None))
    anchor_rules = market.anchors.rules.at(anchor_index).at((None, slice(None)))
    struck = strike_out(tile, stall_rules, anchor_rules, subject_axis=0 if is_stall else 1)
    for rule, number in struck.items():
        counts[:, rule] += number
    scores = tile_scores(market.model, market.stalls, market.anchors, stall_index, anchor_index)
    scores *= tile
    shortlist.offer(scores if is_stall else scores.T, partner_rows)


def _listed_in(market: _Market, subjects: IntArray) -> Cells:
    """The listed pairs of a block: local subject numbers, partner rows, codes."""
    mine, theirs, codes = market.listed
    starts, stops = np.searchsorted(mine, subjects), np.searchsorted(mine, subjects, side="right")
    local = np.repeat(np.arange(len(subjects)), stops - starts)
    offsets = np.arange(len(local)) - np.repeat(np.cumsum(stops - starts) - (stops - starts), stops - starts)
    at = starts[local] + offsets
    return local, theirs[at], codes[at]


def _strike_listed(cells: Cells, partner_rows: IntArray, alive: BoolArray, counts: Any) -> None:
    """Clear the cells of a tile that people or staff have taken out."""
    local, partners, codes = cells
    columns = rows_of(partner_rows, partners)
    hit = columns >= 0
    hit[hit] = alive[local[hit], columns[hit]]
    alive[local[hit], columns[hit]] = False
    np.add.at(counts, (local[hit], codes[hit]), 1)


def _ranked(market: _Market, subjects: IntArray, shortlist: Shortlist) -> _Best:
    """The survivors scored in float64, best k of each subject, ties by id."""
    local, partners = shortlist.survivors()
    mine = subjects[local]
    rows, columns = (mine, partners) if market.query.side is Side.STALL else (partners, mine)
    logits = pair_logits(market.model, market.stalls, market.anchors, rows, columns)
    mutual = mutual_of(logits)
    partner_decides = ANCHOR_DECIDES if market.query.side is Side.STALL else STALL_DECIDES
    accepts = accepts_of(logits, partner_decides)
    # Ids ascend with rows, so the row is the tie-break by id.
    order = np.lexsort((partners, -mutual, local))
    rank = ranks(local[order])
    order, rank = order[rank < market.query.k], rank[rank < market.query.k]
    shape, at = (len(subjects), market.query.k), (local[order], rank)
    out = np.full(shape, -1, dtype=np.int64), np.zeros(shape), np.zeros(shape)
    for table, values in zip(out, (partners, mutual, accepts), strict=True):
        table[at] = values[order]
    return out


# --- the tile kernel ----------------------------------------------------------------------------------


def tile_scores(
    model: Model, stalls: Encoded, anchors: Encoded, stall_index: Any, anchor_index: Any
) -> Float32Array:
    """float32 [stalls, anchors] mutual scores, eligible or not."""
    stall, anchor = stalls.tile.at(stall_index), anchors.tile.at(anchor_index)
    against = _minus_blocks(model, stalls.vectors[stall_index], anchors.vectors[anchor_index])
    _subtract_hinges(against, model, stall, anchor)
    odds = [_odds_against(against[d], model.weights.biases[d], stall, anchor, d) for d in (0, 1)]
    fails = np.float32(np.exp(-model.weights.biases[2])) * stall.inverse_odds
    total = odds[0]
    total *= odds[1]
    third = fails[:, None] * anchor.inverse_odds[None, :]
    third += np.float32(1.0)
    total *= third
    return np.reciprocal(total, out=total)


def _minus_blocks(model: Model, stall: Float32Array, anchor: Float32Array) -> list[Float32Array]:
    """Minus the blocks' logits of both directions, so that exp gives the odds against.

    One matrix product where both directions weigh the blocks in proportion, as the prior does, else two.
    """
    columns = np.repeat(-model.weights.block_scale, model.encoder.widths, axis=1).astype(np.float32)
    first = (stall * columns[0]) @ anchor.T
    if model.weights.is_proportional:
        ratio = model.weights.block_scale[1, 0] / model.weights.block_scale[0, 0]
        return [first, first * np.float32(ratio)]
    return [first, (stall * columns[1]) @ anchor.T]


def _odds_against(
    against: Float32Array, bias: float, stall: TileColumns, anchor: TileColumns, direction: int
) -> Float32Array:
    """1 + exp(-logit), in place."""
    against -= (stall.logits[direction] + np.float32(bias))[:, None]
    against -= anchor.logits[direction][None, :]
    np.exp(against, out=against)
    against += np.float32(1.0)
    return against


def _subtract_hinges(
    against: list[Float32Array], model: Model, stall: TileColumns, anchor: TileColumns
) -> None:
    """Take each known hinge feature's logits from both directions, in place."""
    weights = model.weights
    offset, scaled = np.empty_like(against[0]), np.empty_like(against[0])
    for number, hinge in enumerate(HINGES):
        scale = weights.hinge_scale[:, number]
        if not scale.any():
            continue
        base = np.float32(weights.hinge_base[number])
        x = stall.hinges[number] + (np.float32(hinge.centre) - base)
        np.subtract(x[:, None], anchor.hinges[number][None, :], out=offset)
        np.clip(offset, -base, np.float32(1.0) - base, out=offset)
        _forget_unknown(offset, stall.known[number], anchor.known[number])
        for direction in DECISIONS:
            if scale[direction]:
                np.multiply(offset, np.float32(scale[direction]), out=scaled)
                against[direction] -= scaled


def _forget_unknown(offset: Float32Array, stall_known: Float32Array, anchor_known: Float32Array) -> None:
    if not stall_known.all():
        offset *= stall_known[:, None]
    if not anchor_known.all():
        offset *= anchor_known[None, :]


def exact_scores(model: Model, stalls: Encoded, anchors: Encoded) -> FloatArray:
    """float64 [stalls, anchors] of a whole small market; the reference that tests compare with."""
    rows, columns = np.indices((len(stalls), len(anchors))).reshape(2, -1)
    return mutual_scores(model, stalls, anchors, rows, columns).reshape(len(stalls), len(anchors))
