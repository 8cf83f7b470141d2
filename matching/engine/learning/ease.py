"""Who chose these columns also chose those: item–item regression in closed form (Steck, WWW 2019).

    P = (RᵀR + λI)⁻¹,    B_ij = −P_ij / P_jj,    B_jj = 0,    scores of a row = r B

the ridge regression of every column on all others, never on itself. For rows with four or more positives.
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

FEWEST_POSITIVES = 4  # rows with fewer are better served by their profile
MOST_COLUMNS = 20_000  # a dense matrix of this width takes 3.2 GB


@dataclass(frozen=True)
class Ease:
    """A fitted B."""

    weights: FloatArray  # [columns, columns], 0 on the diagonal

    def scores(self, r: sparse.csr_matrix) -> FloatArray:
        """[rows, columns] of the rows' positives; callers give tiles."""
        return np.asarray(r @ self.weights)

    def to_arrays(self) -> Arrays:
        return {"weights": self.weights}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Ease:
        """The inverse of `to_arrays`."""
        if "weights" not in arrays:
            raise EngineError("weights: missing in the stored model")
        return cls(np.asarray(arrays["weights"]))


def fit_ease(r: sparse.csr_matrix, penalty: float) -> Ease:
    """B of the positives R [rows, columns]."""
    if penalty <= 0.0:
        raise EngineError(f"penalty: {penalty} must be above 0")
    if r.shape[1] > MOST_COLUMNS:
        raise EngineError(f"columns: {r.shape[1]} are more than {MOST_COLUMNS}")
    gram = (r.T @ r).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += penalty
    with one_blas_thread():
        # The lower triangle is factored and inverted in place: one dense matrix instead of three.
        lower, failed = linalg.lapack.dpotrf(gram.T, lower=True, overwrite_a=True)
        inverse, singular = linalg.lapack.dpotri(lower, lower=True, overwrite_c=True)
    if failed or singular:
        raise EngineError("r: the positives cannot be inverted with this penalty")
    diagonal = np.diagonal(inverse).copy()
    weights = np.tril(inverse, -1)
    weights += weights.T
    weights /= -diagonal
    return Ease(np.ascontiguousarray(weights))
