"""One direction: logit P(yes) = bias + Σ_f curve_f(x_f), fitted by penalised logistic regression.

The fit minimises Σ weight · log loss + |w|² / (2C) over the standardised columns of the basis (Hastie,
Tibshirani and Friedman, The Elements of Statistical Learning, 4.4 and 5.2.3). The bias is not penalised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.errors import EngineError
from matching.engine.learning.basis import Basis
from matching.engine.parallel import one_blas_thread
from matching.engine.types import Arrays, FloatArray

# The column that tells the directions apart in a pooled fit stands so high that the penalty lets it pass.
DIRECTION_HEIGHT = 10.0


@dataclass(frozen=True)
class AdditiveModel:
    """Curves of one direction; unknown features add 0."""

    basis: Basis
    coefficients: FloatArray  # [columns of the basis]
    bias: float

    def parts(self, x: FloatArray) -> FloatArray:
        """[pairs, f] what each feature adds to the logit."""
        terms = self.basis.design(x) * self.coefficients
        parts = terms[:, : len(self.basis.names)].copy()
        np.add.at(parts.T, self.basis.owner[parts.shape[1] :], terms[:, parts.shape[1] :].T)
        return parts

    def logit(self, x: FloatArray) -> FloatArray:
        """[pairs]"""
        return np.asarray(self.bias + self.basis.design(x) @ self.coefficients)

    def to_arrays(self) -> Arrays:
        return {**self.basis.to_arrays(), "coefficients": self.coefficients, "bias": np.array(self.bias)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> AdditiveModel:
        """The inverse of `to_arrays`."""
        basis = Basis.from_arrays(arrays)
        coefficients = np.asarray(arrays.get("coefficients", np.empty(0)))
        if coefficients.shape != basis.owner.shape or "bias" not in arrays:
            raise EngineError("coefficients: do not fit the stored basis")
        return cls(basis, coefficients, float(arrays["bias"]))


def fit_logistic(
    design: FloatArray, y: FloatArray, weight: FloatArray, path: Sequence[float]
) -> list[tuple[FloatArray, float]]:
    """(coefficients [columns], bias) for each C of the path, each begun where the last ended.

    With one kind of answer only the model is flat.
    """
    if not ((y == 0.0) | (y == 1.0)).all():
        raise EngineError("y: answers must be 0 or 1")
    if (y == y[0]).all():
        return [(np.zeros(design.shape[1]), _log_odds_of(y, weight)) for _ in path]
    from sklearn.linear_model import LogisticRegression

    made = []
    # Sums of several BLAS threads differ in the last bits, which would change a model's digest.
    with one_blas_thread():
        model = LogisticRegression(solver="newton-cholesky", tol=1e-5, max_iter=100, warm_start=True)
        for c in path:
            model.set_params(C=c).fit(design, y, sample_weight=weight)
            made.append((np.array(model.coef_[0], dtype=np.float64), float(model.intercept_[0])))
    return made


def _log_odds_of(y: FloatArray, weight: FloatArray) -> float:
    """Log odds of the mean with one decision added to each answer, so that it stays finite."""
    return float(np.log(((weight * y).sum() + 1.0) / ((weight * (1.0 - y)).sum() + 1.0)))


def fit_pooled(
    designs: tuple[FloatArray, FloatArray],
    y: tuple[FloatArray, FloatArray],
    weights: tuple[FloatArray, FloatArray],
    path: Sequence[float],
) -> list[tuple[FloatArray, tuple[float, float]]]:
    """For each C of the path (coefficients of both directions alike, a bias of each)."""
    sign = np.repeat((1.0, -1.0), [len(design) for design in designs])
    design = np.column_stack([np.concatenate(designs), DIRECTION_HEIGHT * sign])
    made = []
    for coefficients, bias in fit_logistic(design, np.concatenate(y), np.concatenate(weights), path):
        apart = DIRECTION_HEIGHT * float(coefficients[-1])
        made.append((coefficients[:-1], (bias + apart, bias - apart)))
    return made
