"""What happens in a queue, exactly: every reactive party screens a random number of applicants in order.

Whether applicant l applies is a trial with probability A_l, independent of the others, so the number
above somebody is Poisson-binomial. The recursion runs over places in the queue, for many queues at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from matching.engine.market.edges import Orientation
from matching.engine.market.examination import Attention
from matching.engine.types import FloatArray, IntArray

# States of a queue beyond which less than this mass lies are one state.
TAIL = 1e-9
_MOST_CELLS = 4_000_000


@dataclass(frozen=True)
class Screened:
    """Per entry of an orientation, given everybody's exposure A."""

    chance: FloatArray  # [E] E v_c(1 + N above): that the partner examines the party if it applies
    crowding: FloatArray  # [E] expected matches that an application takes from those below it

    def gradient(self, orientation: Orientation) -> FloatArray:
        """[E] ∂W/∂A: own gain minus crowd-out."""
        return orientation.screened * self.chance - self.crowding


def states_needed(mean: float, applicants: int, tail: float = TAIL) -> int:
    """How many counts of applicants to tell apart so that less than `tail` lies beyond.

    The upper tail of a sum of independent trials is below that of Poisson with the same mean from one
    above the mean on (Hoeffding 1956).
    """
    from scipy.stats import poisson

    return int(min(applicants, max(poisson.isf(tail, mean) if mean > 0 else 0.0, mean + 1))) + 1


def step_counts(counts: FloatArray, applies: FloatArray) -> None:
    """One more applicant: the distribution of counts [states, queues] after a trial of `applies` [queues].

    The last state stands for "this many or more".
    """
    moved = counts * applies
    counts -= moved
    counts[1:] += moved[:-1]
    counts[-1] += moved[-1]


def step_falls(falls: FloatArray, drops: FloatArray, applies: FloatArray, screened: FloatArray) -> None:
    """One applicant further up the queue, for D(n) = V(n) − V(n + 1).

    V(n) is what the places from here down yield when n have applied above:
    V'(n) = A (p · v(n + 1) + V(n + 1)) + (1 − A) V(n). `drops` is v(n + 1) − v(n + 2), 0 in the last state.
    """
    change = drops * screened
    change -= falls
    change[:-1] += falls[1:]
    change *= applies
    falls += change


def screen(orientation: Orientation, exposure: FloatArray, attention: Attention) -> Screened:
    """Chance and crowd-out of every entry, exact but for tails of mass 1e-9."""
    chance, crowding = np.zeros(len(orientation)), np.zeros(len(orientation))
    for block in _blocks(orientation, exposure):
        applies, screened, entries = _padded(orientation, exposure, block.partners)
        places = attention.places(block.partners, block.states).T
        drops = drops_of(places)
        counts = np.zeros((block.states, len(block.partners)))
        counts[0] = 1.0
        before = np.empty((len(applies), *counts.shape))
        for place, trial in enumerate(applies):
            before[place] = counts
            step_counts(counts, trial)
        falls = np.zeros_like(counts)
        crowd = np.empty_like(applies)
        for place in range(len(applies) - 1, -1, -1):
            crowd[place] = np.einsum("nq,nq->q", before[place], falls)
            step_falls(falls, drops, applies[place], screened[place])
        there = entries >= 0
        chance[entries[there]] = np.einsum("lnq,nq->lq", before, places)[there]
        crowding[entries[there]] = crowd[there]
    return Screened(chance, crowding)


def drops_of(places: FloatArray) -> FloatArray:
    """v(n + 1) − v(n + 2) of each state [states, queues]; 0 in the last, which is followed by itself."""
    drops = np.zeros_like(places)
    drops[:-1] = places[:-1] - places[1:]
    return drops


@dataclass(frozen=True)
class _Block:
    partners: IntArray
    states: int


def _blocks(orientation: Orientation, exposure: FloatArray) -> Iterator[_Block]:
    """Partners with queues of like length and need of states, few enough to keep in memory."""
    lengths = np.diff(orientation.queue_starts)
    means = np.bincount(orientation.partner, weights=exposure, minlength=orientation.n_partners)
    order = np.lexsort((lengths, np.floor(np.sqrt(means))))
    order = order[lengths[order] > 0]
    start = 0
    while start < len(order):
        take = order[start:]
        longest = np.maximum.accumulate(lengths[take])
        # A first guess of the states bounds the block; the true number follows from its largest mean.
        cells = longest * np.arange(1, len(take) + 1) * (np.maximum.accumulate(means[take]) + 12)
        stop = start + max(1, int(np.searchsorted(cells, _MOST_CELLS)))
        partners = order[start:stop]
        states = states_needed(float(means[partners].max()), int(lengths[partners].max()))
        yield _Block(partners, states)
        start = stop


def _padded(
    orientation: Orientation, exposure: FloatArray, partners: IntArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """[places, queues] exposure, screening score and entry; 0, 0 and −1 beyond the end of a queue."""
    entries = queue_entries(orientation, partners)
    there = entries >= 0
    applies = np.where(there, exposure[entries], 0.0)
    screened = np.where(there, orientation.screened[entries], 0.0)
    return applies, screened, entries


def queue_entries(orientation: Orientation, partners: IntArray) -> IntArray:
    """[places, queues] entries of each partner's queue in screening order, −1 beyond its end."""
    starts = orientation.queue_starts[partners]
    lengths = orientation.queue_starts[partners + 1] - starts
    place = np.arange(int(lengths.max(initial=0)))[:, None]
    there = place < lengths
    return np.where(there, orientation.queue[np.where(there, starts + place, 0)], -1)
