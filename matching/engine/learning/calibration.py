"""Sigmoid calibration on predictions that the model made out of fold.

logit' = slope · logit + shift (Platt 1999): linear in the logit, so that every part of an explanation is
only stretched, and the order of a direction's list is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matching.engine.learning.additive import fit_logistic
from matching.engine.types import FloatArray

FEWEST = 50  # below this the logits are left as they are
LEAST_SLOPE = 0.05  # a model out of fold worse than nothing must be flat, never turned round


@dataclass(frozen=True)
class Calibration:
    """logit' = slope · logit + shift."""

    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, logit: FloatArray) -> FloatArray:
        return np.asarray(self.slope * logit + self.shift)


def fit_calibration(logit: FloatArray, y: FloatArray, weight: FloatArray) -> Calibration:
    """The calibration of out-of-fold logits [pairs] to their answers."""
    if len(y) < FEWEST or (y == y[0]).all():
        return Calibration()
    coefficients, shift = fit_logistic(logit[:, None], y, weight, (1e6,))[0]
    slope = float(coefficients[0])
    if slope >= LEAST_SLOPE:
        return Calibration(slope, shift)
    rate = float(np.average(y, weights=weight))
    offset = LEAST_SLOPE * float(np.average(logit, weights=weight))
    return Calibration(LEAST_SLOPE, float(np.log(rate / (1.0 - rate))) - offset)
