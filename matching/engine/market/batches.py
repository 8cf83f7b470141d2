"""Welfare ascent for large markets: many parties answer one state at once, kept only if welfare rises.

The number of applicants above somebody is taken to be Poisson with the sum of their exposures as mean
(`ExpectedCurves`), so that one pass over all queues is a cumulative sum. Parties answer in interleaved
batches, because parties of one batch do not see each other's moves: neighbours by id, who tend to be
alike, are in different batches, and a batch after which welfare fell is undone and split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matching.engine.market.ascent import Ascended, AscentRules
from matching.engine.market.edges import Orientation, ranks_within
from matching.engine.market.examination import Attention, ExpectedCurves
from matching.engine.market.expectation import check_ranks
from matching.engine.market.screening import Screened
from matching.engine.types import FloatArray, IntArray


@dataclass(frozen=True)
class Pass:
    """One look at all queues."""

    welfare: float  # expected matches less the penalty
    marginal: FloatArray  # [E] ∂/∂A of the objective
    chance: FloatArray  # [E in screening order]
    crowding: FloatArray  # [E in screening order]

    def screened(self, orientation: Orientation) -> Screened:
        """The same in the order of the lists."""
        tables = np.empty((2, len(orientation)))
        tables[:, orientation.queue] = self.chance, self.crowding
        return Screened(*tables)


class MeanField:
    """Queues in which the number above somebody is Poisson."""

    def __init__(self, orientation: Orientation, attention: Attention, rules: AscentRules) -> None:
        self.orientation, self.attention, self.rules = orientation, attention, rules
        queue = orientation.queue
        most = np.bincount(orientation.partner, weights=orientation.applies, minlength=1).max()
        self.curves = ExpectedCurves.of(attention, float(most))
        self.lengths = np.diff(orientation.queue_starts)
        self.partner = orientation.partner[queue]
        self.curve = self.curves.curve_of[self.partner]
        self.accepts = orientation.screened[queue]
        self.free = rules.free_exposure * attention.capacity

    def look(self, exposure: FloatArray) -> Pass:
        """Welfare and marginal values, given everybody's exposure [E]."""
        queue = self.orientation.queue
        applied = exposure[queue]
        above, exposed = self._above(applied)
        value, fall = self.curves.at(self.curve, above)
        gain = self.accepts * value
        fall *= self.accepts
        fall *= applied  # what one more above takes from each
        lost, total = self._above(fall)
        crowd = np.repeat(total, self.lengths)
        crowd -= lost
        crowd -= fall
        np.maximum(crowd, 0.0, out=crowd)  # differences of cumulative sums
        welfare = float(applied @ gain) - float(self.rules.penalty(exposed, self.attention.capacity).sum())
        marginal = np.empty_like(gain)
        gain -= crowd
        marginal[queue] = gain
        if self.rules.price:
            marginal -= self.rules.price * self._share_beyond(exposure, exposed)
        return Pass(welfare, marginal, value, crowd)

    def _above(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """[E] sum of `values` above each place of its queue, and [partners] the sum of the queue."""
        sums = np.concatenate(([0.0], np.cumsum(values)))
        first = sums[self.orientation.queue_starts]
        return sums[:-1] - np.repeat(first[:-1], self.lengths), np.diff(first)

    def _share_beyond(self, exposure: FloatArray, exposed: FloatArray) -> FloatArray:
        """[E] which share of a first-rank exposure would lie beyond what is free."""
        applies, partner = self.orientation.applies, self.orientation.partner
        own = np.where(applies > 0, applies, 1.0)
        return np.clip(((exposed - self.free)[partner] - exposure + applies) / own, 0.0, 1.0)


def ascend_in_batches(
    orientation: Orientation,
    ranks: IntArray,
    attention: Attention,
    rules: AscentRules | None = None,
    batches: int = 16,
) -> Ascended:
    """Lists after at most `rules.sweeps` sweeps of batches from `ranks` on.

    The welfare told is that of the mean field; it never falls from sweep to sweep. A sweep in which a
    batch had to be undone is followed by one with twice as many batches.
    """
    rules = rules or AscentRules()
    ranks = check_ranks(orientation, ranks).copy()
    exposure = attention.exposure(ranks, orientation.applies)
    if not len(orientation):
        return Ascended(ranks, exposure, np.zeros(1), Screened(exposure, exposure))
    longest = int(np.diff(orientation.starts).max())
    curve = attention.examination.ranks(max(longest, int(ranks.max())), attention.length)
    field = MeanField(orientation, attention, rules)
    state = field.look(exposure)
    welfare = [state.welfare]
    for _ in range(rules.sweeps):
        undone = False
        for batch in range(batches):
            parties = np.arange(batch, orientation.n_parties, batches)
            entries, starts = _entries(orientation, parties)
            old = ranks[entries], exposure[entries]
            applies = orientation.applies[entries]
            ranks[entries] = ranks_within(applies * state.marginal[entries], starts)
            exposure[entries] = curve[ranks[entries]] * applies
            answered = field.look(exposure)
            if answered.welfare >= state.welfare:
                state = answered
            else:
                ranks[entries], exposure[entries] = old
                undone = True
        welfare.append(state.welfare)
        if not undone and welfare[-1] - welfare[-2] <= rules.tolerance * abs(welfare[-1]):
            break
        if undone:
            batches = min(2 * batches, max(orientation.n_parties, 1))
    return Ascended(ranks, exposure, np.array(welfare), state.screened(orientation))


def _entries(orientation: Orientation, parties: IntArray) -> tuple[IntArray, IntArray]:
    """The entries of some parties, one after the other, and where each party's begin."""
    first = orientation.starts[parties]
    lengths = orientation.starts[parties + 1] - first
    starts = np.concatenate(([0], np.cumsum(lengths)))
    shift = np.repeat(first - starts[:-1], lengths)
    return np.arange(starts[-1]) + shift, starts
