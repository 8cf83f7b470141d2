"""Where the ascent starts: the equilibrium of a market whose pairs share their surplus.

Transferable utility with logit tastes (Choo and Siow 2006; Galichon and Salanié 2022): the mass of pair
(i, j) is μ_ij = K_ij · u_i · w_j with K_ij = exp(Φ_ij / 2β), and what stays alone is u_i² and w_j². The
margins u_i² + u_i · Σ_j K_ij w_j = n_i and w_j² + w_j · Σ_i K_ij u_i = m_j are met in turn (IPFP).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from matching.engine.errors import EngineError
from matching.engine.market.edges import Edges, capacities
from matching.engine.types import FloatArray

_Product = Callable[[FloatArray], FloatArray]
_LOWEST = 1e-6  # log surplus of a pair that never works stays finite


class Surplus(StrEnum):
    """What a pair produces: the sum of both probabilities or the logarithm of their product."""

    SUM = "sum"
    LOG = "log"

    def of(self, edges: Edges) -> FloatArray:
        """[E] Φ."""
        if self is Surplus.SUM:
            return edges.row_accepts + edges.column_accepts
        return np.log(np.maximum(edges.mutual, _LOWEST))


@dataclass(frozen=True)
class Equilibrium:
    """Pair masses at which no pair would rather be with others, given what it shares."""

    mass: FloatArray  # [E]
    rows_alone: FloatArray  # [rows] u²
    columns_alone: FloatArray  # [columns] w²
    error: float  # largest relative miss of a margin
    iterations: int


def equilibrium(
    edges: Edges,
    row_mass: FloatArray,
    column_mass: FloatArray,
    *,
    surplus: Surplus = Surplus.LOG,
    beta: float = 0.5,
    tolerance: float = 1e-6,
    most_iterations: int = 500,
) -> Equilibrium:
    """Sparse IPFP until every margin is met within `tolerance` (relative) or the iterations are used up.

    A party of mass 0 has no pairs. The update 2n / (s + √(s² + 4n)) is the positive root of u² + su = n
    without the cancellation of (√(s² + 4n) − s) / 2, which is 0 for large s.
    """
    row_mass = capacities("row_mass", row_mass, edges.n_rows)
    column_mass = capacities("column_mass", column_mass, edges.n_columns)
    if not beta > 0:
        raise EngineError(f"beta: above 0, not {beta}")
    value = surplus.of(edges)
    # A common factor of K only changes what staying alone is worth; the best pair's is set to e^(1/β).
    highest = value.max() if len(value) else 0.0
    kernel = np.exp((value - highest + 1) / (2 * beta))
    by_row, by_column = _sums(edges, kernel)
    u, w = np.sqrt(row_mass), np.sqrt(column_mass)
    error, iterations = 0.0, 0
    while iterations < most_iterations:
        iterations += 1
        u = _root(by_row(w), row_mass)
        reached = by_column(u)
        error = _miss(w, reached, column_mass)  # the rows are met exactly here
        if error <= tolerance:
            break
        w = _root(reached, column_mass)
    return Equilibrium(kernel * u[edges.rows] * w[edges.columns], u**2, w**2, error, iterations)


def _root(sums: FloatArray, mass: FloatArray) -> FloatArray:
    below = sums + np.sqrt(sums**2 + 4 * mass)
    return 2 * mass / np.where(below > 0, below, 1.0)


def _miss(w: FloatArray, sums: FloatArray, mass: FloatArray) -> float:
    there = mass > 0
    return float(np.max(np.abs(w * w + w * sums - mass)[there] / mass[there], initial=0.0))


def _sums(edges: Edges, kernel: FloatArray) -> tuple[_Product, _Product]:
    """Products of the sparse kernel and of its transpose with a vector."""
    from scipy.sparse import csr_array

    shape = (edges.n_rows, edges.n_columns)
    matrix = csr_array((kernel, (edges.rows, edges.columns)), shape=shape)
    turned = matrix.T.tocsr()
    return (lambda w: matrix @ w), (lambda u: turned @ u)
