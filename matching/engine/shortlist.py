"""Of each subject the partners that may still be among its best k, kept while tiles pass by in float32."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from matching.engine.types import Float32Array, IntArray

# float32 scores are within 3e-5 of the float64 ones (tests/engine/test_retrieval.py measures it).
_MARGIN = np.float32(1e-4)
# Beyond this many near-equal candidates at rank k the float32 order decides who is scored again.
_MOST_TIES = 4096


def _reached_by(scores: Float32Array, k: int) -> Float32Array:
    """A value that at least k partners of each subject reach, near the k-th best."""
    best = scores
    # The k-th best of the maxima of disjoint groups is reached by k partners, and is cheaper to find.
    while best.shape[1] >= 16 * k:
        half = best.shape[1] // 2
        best = np.maximum(best[:, :half], best[:, half : 2 * half])
    return np.asarray(np.partition(best, best.shape[1] - k, axis=1)[:, -k])


def ranks(groups: IntArray) -> IntArray:
    """Position of each entry within its group, for groups in ascending order."""
    index = np.arange(len(groups))
    first = np.ones(len(groups), dtype=np.bool_)
    first[1:] = np.diff(groups) != 0
    return index - np.maximum.accumulate(np.where(first, index, 0))


@dataclass
class Shortlist:
    """Of each subject the partners that may still be among its best k, by float32 score."""

    k: int
    subjects: int
    floor: Float32Array = field(init=False)  # a partner must reach it; 0 until k are known
    held: list[tuple[IntArray, IntArray, Float32Array]] = field(default_factory=list)
    size: int = 0

    def __post_init__(self) -> None:
        self.floor = np.zeros(self.subjects, dtype=np.float32)

    def offer(self, scores: Float32Array, partner_rows: IntArray) -> None:
        """Keep of a tile [subjects, partners] what reaches the floor; ineligible is 0."""
        if not self.held and scores.shape[1] > 2 * self.k:
            self.floor = _reached_by(scores, self.k) * (1 - _MARGIN)
        hits = scores >= np.maximum(self.floor, np.finfo(np.float32).tiny)[:, None]
        local, columns = np.nonzero(hits)
        self.held.append((local, partner_rows[columns], scores[local, columns]))
        self.size += len(local)
        if self.size > 4 * self.subjects * self.k:
            self._prune()

    def survivors(self) -> tuple[IntArray, IntArray]:
        """Local subject numbers and partner rows, in order of subject."""
        if not self.held:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        self._prune()
        local, partners, _ = self.held[0]
        return local, partners

    def _prune(self) -> None:
        local, partners, scores = (np.concatenate(column) for column in zip(*self.held, strict=True))
        order = np.lexsort((partners, -scores, local))
        local, partners, scores = local[order], partners[order], scores[order]
        rank = ranks(local)
        at_k = rank == self.k - 1
        self.floor[local[at_k]] = scores[at_k] * (1 - _MARGIN)
        keep = (scores >= self.floor[local]) & (rank < self.k + _MOST_TIES)
        self.held = [(local[keep], partners[keep], scores[keep])]
        self.size = int(keep.sum())
