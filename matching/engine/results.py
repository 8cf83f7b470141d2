"""What comes out of the engine: lists, and why pairs score as they do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matching.engine.types import Float32Array, FloatArray, IntArray, Rule, Side


@dataclass(frozen=True)
class Recommendations:
    """Lists for m subjects of one side, best first, padded with partner id -1.

    `scores` and `base` are points: 100 x the probability of an agreement and a session.
    `parts` are hundredths of a point, and round(100 base) + sum(parts) = round(100 score) exactly.
    `adjustments` are hundredths of what moved a partner beside its score (`rerank.ADJUSTMENTS`): score
    and adjustments together never rise along a list. `propensity` is the chance of a drawn place, else 1.
    `reasons_counts[:, rule]` counts the partners that the rule was the first to rule out, column 0
    the candidates left.
    """

    side: Side
    subject_ids: IntArray  # [m]
    partner_ids: IntArray  # [m, k]
    scores: FloatArray  # [m, k], 0 where padded
    base: float
    parts: NDArray[np.int16]  # [m, k, F]
    part_codes: tuple[str, ...]  # [F]
    confidence: Float32Array  # [m, k]
    adjustments: NDArray[np.int16]  # [m, k, 3]
    propensity: Float32Array  # [m, k]
    reasons_counts: NDArray[np.uint32]  # [m, len(Rule) + 1]
    pool_floor: FloatArray  # [m] points of the last candidate of a full pool, -1 while there is room

    def __len__(self) -> int:
        return len(self.subject_ids)

    def reasons(self, row: int) -> dict[str, int]:
        """Rule code -> number of partners it ruled out, for one subject; zero counts left out."""
        counts = self.reasons_counts[row]
        return {Rule(rule).code: int(counts[rule]) for rule in (np.flatnonzero(counts[1:]) + 1).tolist()}


@dataclass(frozen=True)
class PairExplanations:
    """Why p pairs score as they do, by part and by direction.

    Directions, in this order: stall_to_anchor, anchor_to_stall, completed. `parts` sums over its
    directions to the parts of the score: base + parts.sum((1, 2)) = score.
    """

    stall_ids: IntArray  # [p]
    anchor_ids: IntArray  # [p]
    scores: FloatArray  # [p] points
    base: float  # points
    probabilities: FloatArray  # [p, 3] one for each direction
    base_probabilities: tuple[float, float, float]
    parts: FloatArray  # [p, 3, F] points
    hundredths: NDArray[np.int16]  # [p, F] both directions together, sums exactly
    part_codes: tuple[str, ...]
    confidence: Float32Array  # [p]


DIRECTIONS = ("stall_to_anchor", "anchor_to_stall", "completed")
