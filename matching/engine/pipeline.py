"""The stages in reading order: fit, encode, recommend (rules, scores, top k, parts), explain."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from matching.engine import explain as explaining
from matching.engine.candidates import ruled_out
from matching.engine.config import Config
from matching.engine.crowding import Crowding
from matching.engine.encoding import BLOCKS, centred, fit_encoder
from matching.engine.errors import EngineError
from matching.engine.model import Encoded, Model
from matching.engine.pairs import accepts_of, mutual_of, pair_logits
from matching.engine.rerank import Places, Pool, arrange
from matching.engine.results import PairExplanations, Recommendations
from matching.engine.retrieval import Progress, Query, top_k
from matching.engine.scoring import ANCHOR_DECIDES, PART_CODES, STALL_DECIDES
from matching.engine.types import (
    BoolArray,
    Exclusions,
    FloatArray,
    IntArray,
    Parties,
    Rule,
    Side,
    Snapshot,
)
from matching.engine.weights import Learned, blend, features_hash, fit_prior


def fit(
    snapshot: Snapshot, config: Config | None = None, seed: int = 0, learned: Learned | None = None
) -> Model:
    """The model of a market: fitted vocabulary weights, text topics, and the average candidate pair.

    With `learned` the prior is blended with what decisions taught. Raises EngineError where that was
    learned for other features, or cannot be scored in float32.
    """
    config = (config or Config()).validate()
    rng = np.random.default_rng(seed)
    stalls = snapshot.stalls.take(_sample(len(snapshot.stalls), config.fit_sample, rng))
    anchors = snapshot.anchors.take(_sample(len(snapshot.anchors), config.fit_sample, rng))
    # scikit-learn brings BLAS libraries of its own: loaded within the limit they would not heed it, and the
    # first fit of a process would differ from all later ones.
    import_module("sklearn.decomposition")
    with ThreadpoolController().limit(limits=1):
        encoder = fit_encoder(snapshot.vocabulary, stalls, anchors, config, seed)
        rows, columns = _candidate_pairs(stalls, anchors, config, rng)
        prior = fit_prior(config, stalls, anchors, rows, columns)
        left, right = encoder.transform(stalls), encoder.transform(anchors)
        base = _mean_similarity(encoder.starts, encoder.weights, left[rows], right[columns])
        encoder = centred(encoder, base)
    weights = prior if learned is None else blend(prior, learned, encoder.weights, encoder.base)
    about = "" if learned is None else learned.digest
    return Model(config, snapshot.vocabulary, encoder, weights, seed, about)


def _sample(rows: int, most: int, rng: np.random.Generator) -> IntArray:
    return np.sort(rng.choice(rows, size=min(rows, most), replace=False)).astype(np.int64)


def _candidate_pairs(
    stalls: Parties, anchors: Parties, config: Config, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Sampled pairs that no rule excludes; all sampled pairs where the rules leave none."""
    if not len(stalls) or not len(anchors):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    across = min(len(anchors), max(1, config.base_sample // min(len(stalls), 200)))
    down = min(len(stalls), max(1, config.base_sample // across))
    some_rows, some_columns = _sample(len(stalls), down, rng), _sample(len(anchors), across, rng)
    codes = ruled_out(
        stalls.take(some_rows), anchors.take(some_columns), Exclusions(), subject=None, config=config
    )
    rows, columns = np.nonzero(codes == 0)
    if not len(rows):
        rows, columns = np.indices(codes.shape).reshape(2, -1)
    return some_rows[rows], some_columns[columns]


def _mean_similarity(
    starts: IntArray, weights: FloatArray, left: np.ndarray, right: np.ndarray
) -> FloatArray:
    """Mean similarity by block over the pairs in which both sides know it, one half where none does."""
    base = np.full(len(BLOCKS), 0.5)
    for number, start in enumerate(starts):
        stop = starts[number + 1] if number + 1 < len(starts) else left.shape[1]
        x, y = left[:, start:stop], right[:, start:stop]
        known = x.any(axis=1) & y.any(axis=1)
        if known.any() and weights[number] > 0:
            dots = np.einsum("ij,ij->i", x[known], y[known], dtype=np.float64)
            base[number] = dots.mean() / weights[number]
    return base


def encode(model: Model, parties: Parties) -> Encoded:
    """One side, or a few changed parties of it, as the model sees them."""
    return Encoded.of(model, parties, model.encoder.transform(parties))


def recommend(
    model: Model,
    stalls: Encoded,
    anchors: Encoded,
    exclusions: Exclusions,
    *,
    side: Side,
    subjects: Sequence[int] | IntArray | None = None,
    k: int = 50,
    allowed: BoolArray | None = None,
    without_ids: Sequence[int] | IntArray | None = None,
    crowding: Crowding | None = None,
    by_score_alone: bool = False,
    progress: Progress | None = None,
) -> Recommendations:
    """The best k partners of the subjects (ids; None for the whole side), each with its parts.

    `allowed` [partners] is the asker's filter, `without_ids` partners not to show; both count as
    `filtered`. Raises EngineError for a subject that is not in the side, or another model's rows.
    """
    if k < 1:
        raise EngineError(f"k: at least 1 expected, {k} given")
    found = pool(
        model,
        stalls,
        anchors,
        exclusions,
        side=side,
        subjects=subjects,
        k=max(k, _pool_size(model.config, side)),
        allowed=allowed,
        without_ids=without_ids,
        progress=progress,
    )
    rows = _subject_rows(stalls if side is Side.STALL else anchors, subjects)
    return lists_of(
        model,
        stalls,
        anchors,
        found,
        side=side,
        subject_rows=rows,
        k=k,
        crowding=crowding,
        by_score_alone=by_score_alone,
    )


def pool(
    model: Model,
    stalls: Encoded,
    anchors: Encoded,
    exclusions: Exclusions,
    *,
    side: Side,
    subjects: Sequence[int] | IntArray | None = None,
    k: int | None = None,
    allowed: BoolArray | None = None,
    without_ids: Sequence[int] | IntArray | None = None,
    progress: Progress | None = None,
) -> Pool:
    """The candidates of the subjects among whom the market and `rerank` decide, best score first."""
    _check(model, stalls, anchors)
    query = Query(
        side=side,
        subject_rows=_subject_rows(stalls if side is Side.STALL else anchors, subjects),
        k=_pool_size(model.config, side) if k is None else k,
        allowed=allowed,
        without_ids=None if without_ids is None else np.asarray(without_ids, dtype=np.int64),
    )
    ranked = top_k(model, stalls, anchors, exclusions, query, progress)
    return Pool(ranked.partner_rows, ranked.mutual, ranked.partner_accepts, ranked.counts)


def pools_with(
    model: Model,
    stalls: Encoded,
    anchors: Encoded,
    *,
    side: Side,
    subject_rows: IntArray,
    partner_row: int,
) -> Pool:
    """Pools of these subjects that hold the one partner, whatever the rules say: [m, 1]."""
    partners = np.full(len(subject_rows), partner_row, dtype=np.int64)
    rows, columns = (subject_rows, partners) if side is Side.STALL else (partners, subject_rows)
    logits = pair_logits(model, stalls, anchors, rows, columns)
    accepts = accepts_of(logits, ANCHOR_DECIDES if side is Side.STALL else STALL_DECIDES)
    counts = np.zeros((len(partners), len(Rule) + 1), dtype=np.uint32)
    return Pool(partners[:, None], mutual_of(logits)[:, None], accepts[:, None], counts)


def _pool_size(config: Config, side: Side) -> int:
    return config.stall_pool if side is Side.STALL else config.anchor_pool


def lists_of(
    model: Model,
    stalls: Encoded,
    anchors: Encoded,
    found: Pool,
    *,
    side: Side,
    subject_rows: IntArray,
    k: int,
    crowding: Crowding | None = None,
    by_score_alone: bool = False,
) -> Recommendations:
    """The lists of these subjects from their pools: places, then the parts of every score shown.

    Without `crowding` nobody is busy. `by_score_alone` leaves out variety and newcomers' places as well: for
    who does not want to be ranked by more than neutral facts.
    """
    own, others = (stalls, anchors) if side is Side.STALL else (anchors, stalls)
    keys = found.mutual
    if crowding is not None and not by_score_alone:
        keys = crowding.keys(side, found, others.parties.ids)
    config = replace(model.config, diversity=0.0, newcomer_every=0) if by_score_alone else model.config
    order = arrange(model, own, others, found, Places(keys, config, k), subject_rows)
    shown = order.places >= 0
    # One more column for nobody, so that padding (-1) finds it.
    padded = np.pad(found.partner_rows, ((0, 0), (0, 1)), constant_values=-1)
    partner_rows = np.take_along_axis(padded, order.places, axis=1)
    partners = partner_rows[shown]
    mine = np.broadcast_to(subject_rows[:, None], shown.shape)[shown]
    rows, columns = (mine, partners) if side is Side.STALL else (partners, mine)
    scores, hundredths = explaining.explain_rows(model, stalls, anchors, rows, columns)
    trust = explaining.confidence(stalls, anchors, rows, columns)
    return Recommendations(
        side=side,
        subject_ids=own.parties.ids[subject_rows],
        partner_ids=_padded(shown, others.parties.ids[partners], -1),
        scores=_padded(shown, scores, 0.0),
        base=explaining.base_score(model),
        parts=_padded(shown, hundredths, 0),
        part_codes=PART_CODES,
        confidence=_padded(shown, trust, 0.0),
        adjustments=order.adjustments,
        propensity=order.propensities,
        reasons_counts=found.counts,
        pool_floor=np.where(found.floor >= 0, 100.0 * found.floor, -1.0),
    )


def _padded(shown: BoolArray, values: np.ndarray, blank: float) -> np.ndarray:
    out = np.full((*shown.shape, *values.shape[1:]), blank, dtype=values.dtype)
    out[shown] = values
    return out


def explain_pairs(
    model: Model, stalls: Encoded, anchors: Encoded, pairs: Sequence[tuple[int, int]]
) -> PairExplanations:
    """Why these (stall id, anchor id) pairs score as they do, candidates or not."""
    _check(model, stalls, anchors)
    ids = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    rows, columns = stalls.parties.rows_of(ids[:, 0]), anchors.parties.rows_of(ids[:, 1])
    if np.any(rows < 0) or np.any(columns < 0):
        raise EngineError("pairs: an id that is not in the snapshot")
    return explaining.explain(model, stalls, anchors, rows, columns)


def _subject_rows(own: Encoded, subjects: Sequence[int] | IntArray | None) -> IntArray:
    if subjects is None:
        return np.arange(len(own))
    rows = own.parties.rows_of(subjects)
    if np.any(rows < 0):
        raise EngineError(f"subjects: {int(np.asarray(subjects)[rows < 0][0])} is not in the snapshot")
    return rows


def _check(model: Model, stalls: Encoded, anchors: Encoded) -> None:
    if stalls.parties.side is not Side.STALL or anchors.parties.side is not Side.ANCHOR:
        raise EngineError("side: stalls and anchors are swapped")
    if not stalls.model_digest == anchors.model_digest == model.digest:
        raise EngineError("model: the parties were encoded by another model")


# --- what a run was made of ---------------------------------------------------------------------------


@cache
def code_version() -> str:
    """sha256 over the engine's source files."""
    total = hashlib.sha256()
    home = Path(__file__).parent
    for path in sorted(home.rglob("*.py")):
        total.update(path.relative_to(home).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


@cache
def schema_hash() -> str:
    """sha256 over the names and order of features and parts."""
    return hashlib.sha256(repr([features_hash(), PART_CODES]).encode()).hexdigest()


def run_fingerprint(model: Model, as_of: str) -> dict[str, str]:
    """What determines a run's bytes on one kind of CPU; `digest` is the sha256 over all of it."""
    run = {
        "code": code_version(),
        "schema": schema_hash(),
        "config": model.config.digest(),
        "model": model.digest,
        "learned": model.learned,
        "as_of": as_of,
        "seed": str(model.seed),
        "libraries": ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn")),
    }
    return {**run, "digest": hashlib.sha256(repr(sorted(run.items())).encode()).hexdigest()}
