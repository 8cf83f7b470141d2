"""Both directions learned from answers: what is chosen by inner cross-validation, then calibrated.

logit P = calibration((n₀ · prior + n · model) / (n₀ + n)), n the decisions learned from and n₀ what the
prior is worth in decisions. Pooling, C and n₀ are those with the least log loss on groups (evenings,
weeks) left out in turn; the test groups of an evaluation never come here.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
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


# --- fitting ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    """Which features may bend and how readily each speaks; the same in both directions."""

    bent: BoolArray | None = None  # [f]
    scale: FloatArray | None = None  # [f]


def fit_additive(pair: Pair, c: float, pooled: bool, shape: Shape) -> tuple[AdditiveModel, AdditiveModel]:
    """Both directions' curves; pooled ones differ in the bias only."""
    if not pooled:
        first, second = (_fit_alone(side, c, shape) for side in pair)
        return first, second
    if pair[0].names != pair[1].names:
        raise EngineError("names: directions with other features cannot be pooled")
    basis = fit_basis(
        np.concatenate([side.x for side in pair]), pair[0].names, bent=shape.bent, scale=shape.scale
    )
    designs = basis.design(pair[0].x), basis.design(pair[1].x)
    weights = pair[0].weight, pair[1].weight
    coefficients, biases = fit_pooled(designs, (pair[0].y, pair[1].y), weights, c)
    return AdditiveModel(basis, coefficients, biases[0]), AdditiveModel(basis, coefficients, biases[1])


def _fit_alone(side: Examples, c: float, shape: Shape) -> AdditiveModel:
    basis = fit_basis(side.x, side.names, bent=shape.bent, scale=shape.scale)
    return AdditiveModel(basis, *fit_logistic(basis.design(side.x), side.y, side.weight, c))


def _log_loss(logit: FloatArray, side: Examples) -> float:
    """Weighted sum of −log P(answer)."""
    return float((side.weight * (np.logaddexp(0.0, logit) - side.y * logit)).sum())


def out_of_fold(
    pair: Pair, c: float, pooled: bool, folds: int, shape: Shape
) -> tuple[FloatArray, FloatArray]:
    """Model logits of every example by a model that saw no example of its fold."""
    fold = [grouped_folds(side.group, folds) for side in pair]
    logits = [np.empty(len(side.y)) for side in pair]
    for number in np.unique(np.concatenate(fold)):
        train = tuple(side.at(own != number) for side, own in zip(pair, fold, strict=True))
        models = fit_additive((train[0], train[1]), c, pooled, shape)
        for side, own, out, model in zip(pair, fold, logits, models, strict=True):
            out[own == number] = model.logit(side.x[own == number])
    return logits[0], logits[1]


def _blend(logit: FloatArray, side: Examples, decisions: float, worth: float) -> FloatArray:
    trust = _trust(decisions, worth)
    return np.asarray(trust * logit + (1.0 - trust) * side.prior)


def _candidates(grid: Grid, pair: Pair) -> Iterator[tuple[bool, float]]:
    alike = pair[0].names == pair[1].names
    yield from itertools.product([way for way in grid.pooled if alike or not way] or [False], grid.c)


def fit_directed(
    pair: Pair, grid: Grid | None = None, shape: Shape | None = None
) -> tuple[DirectedModel, DirectedModel, Choice]:
    """Both directions fitted with what inner grouped cross-validation chose, calibrated out of fold.

    With one group only nothing can be left out: the first entries of the grid are taken, uncalibrated.
    """
    grid, shape = grid or Grid(), shape or Shape()
    counts = [float(side.weight.sum()) for side in pair]
    best: Choice | None = None
    kept: tuple[FloatArray, FloatArray] | None = None
    alone = any(len(np.unique(side.group)) < 2 for side in pair)
    for pooled, c in _candidates(grid, pair):
        logits = None if alone else out_of_fold(pair, c, pooled, grid.folds, shape)
        for worth in grid.prior_worth:
            loss = 0.0
            if logits is not None:
                sides = zip(logits, pair, counts, strict=True)
                loss = sum(_log_loss(_blend(out, side, n, worth), side) for out, side, n in sides) / sum(
                    counts
                )
            if best is None or loss < best.loss:
                best, kept = Choice(c, pooled, worth, loss), logits
    if best is None:
        raise EngineError("grid: must offer at least one C and one worth of the prior")
    return (*_finish(pair, counts, best, kept, shape), best)


def _finish(
    pair: Pair,
    counts: list[float],
    choice: Choice,
    logits: tuple[FloatArray, FloatArray] | None,
    shape: Shape,
) -> tuple[DirectedModel, DirectedModel]:
    models = fit_additive(pair, choice.c, choice.pooled, shape)
    made = []
    for at, (side, n) in enumerate(zip(pair, counts, strict=True)):
        calibration = Calibration()
        if logits is not None:
            blend = _blend(logits[at], side, n, choice.prior_worth)
            calibration = fit_calibration(blend, side.y, side.weight)
        made.append(DirectedModel(models[at], calibration, choice.prior_worth, n))
    return made[0], made[1]


def probability(model: DirectedModel, x: FloatArray, prior: FloatArray | float) -> FloatArray:
    """[pairs] P(yes)."""
    return sigmoid(model.logit(x, prior))
