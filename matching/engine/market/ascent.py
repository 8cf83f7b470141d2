"""Welfare ascent, one party after the other, with the exact expectation: for markets of moderate size.

W, the expected matches, is linear in the exposures of one proactive party when all others stand still:
W = const + Σ_j A_ij ∂W/∂A_ij with A_ij = v(rank of j) · p_ij. By the rearrangement inequality the order of
p_ij · ∂W/∂A_ij is that party's best list, so taking the parties in turn never loses welfare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matching.engine.errors import EngineError
from matching.engine.market.edges import Orientation, ranks_within, segments
from matching.engine.market.examination import Attention
from matching.engine.market.expectation import check_ranks, exposed_by_partner
from matching.engine.market.screening import (
    Screened,
    drops_of,
    queue_entries,
    screen,
    states_needed,
    step_counts,
    step_falls,
)
from matching.engine.types import FloatArray, IntArray

# A new list is taken only for more than the error of the truncated recursion.
_LEAST_GAIN = 1e-8


@dataclass(frozen=True)
class AscentRules:
    """When the ascent stops, and what exposure costs. The budget is counted, never timed."""

    sweeps: int = 20
    tolerance: float = 1e-6  # stop when a whole sweep gains less than this share of the welfare
    price: float = 0.0  # matches that one expected applicant beyond the free exposure costs
    free_exposure: float = 3.0  # expected applicants per place of capacity that cost nothing

    def __post_init__(self) -> None:
        if self.sweeps < 0:
            raise EngineError(f"sweeps: at least 0, not {self.sweeps}")
        for name in ("tolerance", "price", "free_exposure"):
            if not getattr(self, name) >= 0:
                raise EngineError(f"{name}: at least 0, not {getattr(self, name)}")

    def penalty(self, exposed: FloatArray, capacity: FloatArray) -> FloatArray:
        """[partners] price of the exposure [partners] beyond what is free."""
        return self.price * np.maximum(exposed - self.free_exposure * capacity, 0.0)


@dataclass(frozen=True)
class Ascended:
    """Lists and how welfare (less the penalty, if exposure has a price) rose to them."""

    ranks: IntArray  # [E] place in the party's list, from 1
    exposure: FloatArray  # [E] A
    welfare: FloatArray  # [sweeps + 1], the start first, then after each sweep
    screened: Screened  # what the lists mean for every queue


def objective(
    orientation: Orientation, exposure: FloatArray, attention: Attention, rules: AscentRules
) -> float:
    """Expected matches less the penalty."""
    matches = exposure @ (orientation.screened * screen(orientation, exposure, attention).chance)
    exposed = exposed_by_partner(orientation, exposure)
    return float(matches - rules.penalty(exposed, attention.capacity).sum())


class _Queues:
    """All queues as rectangles, and what one party's place in them is worth."""

    def __init__(self, orientation: Orientation, exposure: FloatArray, attention: Attention) -> None:
        self.orientation, self.attention = orientation, attention
        partners = np.arange(orientation.n_partners)
        entries = queue_entries(orientation, partners)  # [places, partners]
        there = entries >= 0
        self.place = np.empty(len(orientation), dtype=np.int64)
        self.place[entries[there]] = np.nonzero(there)[0]
        self.exposure = np.where(there, exposure[entries], 0.0)
        self.screened = np.where(there, orientation.screened[entries], 0.0)
        self.exposed = self.exposure.sum(axis=0)
        self.lengths = np.diff(orientation.queue_starts)
        self.places = attention.places(partners, len(entries) + 1)

    def gradient(self, own: slice) -> FloatArray:
        """∂W/∂A of the party whose entries are `own`, all others standing still."""
        partners, place = self.orientation.partner[own], self.place[own]
        longest = int(self.lengths[partners].max())
        applies, screened = self.exposure[:longest, partners], self.screened[:longest, partners]
        position = np.arange(longest)[:, None]
        above = np.where(position < place, applies, 0.0)
        below = np.where(position > place, applies, 0.0)
        states = states_needed(float(self.exposed[partners].max()), longest)
        places = np.ascontiguousarray(self.places[partners, :states].T)
        counts, falls = np.zeros_like(places), np.zeros_like(places)
        counts[0] = 1.0
        for trial in above[: int(place.max())]:
            step_counts(counts, trial)
        drops = drops_of(places)
        for step in range(longest - 1, int(place.min()), -1):
            step_falls(falls, drops, below[step], screened[step])
        chance, crowding = (counts * places).sum(axis=0), (counts * falls).sum(axis=0)
        return np.asarray(self.orientation.screened[own] * chance - crowding)

    def put(self, own: slice, exposure: FloatArray) -> None:
        """Changes one party's exposures."""
        partners, place = self.orientation.partner[own], self.place[own]
        self.exposed[partners] += exposure - self.exposure[place, partners]
        self.exposure[place, partners] = exposure


def ascend_in_turn(
    orientation: Orientation,
    ranks: IntArray,
    attention: Attention,
    rules: AscentRules | None = None,
) -> Ascended:
    """Best lists one party after the other in order of id, sweep after sweep, from `ranks` on.

    Each step keeps the old list unless the new one is better, so the objective never falls.
    """
    rules = rules or AscentRules()
    ranks = check_ranks(orientation, ranks).copy()
    exposure = attention.exposure(ranks, orientation.applies)
    welfare = [objective(orientation, exposure, attention, rules)]
    if len(orientation):
        longest = int(np.diff(orientation.starts).max())
        curve = attention.examination.ranks(max(longest, int(ranks.max())), attention.length)
        queues = _Queues(orientation, exposure, attention)
        for _ in range(rules.sweeps):
            gained = 0.0
            for own in segments(orientation.starts):
                if own.start < own.stop:
                    gained += _improve(queues, own, ranks, exposure, curve, rules)
            welfare.append(objective(orientation, exposure, attention, rules))
            if gained <= rules.tolerance * max(abs(welfare[-1]), 1e-12):
                break
    screened = screen(orientation, exposure, attention)
    return Ascended(ranks, exposure, np.array(welfare), screened)


def _improve(
    queues: _Queues,
    own: slice,
    ranks: IntArray,
    exposure: FloatArray,
    curve: FloatArray,
    rules: AscentRules,
) -> float:
    """Gives one party its best list in place, if it gains; the gain."""
    applies, partners = queues.orientation.applies[own], queues.orientation.partner[own]
    gradient = queues.gradient(own)
    free = rules.free_exposure * queues.attention.capacity[partners]
    others = queues.exposed[partners] - exposure[own]
    keys = applies * (gradient - rules.price * _share_beyond(others, applies, free))
    new = ranks_within(keys, np.array([0, len(keys)]))
    now = curve[new] * applies
    gain = (now - exposure[own]) @ gradient
    if rules.price:
        before, after = others + exposure[own], others + now
        beyond = np.maximum(after - free, 0.0) - np.maximum(before - free, 0.0)
        gain -= rules.price * beyond.sum()
    if gain <= _LEAST_GAIN:
        return 0.0
    ranks[own], exposure[own] = new, now
    queues.put(own, now)
    return float(gain)


def _share_beyond(others: FloatArray, applies: FloatArray, free: FloatArray) -> FloatArray:
    """Which share of a party's first-rank exposure would lie beyond what is free."""
    own = np.where(applies > 0, applies, 1.0)
    return np.clip((others + applies - free) / own, 0.0, 1.0)
