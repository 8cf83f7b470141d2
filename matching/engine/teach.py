"""Decisions -> learned weights: additive curves by direction, chosen and calibrated by `learning`.

The features are those that the engine weighs, an unknown one at the base pair's value, so that what was
fitted is what will score. What nobody checks teaches nothing: the prior alone weighs it. Stalls and anchors
are of different kinds, so their directions are never pooled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from matching.engine import judging
from matching.engine.decisions import (
    FEATURES,
    IS_SINGLE,
    IS_UNCHECKED,
    N_BLOCKS,
    N_HINGES,
    Decisions,
    base_of,
    logits_by,
)
from matching.engine.errors import EngineError
from matching.engine.learning.additive import AdditiveModel
from matching.engine.learning.directed import (
    DirectedModel,
    Examples,
    Grid,
    Shape,
    examples,
    fit_directed,
)
from matching.engine.model import Model
from matching.engine.scoring import COMPLETED, SINGLES, logit, sigmoid
from matching.engine.types import FloatArray, IntArray
from matching.engine.weights import DECISIONS, KNOTS, Learned

# Below so many of either answer a direction stays at its prior.
FEWEST_OF_EACH = 50
FEWEST_WEEKS = 2
# Sessions that the staff's estimate of fulfilment is worth.
COMPLETED_WORTH = 100.0
GRID = Grid(
    c=(3e-4, 3e-3, 3e-2, 3e-1), prior_worth=(0.0, 300.0, 1500.0, 6000.0, 24_000.0), pooled=(False,), folds=4
)
DIRECTION_NAMES = ("stall", "anchor")


@dataclass(frozen=True)
class Choice:
    """What inner cross-validation chose for one direction, and from how many answers."""

    direction: int
    c: float
    prior_worth: float
    loss: float
    yes: int
    no: int


@dataclass(frozen=True)
class Lesson:
    """Learned weights, and how they came about."""

    learned: Learned
    choices: tuple[Choice, ...]


def teach(model: Model, decisions: Decisions, x: FloatArray) -> Lesson:
    """The weights that these decisions with features `x` [n, FEATURES] teach beside the prior of `model`.

    A direction with too few answers of a kind, or of one week only, keeps the prior. Raises EngineError
    where that is both, or where a feature is infinite.
    """
    if model.learned:
        raise EngineError("model: the prior alone is what decisions are blended with")
    if len(x) != len(decisions) or x.shape[1:] != (len(FEATURES),):
        raise EngineError(f"x: {len(decisions)} rows of {len(FEATURES)} features expected")
    if np.isinf(x).any():
        raise EngineError(f"{FEATURES[int(np.argwhere(np.isinf(x))[0, 1])]}: must be finite or NaN")
    filled = np.where(np.isnan(x) | IS_UNCHECKED, base_of(model), x)
    able = [d for d in DECISIONS if _is_enough(decisions, d)]
    if not able:
        raise EngineError(why_too_few(decisions))
    fitted, choices = _fit(model, decisions, x, filled, able)
    return Lesson(_as_learned(model, decisions, fitted), tuple(choices))


def shortage(decisions: Decisions) -> dict[str, Any] | None:
    """What there is too little of to learn and to hold weeks out, None when there is enough.

    `code` is too_few_weeks or too_few_answers, `needed` the least, and what is there follows.
    """
    weeks = np.unique(decisions.directed_weeks)
    if len(weeks) >= judging.FEWEST_WEEKS:
        early = decisions.at_rows(decisions.week < judging.held_out_from(decisions.directed_weeks))
        if any(_is_enough(early, direction) for direction in DECISIONS):
            return None
        return {"code": "too_few_answers", "needed": FEWEST_OF_EACH, **_answers(early)}
    if len(decisions.directed_weeks) < 2 * FEWEST_OF_EACH:
        return {"code": "too_few_answers", "needed": FEWEST_OF_EACH, **_answers(decisions)}
    return {"code": "too_few_weeks", "needed": judging.FEWEST_WEEKS, "weeks": len(weeks)}


def _answers(decisions: Decisions) -> dict[str, int]:
    """How often each side said yes and no."""
    told = {}
    for direction, name in enumerate(DIRECTION_NAMES):
        answers = decisions.yes[decisions.direction == direction]
        told[f"{name}_yes"] = int(answers.sum())
        told[f"{name}_no"] = int(len(answers) - answers.sum())
    return told


def why_too_few(decisions: Decisions) -> str:
    """What is there and what would be needed, in one sentence."""
    told = ", ".join(f"{name} {count}" for name, count in _answers(decisions).items())
    return (
        f"decisions: at least {FEWEST_OF_EACH} of both kinds (yes and no) by stalls or by anchors, in "
        f"{FEWEST_WEEKS} weeks or more, are needed; there are {told}"
    )


def _is_enough(decisions: Decisions, direction: int) -> bool:
    own = decisions.direction == direction
    yes = int(decisions.yes[own].sum())
    enough = min(yes, int(own.sum()) - yes) >= FEWEST_OF_EACH
    return enough and len(np.unique(decisions.week[own])) >= FEWEST_WEEKS


@dataclass(frozen=True)
class _Fitted:
    directed: DirectedModel
    prior_shift: float  # what was added to the prior's logit, so that it has the answers' mean


def _fit(
    model: Model, decisions: Decisions, x: FloatArray, filled: FloatArray, able: list[int]
) -> tuple[dict[int, _Fitted], list[Choice]]:
    """The chosen model of each direction that has enough answers."""
    sides, shifts = {}, {}
    for direction in able:
        own = np.flatnonzero(decisions.direction == direction)
        prior = logits_by(model, model.weights, x[own], direction)
        shifts[direction] = _shift_to_mean(prior, decisions.yes[own], decisions.weight[own])
        sides[direction] = _examples(decisions, filled, own, prior + shifts[direction], direction)
    # One direction alone is fitted as a pair with itself: the core fits pairs.
    first, second = sides[able[0]], sides[able[-1]]
    made = fit_directed((first, second), GRID, Shape(bent=IS_SINGLE))
    fitted, choices = {}, []
    for direction, directed in zip(able, made[:2], strict=False):
        fitted[direction] = _Fitted(directed, shifts[direction])
        yes = int(sides[direction].y.sum())
        no = len(sides[direction].y) - yes
        choices.append(Choice(direction, made[2].c, made[2].prior_worth, made[2].loss, yes, no))
    return fitted, choices


def _examples(
    decisions: Decisions, filled: FloatArray, own: IntArray, prior: FloatArray, direction: int
) -> Examples:
    return examples(
        tuple(f"{DIRECTION_NAMES[direction]}:{name}" for name in FEATURES),
        filled[own],
        decisions.yes[own],
        decisions.week[own],
        prior=prior,
        weight=decisions.weight[own],
    )


def _shift_to_mean(logits: FloatArray, yes: FloatArray, weight: FloatArray) -> float:
    """What to add to the logits so that their mean probability is the share of yes.

    Staff estimate how an average candidate would be answered; those who are answered were chosen.
    """
    goal, shift = float(np.average(yes, weights=weight)), 0.0
    for _ in range(30):  # Newton on a convex sum; far fewer steps are taken
        p = sigmoid(logits + shift)
        slope = float(np.average(p * (1.0 - p), weights=weight))
        step = (goal - float(np.average(p, weights=weight))) / max(slope, 1e-6)
        shift += float(np.clip(step, -2.0, 2.0))
    return shift


def _as_learned(model: Model, decisions: Decisions, fitted: dict[int, _Fitted]) -> Learned:
    """The engine's arrays of what was fitted, around the base pair of `model`."""
    base = base_of(model)
    biases = model.weights.biases.copy()
    blocks, hinges = np.zeros((2, N_BLOCKS)), np.zeros((2, N_HINGES))
    curves = np.zeros((2, len(SINGLES), len(KNOTS)))
    counts, worth = np.zeros(3), np.zeros(3)
    calibration = np.array([[1.0, 0.0], [1.0, 0.0]])
    for direction, own in fitted.items():
        directed = own.directed
        additive, bent = directed.additive, directed.calibration
        slopes = _slopes(additive)
        biases[direction] = additive.logit(base[None, :])[0]
        blocks[direction], hinges[direction] = slopes[:N_BLOCKS], slopes[N_BLOCKS : N_BLOCKS + N_HINGES]
        curves[direction] = _curves(additive, base)
        counts[direction], worth[direction] = directed.decisions, directed.prior_worth
        shift = bent.shift + bent.slope * (1.0 - directed.trust) * own.prior_shift
        calibration[direction] = bent.slope, shift
    done = decisions.yes[decisions.direction == COMPLETED]
    if len(done):
        biases[COMPLETED] = float(logit((done.sum() + 1.0) / (len(done) + 2.0)))
        counts[COMPLETED], worth[COMPLETED] = float(len(done)), COMPLETED_WORTH
    return Learned(
        biases=biases,
        blocks=blocks,
        hinges=hinges,
        curves=curves,
        block_base=base[:N_BLOCKS],
        hinge_base=base[N_BLOCKS : N_BLOCKS + N_HINGES],
        single_base=base[N_BLOCKS + N_HINGES :],
        decisions=counts,
        prior_worth=worth,
        calibration=calibration,
    ).validate()


def _slopes(additive: AdditiveModel) -> FloatArray:
    """[FEATURES] logits per unit of each feature's straight part."""
    basis = additive.basis
    per_unit = np.divide(basis.scale, basis.sd, out=np.zeros_like(basis.sd), where=basis.sd > 0)
    return np.asarray(additive.coefficients[: len(FEATURES)] * per_unit)


def _curves(additive: AdditiveModel, base: FloatArray) -> FloatArray:
    """[singles, knots] each fact's curve, flat beyond the training range."""
    out = np.empty((len(SINGLES), len(KNOTS)))
    for number in range(len(SINGLES)):
        column = N_BLOCKS + N_HINGES + number
        x = np.repeat(base[None, :], len(KNOTS), axis=0)
        x[:, column] = KNOTS
        out[number] = additive.parts(x)[:, column]
    return out
