"""Which equilibrium to start from: the surplus and β whose lists do best in the examination model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matching.engine.market.edges import Edges, Orientation, ranks_within
from matching.engine.market.examination import Attention
from matching.engine.market.expectation import expected_matches
from matching.engine.market.ipfp import Surplus, equilibrium
from matching.engine.types import FloatArray, IntArray

BETAS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Start:
    """Lists by equilibrium mass, and what they are worth."""

    surplus: Surplus
    beta: float
    ranks: IntArray  # [E]
    welfare: float

    @property
    def name(self) -> str:
        return f"{self.surplus.value} {self.beta:g}"


def starts_by_welfare(
    edges: Edges,
    orientation: Orientation,
    attention: Attention,
    row_mass: FloatArray,
    column_mass: FloatArray,
    betas: Sequence[float] = BETAS,
) -> list[Start]:
    """Every surplus with every β, best expected matches first; ties in the order they are tried."""
    starts = []
    for surplus in Surplus:
        for beta in betas:
            solved = equilibrium(edges, row_mass, column_mass, surplus=surplus, beta=beta, tolerance=1e-4)
            ranks = ranks_within(solved.mass[orientation.edge], orientation.starts)
            worth = expected_matches(orientation, ranks, attention)
            starts.append(Start(surplus, beta, ranks, worth))
    return sorted(starts, key=lambda start: -start.welfare)
