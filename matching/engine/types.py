"""What goes into and comes out of the engine: frozen tables of arrays, no behaviour beyond row handling.

Rows are stalls and columns are anchors in every matrix. Unknown is NaN; ineligible is a rule code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.errors import EngineError

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]

HOURS_A_WEEK = 168
PRICE_BINS = 16
# 16 bins of equal ratio (1.54) from CNY 5 to CNY 5,000: what a garment can cost in a wholesale town.
PRICE_EDGES_CENTS: tuple[float, ...] = tuple(
    float(edge) for edge in np.round(np.geomspace(500, 500_000, PRICE_BINS + 1))
)


class Side(StrEnum):
    STALL = "stall"
    ANCHOR = "anchor"

    @property
    def other(self) -> Side:
        return Side.ANCHOR if self is Side.STALL else Side.STALL


class Rule(IntEnum):
    """Why a pair is no candidate; numbers are stored, so they are only ever added to. 0 is eligible."""

    ARCHIVED = 1
    UNVERIFIED = 2
    LICENCE_EXPIRED = 3
    UNDER_AGE = 4
    STREAMING_BANNED = 5
    CAPACITY_FULL = 6
    FILTERED = 7
    OPEN_MATCH = 8
    BLOCKED = 9
    FORBIDDEN = 10
    NEVER = 11
    PASSED = 12
    DECLINED = 13
    EXCLUSIVE_ELSEWHERE = 14
    NO_COMMON_HOURS = 15
    COMMISSION_BELOW_FLOOR = 16
    PRICE_DISJOINT = 17
    MOQ_INFEASIBLE = 18
    STOCK_INFEASIBLE = 19

    @property
    def code(self) -> str:
        """The stable lower_snake name, for API and admin."""
        return self.name.lower()


class StreamingPermit(IntEnum):
    PERMITTED = 0
    BY_INVITATION = 1
    BANNED = 2


@dataclass(frozen=True)
class Vocabulary:
    """Reference codes in a fixed order; position is the column number in `Parties`."""

    categories: tuple[str, ...]
    category_parents: tuple[str, ...]
    styles: tuple[str, ...]
    regions: tuple[str, ...]
    region_parents: tuple[str, ...]
    platforms: tuple[str, ...]
    languages: tuple[str, ...]
    age_bands: tuple[str, ...] = ("18-23", "24-30", "31-40", "41-50", "50+")
    price_edges_cents: tuple[float, ...] = PRICE_EDGES_CENTS

    def __post_init__(self) -> None:
        if len(self.category_parents) != len(self.categories):
            raise EngineError("category_parents: one parent code for each category is needed")
        if len(self.region_parents) != len(self.regions):
            raise EngineError("region_parents: one parent code for each region is needed")
        if len(self.price_edges_cents) != PRICE_BINS + 1 or np.any(np.diff(self.price_edges_cents) <= 0):
            raise EngineError(f"price_edges_cents: {PRICE_BINS + 1} rising edges are needed")


# Width of a column: a number, a Vocabulary field whose length counts, or None for one value a party.
_Spec = tuple[type[np.generic], int | str | None]
COLUMNS: dict[str, _Spec] = {
    "ids": (np.int64, None),
    "categories": (np.bool_, "categories"),
    "styles": (np.bool_, "styles"),
    "platforms": (np.bool_, "platforms"),
    "languages": (np.bool_, "languages"),
    "region": (np.int16, None),
    "price_share": (np.float32, PRICE_BINS),
    "price_low_cents": (np.float64, None),
    "price_high_cents": (np.float64, None),
    "audience_age": (np.float32, "age_bands"),
    "audience_gender": (np.float32, 2),
    "audience_city_tier": (np.float32, 5),
    "hours": (np.bool_, HOURS_A_WEEK),
    "commission_rate": (np.float32, None),
    "commission_is_must": (np.bool_, None),
    "slot_fee_cents": (np.float64, None),
    "moq": (np.float32, None),
    "restock_days": (np.float32, None),
    "return_rate": (np.float32, None),
    "stock_depth": (np.float32, None),
    "average_viewers": (np.float32, None),
    "followers": (np.float64, None),
    "followers_wanted_min": (np.float64, None),
    "completed": (np.int32, None),
    "accepted": (np.int32, None),
    "decisions_given": (np.int32, None),
    "decisions_yes": (np.int32, None),
    "received": (np.int32, None),
    "received_yes": (np.int32, None),
    "reply_hours": (np.float32, None),
    "days_since_joined": (np.float32, None),
    "load_used": (np.int32, None),
    "capacity": (np.int32, None),
    "exposures": (np.int32, None),
    "verified": (np.bool_, None),
    "archived": (np.bool_, None),
    "licence_valid": (np.bool_, None),
    "of_age": (np.bool_, None),
    "streaming_permit": (np.int8, None),
    "on_site": (np.bool_, None),
    "personalised": (np.bool_, None),
}
# What a party that says nothing looks like, where zero, false or NaN would be wrong.
_DEFAULTS: dict[str, Any] = {
    "region": -1,
    "capacity": 1,
    "verified": True,
    "licence_valid": True,
    "of_age": True,
    "on_site": True,
    "personalised": True,
}


def _blank(name: str, rows: int, vocabulary: Vocabulary) -> NDArray[Any]:
    dtype, width = COLUMNS[name]
    if isinstance(width, str):
        width = len(getattr(vocabulary, width))
    shape = (rows,) if width is None else (rows, width)
    value = _DEFAULTS.get(name, np.nan if issubclass(dtype, np.floating) else 0)
    return np.full(shape, value, dtype=dtype)


@dataclass(frozen=True)
class Parties:
    """One row a party of one side, ids ascending; the meaning of a column depends on the side."""

    side: Side
    ids: IntArray
    categories: BoolArray  # [n, categories]
    styles: BoolArray  # [n, styles]
    platforms: BoolArray  # stall: wanted, all false = no wish; anchor: has
    languages: BoolArray  # stall: wanted, all false = no wish; anchor: speaks
    region: NDArray[np.int16]  # -1 unknown
    price_share: Float32Array  # [n, 16] stall: its band over the log bins; anchor: sold-price histogram
    price_low_cents: FloatArray
    price_high_cents: FloatArray
    audience_age: Float32Array  # stall: wanted; anchor: has; shares that sum to 1
    audience_gender: Float32Array
    audience_city_tier: Float32Array
    hours: BoolArray  # [n, 168] from Monday 00:00 Asia/Shanghai; all false = no calendar given
    commission_rate: Float32Array  # stall: offered; anchor: wanted
    commission_is_must: BoolArray  # anchor: below it she never works
    slot_fee_cents: FloatArray  # stall: offered at most; anchor: wanted
    moq: Float32Array  # stall: its own; anchor: most accepted
    restock_days: Float32Array  # stall: its own; anchor: most accepted
    return_rate: Float32Array  # stall: its own; anchor: tolerated
    stock_depth: Float32Array  # stall: pieces behind a style; anchor: pieces needed
    average_viewers: Float32Array  # anchor
    followers: FloatArray  # anchor
    followers_wanted_min: FloatArray  # stall
    completed: NDArray[np.int32]  # of `accepted`, how many were fulfilled
    accepted: NDArray[np.int32]
    decisions_given: NDArray[np.int32]
    decisions_yes: NDArray[np.int32]
    received: NDArray[np.int32]
    received_yes: NDArray[np.int32]
    reply_hours: Float32Array
    days_since_joined: Float32Array
    load_used: NDArray[np.int32]  # bookings in the coming four weeks
    capacity: NDArray[np.int32]  # the most bookings in the coming four weeks
    exposures: NDArray[np.int32]  # how often it was shown to partners in the past four weeks
    verified: BoolArray
    archived: BoolArray
    licence_valid: BoolArray  # anchors: true
    of_age: BoolArray  # stalls: true
    streaming_permit: NDArray[np.int8]  # StreamingPermit; anchors: permitted
    on_site: BoolArray  # anchor: willing to come; stalls: true
    personalised: BoolArray
    text: tuple[str, ...]

    def __post_init__(self) -> None:
        rows = len(self.ids)
        for name, (dtype, width) in COLUMNS.items():
            column = getattr(self, name)
            if column.dtype != dtype or len(column) != rows or column.ndim != (1 if width is None else 2):
                raise EngineError(f"{name}: {rows} rows of {np.dtype(dtype)} expected")
            if isinstance(width, int) and column.shape[1] != width:
                raise EngineError(f"{name}: {width} columns expected, {column.shape[1]} given")
        if len(self.text) != rows:
            raise EngineError(f"text: {rows} rows expected")
        if np.any(np.diff(self.ids) <= 0):
            raise EngineError("ids: ascending and unique ids expected")

    @classmethod
    def build(
        cls,
        side: Side,
        vocabulary: Vocabulary,
        ids: Sequence[int] | IntArray,
        *,
        text: Sequence[str] | None = None,
        **columns: Any,
    ) -> Parties:
        """Parties from the columns given, cast to their types; a column left out is unknown in all rows."""
        unknown = set(columns) - set(COLUMNS)
        if unknown:
            raise EngineError(f"{sorted(unknown)[0]}: no such column")
        rows = len(ids)
        made: Arrays = {"ids": np.asarray(ids, dtype=np.int64)}
        for name, (dtype, _) in COLUMNS.items():
            if name != "ids":
                blank = _blank(name, rows, vocabulary)
                given = columns.get(name)
                made[name] = blank if given is None else np.asarray(given, dtype=dtype).reshape(blank.shape)
        return cls(side=side, text=tuple(text) if text is not None else ("",) * rows, **made)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: IntArray | BoolArray | slice) -> Parties:
        """These rows; ids must stay ascending."""
        index = np.arange(len(self))[rows]
        columns = {name: getattr(self, name)[index] for name in COLUMNS}
        return Parties(side=self.side, text=tuple(self.text[i] for i in index), **columns)

    def rows_of(self, ids: Sequence[int] | IntArray) -> IntArray:
        """Row number of each id, -1 where there is none."""
        return rows_of(self.ids, np.asarray(ids, dtype=np.int64))

    def concat(self, other: Parties) -> Parties:
        """Both tables in order of id; the ids must be disjoint."""
        self._check_side(other)
        order = np.argsort(np.concatenate([self.ids, other.ids]), kind="stable")
        columns = {
            name: np.concatenate([getattr(self, name), getattr(other, name)])[order] for name in COLUMNS
        }
        text = self.text + other.text
        return Parties(side=self.side, text=tuple(text[i] for i in order), **columns)

    def replace_rows(self, other: Parties) -> Parties:
        """A copy in which rows of `other` stand for rows with the same id, new ids put in their place."""
        self._check_side(other)
        return self.take(~np.isin(self.ids, other.ids)).concat(other)

    def _check_side(self, other: Parties) -> None:
        if other.side is not self.side:
            raise EngineError(f"side: {self.side} expected, {other.side} given")

    def to_arrays(self) -> Arrays:
        """Plain arrays for a file; text as one UTF-8 buffer with offsets."""
        encoded = [t.encode() for t in self.text]
        arrays: Arrays = {name: getattr(self, name) for name in COLUMNS}
        arrays["side"] = np.array(self.side.value)
        arrays["text_bytes"] = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        arrays["text_offsets"] = np.concatenate([[0], np.cumsum([len(t) for t in encoded])]).astype(np.int64)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Parties:
        """The inverse of `to_arrays`."""
        missing = (set(COLUMNS) | {"side", "text_bytes", "text_offsets"}) - set(arrays)
        if missing:
            raise EngineError(f"{sorted(missing)[0]}: missing in the stored arrays")
        buffer = arrays["text_bytes"].tobytes()
        at = arrays["text_offsets"].tolist()
        text = tuple(buffer[a:b].decode() for a, b in zip(at, at[1:], strict=False))
        return cls(side=Side(str(arrays["side"])), text=text, **{name: arrays[name] for name in COLUMNS})


def rows_of(sorted_ids: IntArray, ids: IntArray) -> IntArray:
    """Position of each id in an ascending array, -1 where there is none."""
    if not len(sorted_ids):
        return np.full(len(ids), -1, dtype=np.int64)
    at = np.minimum(np.searchsorted(sorted_ids, ids), len(sorted_ids) - 1)
    return np.where(sorted_ids[at] == ids, at, -1).astype(np.int64)


def _no_ids() -> IntArray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Exclusions:
    """Pairs that people or staff have taken out, by id; `codes` are `Rule` numbers.

    Rules meant: OPEN_MATCH, BLOCKED, FORBIDDEN, NEVER, PASSED, DECLINED, EXCLUSIVE_ELSEWHERE.
    """

    stall_ids: IntArray = field(default_factory=_no_ids)
    anchor_ids: IntArray = field(default_factory=_no_ids)
    codes: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, dtype=np.uint8))

    def __post_init__(self) -> None:
        if not len(self.stall_ids) == len(self.anchor_ids) == len(self.codes):
            raise EngineError("exclusions: stall_ids, anchor_ids and codes must be equally long")

    @classmethod
    def of(cls, triples: Sequence[tuple[int, int, Rule]]) -> Exclusions:
        """Exclusions from (stall id, anchor id, rule) triples."""
        table = np.asarray([(s, a, int(r)) for s, a, r in triples], dtype=np.int64).reshape(-1, 3)
        return cls(table[:, 0].copy(), table[:, 1].copy(), table[:, 2].astype(np.uint8))

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class Snapshot:
    """The market as of one moment."""

    vocabulary: Vocabulary
    stalls: Parties
    anchors: Parties
    exclusions: Exclusions
    as_of: str
