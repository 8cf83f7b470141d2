"""The whole market step: from candidate pairs and capacities to the congestion state and the lists.

Start from the transferable-utility equilibrium, let one side be proactive and ascend, then the other
side with what is left to be found, and keep of both the state of the queues. Lists are best responses to
that state, so that one party listed alone later gets the list that it got in the whole run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from matching.engine.market.ascent import Ascended, AscentRules, ascend_in_turn
from matching.engine.market.batches import ascend_in_batches
from matching.engine.market.congestion import KNOTS, Congestion, Queues, busy_keys, summarise
from matching.engine.market.edges import Edges, Orientation, capacities, orient, ranks_within
from matching.engine.market.examination import Attention, Examination
from matching.engine.market.expectation import found_by_edge
from matching.engine.market.ipfp import Surplus, equilibrium
from matching.engine.types import BoolArray, FloatArray, IntArray, Side

# Queue places that one sweep of the sequential ascent may walk through (about 2 s of one core).
MOST_PLACES = 100_000
_STEPS = 4


@dataclass(frozen=True)
class MarketRules:
    """What a market run is made with; part of the run's fingerprint."""

    examination: Examination = Examination.INVERSE
    length: int | None = 50  # ranks that people are shown
    surplus: Surplus = Surplus.LOG
    beta: float = 0.1
    first: Side = Side.STALL  # which side is proactive first
    ascent: AscentRules = field(default_factory=lambda: AscentRules(sweeps=3, tolerance=1e-3))
    knots: int = KNOTS


@dataclass(frozen=True)
class Spread:
    """Both orientations after the ascent, and the state that lists are made from."""

    ascended: Mapping[Side, Ascended]
    congestion: Congestion

    def welfare(self, side: Side) -> FloatArray:
        """[sweeps + 1] the objective, first of the start."""
        return self.ascended[side].welfare


def ascend(
    orientation: Orientation, ranks: IntArray, attention: Attention, rules: AscentRules | None = None
) -> Ascended:
    """The ascent that the size allows.

    A market whose parties times mean queue come to at most 100,000 places is climbed one party after
    the other with the exact expectation; a larger one in batches with the Poisson mean field.
    """
    lengths = np.diff(orientation.queue_starts).astype(np.float64)
    places = orientation.n_parties * float((lengths**2).sum()) / max(float(lengths.sum()), 1.0)
    rectangle = float(lengths.max(initial=0)) * len(lengths)
    if places <= MOST_PLACES and rectangle <= 10 * MOST_PLACES:
        return ascend_in_turn(orientation, ranks, attention, rules)
    return ascend_in_batches(orientation, ranks, attention, rules)


def best_response(orientation: Orientation, queues: Queues) -> IntArray:
    """[E] ranks of every party's list by what each pair adds to the stored state."""
    keys = busy_keys(queues, orientation.partner, orientation.applies, orientation.screened)
    return ranks_within(keys, orientation.starts)


def spread(
    edges: Edges,
    row_capacity: FloatArray,
    column_capacity: FloatArray,
    rules: MarketRules | None = None,
    *,
    candidates_of: Mapping[Side, BoolArray] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Spread:
    """One run over the whole market.

    Capacities are what is left of both sides (weekly, in pairings). `candidates_of` tells which edges
    each side's lists are made of ([E] per proactive side), if not all. `progress` hears (done, steps).
    """
    rules = rules or MarketRules()
    capacity = {
        Side.STALL: capacities("row_capacity", row_capacity, edges.n_rows),
        Side.ANCHOR: capacities("column_capacity", column_capacity, edges.n_columns),
    }
    tell = progress or (lambda done, steps: None)
    start = equilibrium(
        edges,
        capacity[Side.STALL],
        capacity[Side.ANCHOR],
        surplus=rules.surplus,
        beta=rules.beta,
        tolerance=1e-3,
    )
    tell(1, _STEPS)
    ascended, queues = {}, {}
    found: FloatArray | None = None
    for step, side in enumerate((rules.first, rules.first.other), 2):
        among = candidates_of[side] if candidates_of else None
        orientation = orient(edges, side, among=among, already_found=found)
        attention = Attention(rules.examination, capacity[side.other], rules.length)
        ranks = ranks_within(start.mass[orientation.edge], orientation.starts)
        lists = ascend(orientation, ranks, attention, rules.ascent)
        if found is None:
            found = found_by_edge(edges, orientation, lists.ranks, attention, lists.screened.chance)
        queues[side] = summarise(orientation, lists.exposure, lists.screened, attention, rules.knots)
        ascended[side] = lists
        tell(step, _STEPS)
    tell(_STEPS, _STEPS)
    return Spread(ascended, Congestion(queues))
