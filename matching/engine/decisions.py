"""Decisions as training rows: who said yes or no to whom, and what was known just before.

Profiles and histories are as of the decision, the latter with the pair itself left out.
Features are what the model weighs: block similarities, hinges and singles, none of them scaled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.encoding import BLOCKS
from matching.engine.errors import EngineError
from matching.engine.model import Model
from matching.engine.parallel import spans
from matching.engine.scoring import (
    COMPLETED,
    HINGES,
    SINGLES,
    UNCHECKED,
    hinge_features,
    hinge_values,
    single_values,
)
from matching.engine.types import (
    BoolArray,
    Float32Array,
    FloatArray,
    IntArray,
    Parties,
    Side,
    Snapshot,
)
from matching.engine.weights import DECISIONS, KNOTS, Weights

# What a party did before the decision, as columns of `Parties`.
PAST_COLUMNS = (
    "accepted",
    "completed",
    "decisions_given",
    "decisions_yes",
    "received",
    "received_yes",
    "reply_hours",
    "load_used",
)
_OF_PROFILE = ("average_viewers", "on_site", "capacity", "personalised")
FEATURES: tuple[str, ...] = (
    *(f"block:{block.name}" for block in BLOCKS),
    *(f"hinge:{hinge.part}" for hinge in HINGES),
    *(f"single:{single.part}:{single.weight}" for single in SINGLES),
)
N_BLOCKS, N_HINGES = len(BLOCKS), len(HINGES)
IS_SINGLE: BoolArray = np.arange(len(FEATURES)) >= N_BLOCKS + N_HINGES
IS_UNCHECKED: BoolArray = np.array(
    [False] * N_BLOCKS + [h.part in UNCHECKED for h in HINGES] + [s.weight in UNCHECKED for s in SINGLES]
)
_AT_ONCE = 4096

Past = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Decisions:
    """Rows in order of time, an entry each; direction COMPLETED tells of sessions that took place or not."""

    stall_rows: IntArray  # rows of the snapshot
    anchor_rows: IntArray
    direction: IntArray  # STALL_DECIDES, ANCHOR_DECIDES or COMPLETED
    yes: FloatArray  # 1 or 0
    at: FloatArray  # seconds since 1970
    week: IntArray  # days since 0001-01-01 of the Monday in the town
    weight: FloatArray  # 1 is usual
    stall_past: Past  # PAST_COLUMNS
    anchor_past: Past

    def __post_init__(self) -> None:
        for name in ("anchor_rows", "direction", "yes", "at", "week", "weight"):
            if len(getattr(self, name)) != len(self.stall_rows):
                raise EngineError(f"{name}: {len(self.stall_rows)} rows expected")
        for past in (self.stall_past, self.anchor_past):
            if set(past) != set(PAST_COLUMNS):
                raise EngineError(f"past: the columns {', '.join(PAST_COLUMNS)} expected")

    def __len__(self) -> int:
        return len(self.stall_rows)

    def at_rows(self, rows: IntArray | BoolArray | slice) -> Decisions:
        """These rows."""
        plain: dict[str, Any] = {name: getattr(self, name)[rows] for name in _PLAIN}
        return Decisions(
            **plain,
            stall_past={name: values[rows] for name, values in self.stall_past.items()},
            anchor_past={name: values[rows] for name, values in self.anchor_past.items()},
        )

    @property
    def deciders(self) -> IntArray:
        """[n] a number that only rows of the same decider and direction share."""
        who = np.where(self.direction == 0, self.stall_rows, self.anchor_rows)
        return np.asarray(3 * who + self.direction)

    @property
    def directed_weeks(self) -> IntArray:
        """The week of each row in which a side decided."""
        return np.asarray(self.week[np.isin(self.direction, DECISIONS)])


_PLAIN = ("stall_rows", "anchor_rows", "direction", "yes", "at", "week", "weight")


@dataclass(frozen=True)
class Profiles:
    """What both parties of each decision said of themselves at the time.

    Rows of `stalls` and `anchors` are profiles, of which a party that was edited has several.
    """

    stalls: Parties
    anchors: Parties
    stall_rows: IntArray  # [n] the profile of each decision's stall
    anchor_rows: IntArray  # [n]

    @classmethod
    def of_snapshot(cls, snapshot: Snapshot, decisions: Decisions) -> Profiles:
        """The profiles of a market in which nobody edits any."""
        return cls(snapshot.stalls, snapshot.anchors, decisions.stall_rows, decisions.anchor_rows)


def decision_features(model: Model, profiles: Profiles, decisions: Decisions) -> FloatArray:
    """[n, FEATURES] in [0, 1], NaN where unknown or opted out."""
    if not len(profiles.stall_rows) == len(profiles.anchor_rows) == len(decisions):
        raise EngineError(f"profiles: those of {len(decisions)} decisions expected")
    vectors = tuple(model.encoder.transform(side) for side in (profiles.stalls, profiles.anchors))
    hinges = tuple(hinge_values(side, model.config) for side in (profiles.stalls, profiles.anchors))
    out = np.empty((len(decisions), len(FEATURES)))
    for at in spans(len(decisions), _AT_ONCE):
        rows, columns = profiles.stall_rows[at], profiles.anchor_rows[at]
        blocks = _similarities(model, vectors[0][rows], vectors[1][columns])
        compared = hinge_features(hinges[0][:, rows], hinges[1][:, columns])
        singles = _singles(model, profiles, at, decisions.at_rows(at))
        out[at] = np.concatenate([blocks, compared, singles]).T
    return out


def _similarities(model: Model, left: Float32Array, right: Float32Array) -> FloatArray:
    """[blocks, n] similarity of each block, NaN where a side does not know it or it has no weight."""
    starts, weights = model.encoder.starts, model.encoder.weights
    products = np.multiply(left, right, dtype=np.float64)
    # The last column of a block carries the centring, which is no part of the similarity.
    products[:, starts + model.encoder.widths - 1] = 0.0
    raw = np.add.reduceat(products, starts, axis=1)
    known = np.add.reduceat(left != 0, starts, axis=1) * np.add.reduceat(right != 0, starts, axis=1) > 0
    weighted = np.where(known & (weights > 0), weights, np.nan)
    return np.asarray((raw / weighted).T)


def _singles(model: Model, profiles: Profiles, at: slice, part: Decisions) -> FloatArray:
    """[singles, n] facts of one party as of the decision; `part` are the decisions `at`."""
    out = np.empty((len(SINGLES), len(part)))
    for parties, index, past in (
        (profiles.stalls, profiles.stall_rows[at], part.stall_past),
        (profiles.anchors, profiles.anchor_rows[at], part.anchor_past),
    ):
        columns: dict[str, Any] = {name: getattr(parties, name)[index] for name in _OF_PROFILE}
        then = Parties.build(parties.side, model.vocabulary, np.arange(len(part)), **(columns | dict(past)))
        numbers = [number for number, single in enumerate(SINGLES) if single.side is parties.side]
        out[numbers] = single_values(then, model.config)
    return out


def base_of(model: Model) -> FloatArray:
    """[FEATURES] the base pair's features, which an unknown one equals."""
    return np.concatenate([model.encoder.base, model.weights.hinge_base, model.weights.single_base])


def logits_by(model: Model, weights: Weights, x: FloatArray, direction: int) -> FloatArray:
    """[n] logit of one direction by these weights, for features [n, FEATURES]; what the engine would say."""
    if direction not in DECISIONS:
        raise EngineError(f"direction: {direction} decides nothing ({COMPLETED} is what both bring about)")
    moves = np.nan_to_num(x - base_of(model), nan=0.0)
    scales = np.concatenate(
        [weights.block_scale[direction] * model.encoder.weights, weights.hinge_scale[direction]]
    )
    total = weights.biases[direction] + moves[:, ~IS_SINGLE] @ scales
    for number in range(len(SINGLES)):
        values, curve = x[:, N_BLOCKS + N_HINGES + number], weights.curves[direction, number]
        known = ~np.isnan(values)
        base = np.interp(weights.single_base[number], KNOTS, curve)
        total[known] += np.interp(values[known], KNOTS, curve) - base
    return np.asarray(total)


def sides_of(direction: int) -> tuple[Side, Side]:
    """The side that decides, and the side it decides about."""
    return (Side.STALL, Side.ANCHOR) if direction == 0 else (Side.ANCHOR, Side.STALL)
