"""Out-of-fold directed predictions of a market folder: the engine with all else learned outside.

`out_of_fold(market, split)` is what the other benchmarks call. Of each group left out, what it is tested
on is touched by nothing: neither means nor choices nor calibration come from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.csv_table import FolderError
from benchmarks.market_folder import HALVES, FloatArray, IntArray, Market
from benchmarks.pair_features import PairTable, pair_table
from matching.engine.learning import history
from matching.engine.learning.directed import (
    DirectedModel,
    Grid,
    Logits,
    Shape,
    examples,
    fit_directed,
    probability,
)
from matching.engine.scoring import sigmoid
from matching.engine.types import BoolArray

SPLITS = ("cold", "warm")
# No hand-set prior exists for a folder that is known by its schema alone.
PROFILE_GRID = Grid(c=(1e-3, 3e-4, 3e-3), prior_worth=(0.0,), pooled=(True, False), folds=4)
HISTORY_GRID = Grid(c=(1.0, 0.03), prior_worth=(0.0,), pooled=(True, False), folds=4)
HISTORY_WORTH = 5.0  # decisions that the profile's expectation is worth against answers
HISTORY_NAMES = ("profile", "given", "received", "own_received", "partner_given")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Predictions:
    """P(row accepts) and P(column accepts) of the decisions `at`, none of them seen in learning."""

    at: IntArray  # indices into market.decisions
    row: FloatArray
    column: FloatArray


def out_of_fold(market: Market, split: str, progress: Progress | None = None) -> Predictions:
    """Every group's predictions by a model that saw the other groups only.

    cold: all pairs of the group. warm: the pairs of its second half, the first half's answers known.
    """
    refuse_unfit(market, split)
    groups = len(market.decisions.group_names)
    says = np.full((2, len(market.decisions)), np.nan)
    for number in range(groups):
        held = market.decisions.group == number
        says[:, held] = (_cold if split == "cold" else _warm)(market, held)
        if progress:
            progress(number + 1, groups)
    at = tested(market, split)
    return Predictions(at, says[0, at], says[1, at])


def tested(market: Market, split: str) -> IntArray:
    """The decisions that a split ranks."""
    if split == "cold":
        return np.arange(len(market.decisions))
    return np.flatnonzero(market.decisions.half == HALVES["test"])


def refuse_unfit(market: Market, split: str) -> None:
    """FolderError if this split means nothing for this folder."""
    if split not in SPLITS:
        raise FolderError(f"split: {split!r} must be one of {SPLITS}")
    if market.all_candidates:
        raise FolderError(
            f"schema.json: {split} needs groups and answers of both sides, this folder lists positives of "
            "one side only; use new-rows, new-columns or known"
        )
    if len(market.decisions.group_names) < 2:
        raise FolderError(f"decisions: {split} leaves one group out, and there is one only")
    if split == "warm":
        if market.decisions.half is None:
            raise FolderError("schema.json: decisions.half is missing, which warm needs")
        if not (market.decisions.half == HALVES["test"]).any():
            raise FolderError("decisions: no pair has half = test, which warm ranks")


# --- who nobody has seen ----------------------------------------------------------------------------------


def _cold(market: Market, held: BoolArray) -> FloatArray:
    """[2, held pairs] from the profiles alone."""
    table, models, _ = _learn_profiles(market, held)
    return np.stack([probability(models[d], table.x[d][held], 0.0) for d in (0, 1)])


def _learn_profiles(
    market: Market, held: BoolArray
) -> tuple[PairTable, tuple[DirectedModel, DirectedModel], Logits]:
    """Features of all pairs, both directions learned outside, and their logits out of fold there."""
    decisions = market.decisions
    table = pair_table(market, decisions.row, decisions.column, ~held)
    says = (decisions.row_says, decisions.column_says)
    first, second = (
        examples(table.names, table.x[d][~held], says[d][~held], decisions.group[~held]) for d in (0, 1)
    )
    row, column, _, logits = fit_directed((first, second), PROFILE_GRID, Shape(scale=table.scale))
    return table, (row, column), logits


# --- after half an evening --------------------------------------------------------------------------------


def _warm(market: Market, held: BoolArray) -> FloatArray:
    """[2, held pairs] from the profiles and the known half's answers."""
    decisions = market.decisions
    table, models, outside = _learn_profiles(market, held)
    profile = np.empty((2, len(decisions)))
    for d in (0, 1):
        profile[d, ~held] = outside[d]
        profile[d, held] = models[d].logit(table.x[d][held], 0.0)
    known = decisions.half == HALVES["history"]
    x = _history_features(market, profile, known)
    learn = ~held & (decisions.half != HALVES["mixed"])
    says = (decisions.row_says, decisions.column_says)
    first, second = (
        examples(HISTORY_NAMES, x[d][learn], says[d][learn], decisions.group[learn]) for d in (0, 1)
    )
    row, column, _, _ = fit_directed((first, second), HISTORY_GRID)
    return np.stack([probability(model, x[d][held], 0.0) for d, model in enumerate((row, column))])


def _history_features(market: Market, profile: FloatArray, known: BoolArray) -> tuple[FloatArray, FloatArray]:
    """[pairs, 5] of each direction: the profile's logit, and by how much answers differ from it.

    Residuals, not rates: who was met by a picky half of the room is not punished for it.
    """
    row, column = market.decisions.row, market.decisions.column
    says = (market.decisions.row_says, market.decisions.column_says)
    parties = ((row, column), (column, row))
    rates = []
    for d in (0, 1):
        decider, receiver = parties[d]
        answers = history.Answers(decider, receiver, says[d] - sigmoid(profile[d]), known)
        given = history.given(answers, 0.0, HISTORY_WORTH)
        received = history.received(answers, 0.0, HISTORY_WORTH)
        rates.append((given, received))
    first, second = (
        np.column_stack([profile[d], rates[d][0], rates[d][1], rates[1 - d][1], rates[1 - d][0]])
        for d in (0, 1)
    )
    return first, second
