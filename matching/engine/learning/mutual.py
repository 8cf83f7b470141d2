"""Two directed probabilities -> one number for the pair.

Never the sum of the logits: it lets one side's enthusiasm outvote the other's refusal (measured on the
second half of speed-dating evenings: NDCG@5 .601 against .629 of the product).
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from matching.engine.errors import EngineError
from matching.engine.types import FloatArray


class Mutual(StrEnum):
    """How two directed probabilities combine."""

    PRODUCT = "product"
    HARMONIC = "harmonic"


def combine(first: FloatArray, second: FloatArray, how: Mutual = Mutual.PRODUCT) -> FloatArray:
    """p·q, the probability that both accept if each decides by itself; or 2pq / (p + q)."""
    product = np.asarray(first * second)
    if how is Mutual.PRODUCT:
        return product
    if how is Mutual.HARMONIC:
        total = first + second
        return np.where(total > 0.0, 2.0 * product / np.where(total > 0.0, total, 1.0), 0.0)
    raise EngineError(f"how: {how!r} must be one of {[str(one) for one in Mutual]}")
