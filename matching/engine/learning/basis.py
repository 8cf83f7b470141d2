"""Features -> design matrix: clipped to the training range, standardised, some bent by a cubic spline.

A feature x adds one curve to the logit, curve(x) = w_0 z + Σ_k w_k s_k(x), with z = (x − mean) / sd and
Harrell's restricted cubic spline over K = 4 knots (Regression Modeling Strategies, 2.4.5), L = K − 1:

    s_k(x) · (t_K−t_1)² = (x−t_k)₊³ − (x−t_L)₊³ (t_K−t_k)/(t_K−t_L) + (x−t_K)₊³ (t_L−t_k)/(t_K−t_L)

which is smooth, and linear beyond the outer knots. Every column is centred, so an unknown feature (NaN)
adds exactly 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.errors import EngineError
from matching.engine.types import Arrays, BoolArray, FloatArray, IntArray

KNOTS_AT = (0.05, 0.35, 0.65, 0.95)  # Harrell's quantiles for four knots
BENDS = len(KNOTS_AT) - 2
FEWEST_VALUES = 6  # with fewer distinct values a bend has nothing to stand on


@dataclass(frozen=True)
class Basis:
    """How each of the named features becomes columns of the design; all arrays are per feature."""

    names: tuple[str, ...]
    low: FloatArray  # [f] training range
    high: FloatArray
    mean: FloatArray  # [f]
    sd: FloatArray  # [f]; 0 for a feature that never varied, which adds nothing
    scale: FloatArray  # [f] how readily the penalty lets it speak; 1 is usual
    knots: FloatArray  # [f, 4], NaN where the curve is a straight line
    bend_mean: FloatArray  # [f, 2] of the spline terms over the training pairs
    bend_sd: FloatArray  # [f, 2]

    @property
    def owner(self) -> IntArray:
        """[columns] the feature of each column of the design."""
        bent = np.flatnonzero(~np.isnan(self.knots[:, 0]))
        return np.concatenate([np.arange(len(self.names)), np.repeat(bent, BENDS)])

    def design(self, x: FloatArray) -> FloatArray:
        """[pairs, columns] of features [pairs, f]: straight parts first, then the bends."""
        if x.ndim != 2 or x.shape[1] != len(self.names):
            raise EngineError(f"x: has shape {x.shape}, needs [pairs, {len(self.names)}]")
        known = ~np.isnan(x)
        clipped = np.clip(x, self.low, self.high)
        straight = np.where(known, (clipped - self.mean) * _inverse(self.sd) * self.scale, 0.0)
        bent = ~np.isnan(self.knots[:, 0])
        bends = (_bends(clipped[:, bent], self.knots[bent]) - self.bend_mean[bent]) * _inverse(
            self.bend_sd[bent]
        )
        bends = np.where(known[:, bent, None], bends * self.scale[bent, None], 0.0)
        return np.concatenate([straight, bends.reshape(len(x), -1)], axis=1)

    def to_arrays(self) -> Arrays:
        numeric = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "names"}
        return {"names": np.array(self.names, dtype=np.str_), **numeric}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Basis:
        """The inverse of `to_arrays`."""
        missing = sorted(set(cls.__dataclass_fields__) - set(arrays))
        if missing:
            raise EngineError(f"{missing[0]}: missing in the stored basis")
        numeric = {name: np.asarray(arrays[name]) for name in cls.__dataclass_fields__ if name != "names"}
        return cls(names=tuple(str(name) for name in arrays["names"]), **numeric)


def fit_basis(
    x: FloatArray, names: tuple[str, ...], *, bent: BoolArray | None = None, scale: FloatArray | None = None
) -> Basis:
    """The basis of these training pairs [pairs, f]; `bent` tells which features may be splines."""
    if x.ndim != 2 or x.shape[1] != len(names) or not len(x):
        raise EngineError(f"x: has shape {x.shape}, needs [pairs, {len(names)}] with at least one pair")
    if np.isinf(x).any():
        raise EngineError(f"{names[int(np.flatnonzero(np.isinf(x).any(axis=0))[0])]}: must be finite or NaN")
    width = len(names)
    low, high, mean, sd = (np.zeros(width) for _ in range(4))
    knots = np.full((width, len(KNOTS_AT)), np.nan)
    bend_mean, bend_sd = np.zeros((width, BENDS)), np.zeros((width, BENDS))
    for f in range(width):
        values = x[~np.isnan(x[:, f]), f]
        if not len(values):
            continue
        low[f], high[f], mean[f], sd[f] = values.min(), values.max(), values.mean(), values.std()
        if bent is not None and bent[f]:
            at = np.quantile(values, KNOTS_AT)
            if len(np.unique(values)) >= FEWEST_VALUES and (np.diff(at) > 0).all():
                knots[f] = at
                terms = _bends(values[:, None], at[None])[:, 0]
                bend_mean[f], bend_sd[f] = terms.mean(axis=0), terms.std(axis=0)
    # The rounding of a sum must not make a constant feature speak.
    sd[sd <= 1e-12 * np.maximum(1.0, np.abs(mean))] = 0.0
    scale = np.ones(width) if scale is None else np.asarray(scale, dtype=np.float64)
    return Basis(names, low, high, mean, sd, scale, knots, bend_mean, bend_sd)


def _bends(x: FloatArray, knots: FloatArray) -> FloatArray:
    """[pairs, f, 2] the restricted cubic spline terms of x [pairs, f] at knots [f, 4]."""
    cubes = np.maximum(x[:, :, None] - knots, 0.0) ** 3
    last, before = knots[:, -1:], knots[:, -2:-1]
    first = knots[:, :BENDS]
    ahead = (last - first) / (last - before)
    behind = (before - first) / (last - before)
    terms = cubes[..., :BENDS] - cubes[..., -2:-1] * ahead + cubes[..., -1:] * behind
    return np.asarray(terms / (last - knots[:, :1]) ** 2)


def _inverse(sd: FloatArray) -> FloatArray:
    return np.where(sd > 0.0, 1.0 / np.where(sd > 0.0, sd, 1.0), 0.0)
