"""Both directions learned from answers: what is chosen by inner cross-validation, then calibrated.

logit P = calibration((n₀ · prior + n · model) / (n₀ + n)), n the decisions learned from and n₀ what the
prior is worth in decisions. Pooling, C and n₀ are those with the least log loss on groups (evenings,
weeks) left out in turn; the test groups of an evaluation never come here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.errors import EngineError
from matching.engine.learning.additive import AdditiveModel, fit_logistic, fit_pooled
from matching.engine.learning.basis import fit_basis
from matching.engine.learning.calibration import Calibration, fit_calibration
from matching.engine.scoring import sigmoid
from matching.engine.types import Arrays, BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Examples:
    """Answers of one direction with what was known before each."""

    names: tuple[str, ...]
    x: FloatArray  # [pairs, f], NaN unknown
    y: FloatArray  # [pairs] 1 yes, 0 no
    group: IntArray  # [pairs] what is left out together: evening, week
    prior: FloatArray  # [pairs] prior logit, of the hand-set model
    weight: FloatArray  # [pairs] 1 is usual

    def __post_init__(self) -> None:
        if self.x.shape != (len(self.y), len(self.names)):
            raise EngineError(f"x: has shape {self.x.shape}, needs {(len(self.y), len(self.names))}")
        for name in ("group", "prior", "weight"):
            if getattr(self, name).shape != self.y.shape:
                raise EngineError(f"{name}: needs one entry per pair")
        if not len(self.y):
            raise EngineError("y: no decision to learn from")

    def at(self, pairs: BoolArray | IntArray) -> Examples:
        return replace(
            self,
            x=self.x[pairs],
            y=self.y[pairs],
            group=self.group[pairs],
            prior=self.prior[pairs],
            weight=self.weight[pairs],
        )


def examples(
    names: tuple[str, ...],
    x: FloatArray,
    y: FloatArray,
    group: IntArray,
    *,
    prior: FloatArray | float | None = None,
    weight: FloatArray | None = None,
) -> Examples:
    """Examples with a flat prior (the log odds of the mean, or this logit) and weights of 1 by default."""
    if prior is None:
        prior = float(np.log((y.sum() + 1.0) / (len(y) - y.sum() + 1.0)))
    priors = np.broadcast_to(np.asarray(prior, dtype=np.float64), y.shape)
    return Examples(names, x, y, group, priors, np.ones(len(y)) if weight is None else weight)


Pair = tuple[Examples, Examples]


@dataclass(frozen=True)
class Grid:
    """What may be chosen, and how; each tuple in order of preference when the losses are equal."""

    c: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    prior_worth: tuple[float, ...] = (0.0, 300.0, 1500.0, 6000.0)
    pooled: tuple[bool, ...] = (True, False)
    folds: int = 4


@dataclass(frozen=True)
class Choice:
    """What was chosen, and its log loss per decision out of fold."""

    c: float
    pooled: bool
    prior_worth: float
    loss: float


@dataclass(frozen=True)
class DirectedModel:
    """One direction's calibrated logit; plain numbers and arrays."""

    additive: AdditiveModel
    calibration: Calibration
    prior_worth: float
    decisions: float

    @property
    def trust(self) -> float:
        """n / (n₀ + n), what the model counts against the prior."""
        return _trust(self.decisions, self.prior_worth)

    @property
    def bias(self) -> float:
        """The logit of a pair about which nothing is known, beside the prior's share."""
        return self.calibration.slope * self.trust * self.additive.bias + self.calibration.shift

    @property
    def prior_scale(self) -> float:
        """What the prior logit is multiplied with."""
        return self.calibration.slope * (1.0 - self.trust)

    def parts(self, x: FloatArray) -> FloatArray:
        """[pairs, f]; bias + prior_scale · prior + Σ parts is the logit."""
        return np.asarray(self.calibration.slope * self.trust * self.additive.parts(x))

    def logit(self, x: FloatArray, prior: FloatArray | float) -> FloatArray:
        """[pairs]"""
        blend = self.trust * self.additive.logit(x) + (1.0 - self.trust) * np.asarray(prior)
        return self.calibration(blend)

    def to_arrays(self) -> Arrays:
        numbers = {"slope": self.calibration.slope, "shift": self.calibration.shift}
        numbers |= {"prior_worth": self.prior_worth, "decisions": self.decisions}
        return {**self.additive.to_arrays(), **{name: np.array(value) for name, value in numbers.items()}}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> DirectedModel:
        """The inverse of `to_arrays`."""
        missing = sorted({"slope", "shift", "prior_worth", "decisions"} - set(arrays))
        if missing:
            raise EngineError(f"{missing[0]}: missing in the stored model")
        calibration = Calibration(float(arrays["slope"]), float(arrays["shift"]))
        worth, decisions = float(arrays["prior_worth"]), float(arrays["decisions"])
        return cls(AdditiveModel.from_arrays(arrays), calibration, worth, decisions)

    @property
    def digest(self) -> str:
        """sha256 over all arrays."""
        return digest_of(self.to_arrays())


def digest_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """sha256 over names, types, shapes and bytes."""
    total = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        total.update(f"{name}:{array.dtype}:{array.shape};".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def _trust(decisions: float, worth: float) -> float:
    return decisions / (decisions + worth) if decisions else 0.0


# --- folds ------------------------------------------------------------------------------------------------


def grouped_folds(group: IntArray, folds: int) -> IntArray:
    """[pairs] the fold of each pair: whole groups, the largest first, each to the fold that has least."""
    names, index, sizes = np.unique(group, return_inverse=True, return_counts=True)
    load = np.zeros(min(folds, len(names)), dtype=np.int64)
    fold = np.empty(len(names), dtype=np.int64)
    for at in np.argsort(-sizes, kind="stable"):
        fold[at] = int(np.argmin(load))
        load[fold[at]] += sizes[at]
    return fold[index]


def common_folds(pair: Pair, folds: int) -> tuple[IntArray, IntArray]:
    """The folds of both directions: a group is left out of both at once."""
    fold = grouped_folds(np.concatenate([side.group for side in pair]), folds)
    return fold[: len(pair[0].y)], fold[len(pair[0].y) :]


# --- fitting ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    """Which features may bend and how readily each speaks; the same in both directions."""

    bent: BoolArray | None = None  # [f]
    scale: FloatArray | None = None  # [f]


Models = tuple[AdditiveModel, AdditiveModel]


def fit_additive(pair: Pair, path: Sequence[float], pooled: bool, shape: Shape) -> list[Models]:
    """Both directions' curves for each C of the path; pooled ones differ in the bias only."""
    if not pooled:
        first, second = (_fit_alone(side, path, shape) for side in pair)
        return list(zip(first, second, strict=True))
    if pair[0].names != pair[1].names:
        raise EngineError("names: directions with other features cannot be pooled")
    both = np.concatenate([side.x for side in pair])
    basis = fit_basis(both, pair[0].names, bent=shape.bent, scale=shape.scale)
    designs = basis.design(pair[0].x), basis.design(pair[1].x)
    weights = pair[0].weight, pair[1].weight
    return [
        (AdditiveModel(basis, coefficients, first), AdditiveModel(basis, coefficients, second))
        for coefficients, (first, second) in fit_pooled(designs, (pair[0].y, pair[1].y), weights, path)
    ]


def _fit_alone(side: Examples, path: Sequence[float], shape: Shape) -> list[AdditiveModel]:
    basis = fit_basis(side.x, side.names, bent=shape.bent, scale=shape.scale)
    fitted = fit_logistic(basis.design(side.x), side.y, side.weight, path)
    return [AdditiveModel(basis, coefficients, bias) for coefficients, bias in fitted]


def _log_loss(logit: FloatArray, side: Examples) -> float:
    """Weighted sum of −log P(answer)."""
    return float((side.weight * (np.logaddexp(0.0, logit) - side.y * logit)).sum())


Logits = tuple[FloatArray, FloatArray]


def out_of_fold(pair: Pair, path: Sequence[float], pooled: bool, folds: int, shape: Shape) -> list[Logits]:
    """For each C of the path, model logits of every example by a model that saw no example of its fold."""
    fold = common_folds(pair, folds)
    logits = [(np.empty(len(pair[0].y)), np.empty(len(pair[1].y))) for _ in path]
    for number in np.unique(np.concatenate(fold)):
        first, second = (side.at(own != number) for side, own in zip(pair, fold, strict=True))
        for out, models in zip(logits, fit_additive((first, second), path, pooled, shape), strict=True):
            for at, side in enumerate(pair):
                held = fold[at] == number
                out[at][held] = models[at].logit(side.x[held])
    return logits


def _blend(logit: FloatArray, side: Examples, decisions: float, worth: float) -> FloatArray:
    trust = _trust(decisions, worth)
    return np.asarray(trust * logit + (1.0 - trust) * side.prior)


def fit_directed(
    pair: Pair, grid: Grid | None = None, shape: Shape | None = None
) -> tuple[DirectedModel, DirectedModel, Choice, Logits]:
    """Both directions fitted with what inner grouped cross-validation chose, calibrated out of fold.

    The logits are the calibrated ones out of fold, for whoever learns on top of them. With one group only
    nothing can be left out: the first entries of the grid are taken, uncalibrated.
    """
    grid, shape = grid or Grid(), shape or Shape()
    if not (grid.c and grid.prior_worth and grid.pooled):
        raise EngineError("grid: must offer at least one C, one worth of the prior and one way of pooling")
    counts = [float(side.weight.sum()) for side in pair]
    alone = len(np.unique(np.concatenate([side.group for side in pair]))) < 2
    best, logits = _first_choice(pair, grid, shape) if alone else _best_choice(pair, counts, grid, shape)
    models = fit_additive(pair, (best.c,), best.pooled, shape)[0]
    made, out = [], []
    for at, (side, n) in enumerate(zip(pair, counts, strict=True)):
        blend = _blend(logits[at], side, n, best.prior_worth)
        calibration = Calibration() if alone else fit_calibration(blend, side.y, side.weight)
        made.append(DirectedModel(models[at], calibration, best.prior_worth, n))
        out.append(calibration(blend))
    return made[0], made[1], best, (out[0], out[1])


def _ways(pair: Pair, grid: Grid) -> list[bool]:
    """Pooling only where both directions have the same features."""
    alike = pair[0].names == pair[1].names
    return [way for way in grid.pooled if alike or not way] or [False]


def _first_choice(pair: Pair, grid: Grid, shape: Shape) -> tuple[Choice, Logits]:
    pooled, c = _ways(pair, grid)[0], grid.c[0]
    models = fit_additive(pair, (c,), pooled, shape)[0]
    return Choice(c, pooled, grid.prior_worth[0], np.nan), (
        models[0].logit(pair[0].x),
        models[1].logit(pair[1].x),
    )


def _best_choice(pair: Pair, counts: list[float], grid: Grid, shape: Shape) -> tuple[Choice, Logits]:
    """The least log loss per decision out of fold, and the logits behind it."""
    tried: list[tuple[Choice, Logits]] = []
    for pooled in _ways(pair, grid):
        for c, logits in zip(grid.c, out_of_fold(pair, grid.c, pooled, grid.folds, shape), strict=True):
            for worth in grid.prior_worth:
                sides = zip(logits, pair, counts, strict=True)
                loss = sum(_log_loss(_blend(out, side, n, worth), side) for out, side, n in sides)
                tried.append((Choice(c, pooled, worth, loss / sum(counts)), logits))
    return min(tried, key=lambda one: one[0].loss)


def probability(model: DirectedModel, x: FloatArray, prior: FloatArray | float) -> FloatArray:
    """[pairs] P(yes)."""
    return sigmoid(model.logit(x, prior))
