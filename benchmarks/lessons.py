"""Decisions that a made-up town took by a hidden taste, honest ones and those of fakes, and their lesson."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matching.engine.decisions import (
    FEATURES,
    IS_UNCHECKED,
    PAST_COLUMNS,
    Decisions,
    Profiles,
    base_of,
    decision_features,
)
from matching.engine.pipeline import fit
from matching.engine.scoring import ANCHOR_DECIDES, STALL_DECIDES, sigmoid
from matching.engine.teach import teach
from matching.engine.types import BoolArray, FloatArray, IntArray, Parties, Side, Snapshot
from matching.engine.weights import Learned

WEEKS = 12
MONDAY = 738_000
SEED = 621
# Logits that the hidden taste gives each unit of what nobody checks: a town that falls for big figures.
VANITY = 2.0


@dataclass(frozen=True)
class Taught:
    """Who decided about whom, and how; rows of the town that is taught."""

    stall_rows: IntArray
    anchor_rows: IntArray
    direction: IntArray
    yes: FloatArray

    def lied(self, liars: IntArray, about: IntArray, praised: bool, target: Side) -> Taught:
        """The same with a decision of every liar about each of these of the target's side."""
        who, whom = np.repeat(liars, len(about)), np.tile(about, len(liars))
        stalls, anchors = (whom, who) if target is Side.STALL else (who, whom)
        direction = np.full(len(who), ANCHOR_DECIDES if target is Side.STALL else STALL_DECIDES)
        return Taught(
            np.concatenate([self.stall_rows, stalls]),
            np.concatenate([self.anchor_rows, anchors]),
            np.concatenate([self.direction, direction]),
            np.concatenate([self.yes, np.full(len(who), float(praised))]),
        )


def made_decisions(town: Snapshot, number: int, seed: int) -> Taught:
    """That many decisions about random pairs, by a taste that the prior does not have."""
    rng = np.random.default_rng(seed)
    taught = Taught(
        rng.integers(0, len(town.stalls), number),
        rng.integers(0, len(town.anchors), number),
        rng.integers(0, 2, number),
        np.zeros(number),
    )
    model = fit(town, seed=SEED)
    x = np.nan_to_num(decision_features(model, *_rows(town, taught)) - base_of(model))
    taste = np.where(IS_UNCHECKED, VANITY, rng.normal(1.0, 1.0, (2, len(FEATURES))))
    logits = (x * taste[taught.direction]).sum(axis=1) - 0.5
    return Taught(
        taught.stall_rows, taught.anchor_rows, taught.direction, 1.0 * (rng.random(number) < sigmoid(logits))
    )


def learn(town: Snapshot, taught: Taught) -> Learned:
    """What these decisions teach, as `manage.py train` would learn it."""
    model = fit(town, seed=SEED)
    profiles, decisions = _rows(town, taught)
    return teach(model, decisions, decision_features(model, profiles, decisions)).learned


def _rows(town: Snapshot, taught: Taught) -> tuple[Profiles, Decisions]:
    week = np.arange(len(taught.yes)) % WEEKS
    order: IntArray = np.argsort(week, kind="stable")
    stall_rows, anchor_rows = taught.stall_rows[order], taught.anchor_rows[order]
    decisions = Decisions(
        stall_rows=stall_rows,
        anchor_rows=anchor_rows,
        direction=taught.direction[order],
        yes=taught.yes[order],
        at=week[order] * 604_800.0,
        week=MONDAY + 7 * week[order],
        weight=np.ones(len(order)),
        stall_past=_past(town.stalls, stall_rows),
        anchor_past=_past(town.anchors, anchor_rows),
    )
    return Profiles.of_snapshot(town, decisions), decisions


def _past(parties: Parties, rows: IntArray) -> dict[str, FloatArray | BoolArray | IntArray]:
    return {name: getattr(parties, name)[rows] for name in PAST_COLUMNS}
