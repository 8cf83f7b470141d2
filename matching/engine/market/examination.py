"""Who looks how far: the probability that rank k of a list, or the r-th applicant, is examined."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from matching.engine.errors import EngineError
from matching.engine.market.edges import capacities
from matching.engine.types import FloatArray, IntArray

# A table of expected curves holds this many different capacities; more are rounded to as many steps.
_MOST_CURVES = 64
_POINTS = 400
# Above this mean the Poisson sum is taken over a normal grid instead of single counts.
_MANY = 60.0


class Examination(StrEnum):
    """The published curves (Su, Bayoumi and Joachims 2022), all 1 at rank 1, continued between ranks."""

    INVERSE = "inv"
    EXPONENTIAL = "exp"
    LOGARITHMIC = "log"

    def at(self, rank: FloatArray) -> FloatArray:
        """v(k) for ranks k ≥ 1: 1/k, e^(1−k) or 1/log2(1 + k)."""
        k = np.asarray(rank, dtype=np.float64)
        if self is Examination.INVERSE:
            return 1 / k
        if self is Examination.EXPONENTIAL:
            return np.exp(1 - k)
        return 1 / np.log2(1 + k)

    def ranks(self, longest: int, length: int | None = None) -> FloatArray:
        """[longest + 1] v at ranks 0 to `longest`; 0 at rank 0 (not listed) and beyond `length`."""
        if length is not None and length < 0:
            raise EngineError(f"length: at least 0, not {length}")
        curve = np.zeros(longest + 1)
        shown = longest if length is None else min(length, longest)
        curve[1 : shown + 1] = self.at(np.arange(1.0, shown + 1))
        return curve

    def with_capacity(self, place: FloatArray, capacity: FloatArray) -> FloatArray:
        """v_c(k) = v(max(1, k/c)), and 0 for c = 0.

        A party with room for c takes its first c applicants up for certain and its k-th as readily as
        one with room for a single partner takes its (k/c)-th: the curve is stretched by the capacity,
        and c = 1 is the published model. A fraction of a place (c < 1) shrinks even the first.
        """
        capacity = np.asarray(capacity, dtype=np.float64)
        open_places = np.where(capacity > 0, capacity, 1.0)
        curve = self.at(np.maximum(1.0, place / open_places))
        return np.where(capacity > 0, curve, 0.0)


@dataclass(frozen=True)
class Attention:
    """How both sides examine: the proactive ranks and each reactive party's places."""

    examination: Examination
    capacity: FloatArray  # [partners] remaining capacity of the reactive side
    length: int | None = None  # ranks shown; None for the whole list
    screening: Examination | None = None  # of the reactive side, if another curve

    def __post_init__(self) -> None:
        size = np.size(self.capacity)
        object.__setattr__(self, "capacity", capacities("capacity", self.capacity, size))
        if self.length is not None and self.length < 0:
            raise EngineError(f"length: at least 0, not {self.length}")

    def exposure(self, ranks: IntArray, applies: FloatArray) -> FloatArray:
        """[E] A = v(rank) · P(applies): the probability that the partner finds the party in its queue."""
        curve = self.examination.ranks(int(ranks.max(initial=0)), self.length)
        return curve[ranks] * applies

    def places(self, partners: IntArray, count: int) -> FloatArray:
        """[len(partners), count] v_c of the first `count` places of each partner's queue."""
        place = np.arange(1, count + 1, dtype=np.float64)
        curve = self.screening or self.examination
        return curve.with_capacity(place[None, :], self.capacity[partners][:, None])


@dataclass(frozen=True)
class ExpectedCurves:
    """Tables of h_c(Λ) = E v_c(1 + N) and its fall −h_c'(Λ) = E[v_c(1 + N) − v_c(2 + N)], N ~ Poisson(Λ).

    The number of applicants above somebody is a sum of independent trials; by Le Cam it is within
    Σ A² of Poisson, and its mean is a cumulative sum, which is what makes large markets quick.
    """

    value: FloatArray  # [curves, points]
    fall: FloatArray  # [curves, points]
    curve_of: IntArray  # [partners]
    step: float  # of the grid, even in √Λ

    @classmethod
    def of(cls, attention: Attention, most: float) -> ExpectedCurves:
        """Tables for means up to `most`; more than 64 different capacities are rounded to 64 steps."""
        distinct, curve_of = np.unique(attention.capacity, return_inverse=True)
        if len(distinct) > _MOST_CURVES:
            steps = np.geomspace(max(distinct[distinct > 0].min(), 1e-3), distinct.max(), _MOST_CURVES - 1)
            steps = np.concatenate(([0.0], steps))
            nearest = np.searchsorted((steps[1:] + steps[:-1]) / 2, distinct)
            nearest = np.where(distinct > 0, np.maximum(nearest, 1), 0)
            distinct, curve_of = steps, nearest[curve_of]
        curve = attention.screening or attention.examination
        roots = np.linspace(0.0, np.sqrt(max(most, 1.0)) + 1e-9, _POINTS)
        value, fall = _poisson_means(curve, distinct, roots**2)
        return cls(value, fall, curve_of.astype(np.int64), float(roots[1]))

    def at(self, curve: IntArray, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
        """h and −h' at `mean`, linear between the points of the grid."""
        position = np.sqrt(np.maximum(mean, 0.0)) / self.step
        below = np.minimum(position.astype(np.int64), _POINTS - 2)
        position -= below  # the share of the way to the next point
        np.minimum(position, 1.0, out=position)
        flat = curve * _POINTS
        flat += below
        return _between(self.value.ravel(), flat, position), _between(self.fall.ravel(), flat, position)


def _between(table: FloatArray, flat: IntArray, share: FloatArray) -> FloatArray:
    values = table[flat]
    rise = table[flat + 1]
    rise -= values
    rise *= share
    values += rise
    return values


def _poisson_means(
    curve: Examination, capacity: FloatArray, means: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """[curves, points] E v_c(1 + N) and E[v_c(1 + N) − v_c(2 + N)] for N ~ Poisson(mean)."""
    few = means <= _MANY
    counts, weights = _few_counts(means[few])
    now = curve.with_capacity(1 + counts, capacity[:, None])
    later = curve.with_capacity(2 + counts, capacity[:, None])
    value, fall = np.empty((len(capacity), len(means))), np.empty((len(capacity), len(means)))
    value[:, few], fall[:, few] = now @ weights.T, (now - later) @ weights.T
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(32)
    many = means[~few]
    grid = np.maximum(0.0, many[:, None] + np.sqrt(many)[:, None] * nodes)
    now = curve.with_capacity(1 + grid, capacity[:, None, None])
    later = curve.with_capacity(2 + grid, capacity[:, None, None])
    node_weights = node_weights / node_weights.sum()
    value[:, ~few], fall[:, ~few] = now @ node_weights, (now - later) @ node_weights
    return value, fall


def _few_counts(means: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The counts that a Poisson number of at most 60 can reach, and [means, counts] their weights."""
    from scipy.stats import poisson

    counts = np.arange(0, 140, dtype=np.float64)
    return counts, poisson.pmf(counts, means[:, None])
