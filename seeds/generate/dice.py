"""Draws from one numpy Generator, by the block (layer: pure)."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from statistics import NormalDist
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")
BLOCK = 8192
NORMAL = NormalDist()


class Weighted(Generic[T]):
    """Options with their weights, summed once so that each draw is one bisection."""

    def __init__(self, weights: Mapping[T, float]) -> None:
        self.options: tuple[T, ...] = tuple(weights)
        self.cumulative = list(accumulate(weights.values()))


class Dice:
    """What the generator draws with; the same key gives the same draws.

    Taken in blocks: one call of numpy for each number of 50,000 anchors would take most of the time.
    """

    def __init__(self, *key: int) -> None:
        self._rng = np.random.default_rng(key)
        self._draws = self._blocks()

    def _blocks(self) -> Iterator[float]:
        while True:
            yield from self._rng.random(BLOCK).tolist()

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * next(self._draws)

    def chance(self, probability: float) -> bool:
        return next(self._draws) < probability

    def integer(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        return low + int(next(self._draws) * (high - low + 1))

    def log_uniform(self, low: float, high: float) -> float:
        return low * math.exp(next(self._draws) * math.log(high / low))

    def normal(self, mean: float = 0.0, deviation: float = 1.0) -> float:
        return mean + deviation * NORMAL.inv_cdf(min(max(next(self._draws), 1e-9), 1 - 1e-9))

    def one_of(self, options: Sequence[T]) -> T:
        return options[int(next(self._draws) * len(options))]

    def weighted(self, weighted: Weighted[T]) -> T:
        at = next(self._draws) * weighted.cumulative[-1]
        return weighted.options[bisect_right(weighted.cumulative, at)]

    def some_of(self, options: Iterable[T], count: int) -> list[T]:
        """Return `count` different options (all, when there are fewer), in their own order."""
        rest = list(options)
        keys = [next(self._draws) for _ in rest]
        chosen = sorted(range(len(rest)), key=keys.__getitem__)[:count]
        return [rest[n] for n in sorted(chosen)]
