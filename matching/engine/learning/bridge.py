"""Newcomers from positives of one side: a bilinear ridge bridge between the two sides' profiles.

    W = (XᵀX + aI)⁻¹ Xᵀ R Y (YᵀY + bI)⁻¹,    score of row x and column y = xᵀ W y

X [rows, p] and Y [columns, q] are profiles, R [rows, columns] is 1 where a row chose a column. It is two
ridge regressions in turn: V = (XᵀX + aI)⁻¹ Xᵀ R tells from a row's profile which known columns it would
choose, W = V Y (YᵀY + bI)⁻¹ carries that over to columns nobody has met. With t = 0 … 1 between them

    score = (1 − t) · xᵀ V_j + t · xᵀ W y_j

for known columns j, which have a history of their own beside their profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from matching.engine.errors import EngineError
from matching.engine.parallel import one_blas_thread
from matching.engine.types import Arrays, FloatArray

MOST_FEATURES = 20_000  # a dense Gram matrix of this width takes 3.2 GB


@dataclass(frozen=True)
class Bridge:
    """A fitted W."""

    weights: FloatArray  # [p, q]

    def scores(self, x: sparse.csr_matrix, y: sparse.csr_matrix) -> FloatArray:
        """[rows of x, rows of y]; callers give tiles."""
        return np.asarray(y @ (x @ self.weights).T).T

    def to_arrays(self) -> Arrays:
        return {"weights": self.weights}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Bridge:
        """The inverse of `to_arrays`."""
        if "weights" not in arrays:
            raise EngineError("weights: missing in the stored bridge")
        return cls(np.asarray(arrays["weights"]))


def fit_ridge(x: sparse.csr_matrix, r: sparse.csr_matrix, a: float) -> FloatArray:
    """V [p, columns of r] = (XᵀX + aI)⁻¹ Xᵀ R."""
    if x.shape[0] != r.shape[0]:
        raise EngineError(f"x: has {x.shape[0]} rows, r has {r.shape[0]}")
    return _solved(x, np.asarray((x.T @ r).toarray(), dtype=np.float64), a)


def across(v: FloatArray, y: sparse.csr_matrix, b: float) -> Bridge:
    """The bridge W = V Y (YᵀY + bI)⁻¹ of a fitted ridge V [p, columns]."""
    if v.shape[1] != y.shape[0]:
        raise EngineError(f"y: has {y.shape[0]} rows, V has {v.shape[1]} columns")
    # (YᵀY + bI) is symmetric, so the right-hand division is a left-hand one of the transpose.
    return Bridge(np.ascontiguousarray(_solved(y, np.asarray(y.T @ v.T), b).T))


def fit_bridge(
    x: sparse.csr_matrix, r: sparse.csr_matrix, y: sparse.csr_matrix, a: float, b: float
) -> Bridge:
    """W of profiles and positives; Y is carried through first where it is the narrower side."""
    if y.shape[1] >= y.shape[0]:
        return across(fit_ridge(x, r, a), y, b)
    carried = np.asarray(x.T @ (r @ y).toarray())
    half = _solved(x, carried, a)
    return Bridge(np.ascontiguousarray(_solved(y, half.T, b).T))


def _solved(z: sparse.csr_matrix, right: FloatArray, penalty: float) -> FloatArray:
    """(ZᵀZ + penalty · I)⁻¹ right, by Cholesky."""
    if penalty <= 0.0:
        raise EngineError(f"penalty: {penalty} must be above 0")
    if z.shape[1] > MOST_FEATURES:
        raise EngineError(f"features: {z.shape[1]} are more than {MOST_FEATURES}; keep the most frequent")
    gram = (z.T @ z).toarray()
    gram[np.diag_indices_from(gram)] += penalty
    with one_blas_thread():
        factor = linalg.cho_factor(gram, lower=True, overwrite_a=True)
        return np.asarray(linalg.cho_solve(factor, right))
