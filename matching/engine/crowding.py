"""How busy everybody is, kept by id, so that any list can be made against it later.

`matching.engine.market` works on row numbers of one moment; parties come and go between re-matches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.config import Config
from matching.engine.errors import EngineError
from matching.engine.market.ascent import AscentRules
from matching.engine.market.congestion import Congestion, busy_keys
from matching.engine.market.edges import Edges
from matching.engine.market.spread import MarketRules, spread
from matching.engine.model import Encoded
from matching.engine.rerank import Pool
from matching.engine.types import Arrays, BoolArray, FloatArray, IntArray, Side, rows_of

HORIZON_WEEKS = 4  # capacity and load are those of the coming four weeks


@dataclass(frozen=True)
class Crowding:
    """The queues of both orientations, and whose they are."""

    congestion: Congestion
    ids: Mapping[Side, IntArray]  # ascending, of the parties when it was decided

    def keys(self, side: Side, pool: Pool, partner_ids: IntArray) -> FloatArray:
        """[m, pool] what each candidate adds to the matches of the market, at most its mutual probability.

        `partner_ids` [partners] are the ids of the rows that the pool names.
        """
        known = rows_of(self.ids[side.other], partner_ids)
        held = pool.held
        keys = np.zeros(pool.partner_rows.shape)
        keys[held] = busy_keys(
            self.congestion.queues[side],
            known[pool.partner_rows[held]],
            pool.own_accepts[held],
            pool.partner_accepts[held],
        )
        return keys

    def to_arrays(self) -> Arrays:
        ids: Arrays = {f"{side.value}_ids": self.ids[side] for side in Side}
        return ids | self.congestion.to_arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Crowding:
        """The inverse of `to_arrays`; EngineError naming what is missing."""
        missing = [f"{side.value}_ids" for side in Side if f"{side.value}_ids" not in arrays]
        if missing:
            raise EngineError(f"{missing[0]}: missing in the stored state of the market")
        return cls(Congestion.from_arrays(arrays), {side: arrays[f"{side.value}_ids"] for side in Side})


def crowding_of(
    stalls: Encoded,
    anchors: Encoded,
    pools: Mapping[Side, Sequence[Pool]],
    config: Config,
) -> Crowding:
    """The state of the queues when everybody's list is made: `pools` are those of all, block by block."""
    edges, of_side = _edges(len(stalls), len(anchors), pools)
    rules = MarketRules(ascent=AscentRules(sweeps=config.market_sweeps, tolerance=1e-3))
    decided = spread(edges, _weekly_room(stalls), _weekly_room(anchors), rules, candidates_of=of_side)
    return Crowding(decided.congestion, {Side.STALL: stalls.parties.ids, Side.ANCHOR: anchors.parties.ids})


def _weekly_room(encoded: Encoded) -> FloatArray:
    """[n] bookings a week that are left, at least one while any is left."""
    room = np.maximum(encoded.parties.capacity - encoded.parties.load_used, 0)
    return np.where(room > 0, np.maximum(room / HORIZON_WEEKS, 1.0), 0.0)


def _edges(
    n_stalls: int, n_anchors: int, pools: Mapping[Side, Sequence[Pool]]
) -> tuple[Edges, Mapping[Side, BoolArray]]:
    """The union of both sides' candidates, and which of them are whose."""
    found = {side: _cells(side, n_anchors, pools[side]) for side in Side}
    cells = np.concatenate([found[side].cell for side in Side])
    cell, first = np.unique(cells, return_index=True)
    edges = Edges(
        rows=cell // max(n_anchors, 1),
        columns=cell % max(n_anchors, 1),
        row_accepts=np.concatenate([found[side].stall_accepts for side in Side])[first],
        column_accepts=np.concatenate([found[side].anchor_accepts for side in Side])[first],
        n_rows=n_stalls,
        n_columns=n_anchors,
    )
    return edges, {side: np.isin(cell, found[side].cell, assume_unique=True) for side in Side}


@dataclass(frozen=True)
class _Cells:
    """Pairs of one side's pools: row * anchors + column, and both probabilities."""

    cell: IntArray
    stall_accepts: FloatArray
    anchor_accepts: FloatArray


def _cells(side: Side, n_anchors: int, pools: Sequence[Pool]) -> _Cells:
    cell, own, partner = [np.empty(0, dtype=np.int64)], [np.empty(0)], [np.empty(0)]
    first = 0
    for pool in pools:
        held = pool.held
        subjects = np.broadcast_to(first + np.arange(len(held))[:, None], held.shape)[held]
        rows, columns = (subjects, pool.partner_rows[held])[:: 1 if side is Side.STALL else -1]
        cell.append(rows * n_anchors + columns)
        own.append(pool.own_accepts[held])
        partner.append(pool.partner_accepts[held])
        first += len(held)
    accepts = (np.concatenate(own), np.concatenate(partner))[:: 1 if side is Side.STALL else -1]
    return _Cells(np.concatenate(cell), *accepts)
