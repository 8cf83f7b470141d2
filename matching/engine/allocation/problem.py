"""What a match day is asked: sparse edges with weights, capacities, pins, forbids and floors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.errors import EngineError
from matching.engine.types import BoolArray, FloatArray, IntArray

# Beyond it a capacity bounds nothing, and sums of capacities stay far from the end of 64 bits.
MOST_CAPACITY = 2**31 - 1
_NAMED = 5  # culprits that an error names


def _none() -> Any:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Problem:
    """Maximise the sum of weights of the chosen edges, each at most once, within the capacities.

    `rows`, `columns`, `weights` [e] are the edges, each pair at most once; `row_capacity` [m] and
    `column_capacity` [n] the most bookings of each. `pinned` and `forbidden` [e] must and must not be chosen.
    `row_floor` [m] and `column_floor` [n] are bookings that each should get before value counts (soft: what
    cannot be is told). With `exact_columns` each column gets exactly its capacity (hard).
    Left out: no pins, no forbids, floors of 0.
    """

    rows: IntArray
    columns: IntArray
    weights: FloatArray
    row_capacity: IntArray
    column_capacity: IntArray
    pinned: BoolArray = field(default_factory=_none)
    forbidden: BoolArray = field(default_factory=_none)
    row_floor: IntArray = field(default_factory=_none)
    column_floor: IntArray = field(default_factory=_none)
    exact_columns: bool = False

    def __post_init__(self) -> None:
        self._fill_in()
        self._check_edges()
        self._check_pins()

    def __len__(self) -> int:
        return len(self.rows)

    def _fill_in(self) -> None:
        put = object.__setattr__  # frozen for callers; the one place where columns take their types
        for name in ("row_capacity", "column_capacity"):
            put(self, name, whole_numbers(name, getattr(self, name)))
        for name in ("rows", "columns"):
            put(self, name, np.ascontiguousarray(getattr(self, name), dtype=np.int64))
        put(self, "weights", np.ascontiguousarray(self.weights, dtype=np.float64))
        for name in ("pinned", "forbidden"):
            given = np.asarray(getattr(self, name))
            put(self, name, given.astype(np.bool_) if given.size else np.zeros(len(self.rows), np.bool_))
        for name, of in (("row_floor", self.row_capacity), ("column_floor", self.column_capacity)):
            given = np.asarray(getattr(self, name))
            put(self, name, whole_numbers(name, given) if given.size else np.zeros_like(of))
        if self.exact_columns:
            put(self, "column_floor", self.column_capacity)

    def _check_edges(self) -> None:
        for name in ("columns", "weights", "pinned", "forbidden"):
            if np.shape(getattr(self, name)) != (len(self.rows),):
                raise EngineError(f"{name}: one value for each of the {len(self.rows)} edges expected")
        for name, of in (("row_floor", self.row_capacity), ("column_floor", self.column_capacity)):
            if getattr(self, name).shape != of.shape:
                raise EngineError(f"{name}: {len(of)} values expected")
        if not np.isfinite(self.weights).all():
            raise EngineError("weights: finite numbers expected; leave out a pair that cannot be")
        for name, of in (("rows", self.row_capacity), ("columns", self.column_capacity)):
            at = getattr(self, name)
            if len(at) and not 0 <= at.min() <= at.max() < len(of):
                raise EngineError(f"{name}: numbers from 0 to {len(of) - 1} expected")
        keys = self.rows * max(len(self.column_capacity), 1) + self.columns
        if len(np.unique(keys)) != len(keys):
            raise EngineError("rows, columns: a pair stands there twice")

    def _check_pins(self) -> None:
        both = np.flatnonzero(self.pinned & self.forbidden)
        if len(both):
            pairs = ", ".join(f"({self.rows[e]}, {self.columns[e]})" for e in both[:_NAMED])
            raise EngineError(f"pinned: {len(both)} pairs are pinned and forbidden: {pairs}")
        for name, at, capacity in (
            ("row", self.rows, self.row_capacity),
            ("column", self.columns, self.column_capacity),
        ):
            pins = np.bincount(at[self.pinned], minlength=len(capacity))
            over = np.flatnonzero(pins > capacity)
            if len(over):
                named = ", ".join(f"{name} {k}: {pins[k]} of {capacity[k]}" for k in over[:_NAMED])
                raise EngineError(f"pinned: more pins than capacity ({named})")


def whole_numbers(name: str, values: Any) -> IntArray:
    """[n] int64 of capacities or floors; EngineError unless they are whole and not below 0."""
    given: NDArray[Any] = np.asarray(values)
    if given.ndim != 1 or given.dtype.kind not in "iufb":
        raise EngineError(f"{name}: one row of whole numbers expected")
    if given.dtype.kind == "f" and not (np.isfinite(given) & (given == np.floor(given))).all():
        raise EngineError(f"{name}: whole numbers expected")
    if len(given) and given.min() < 0:
        raise EngineError(f"{name}: numbers from 0 expected, {given.min()} given")
    return np.asarray(np.minimum(given, MOST_CAPACITY), dtype=np.int64)
