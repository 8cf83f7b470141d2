"""Hard rules: which pairs are no candidates, and the first reason why.

Each rule is one function over broadcastable columns, so the same lines serve one pair at approval,
one list at read time and a tile of the whole market. Unknown (NaN) never excludes.
To add a rule: a number in `Rule`, one function here, one line in `PARTY_RULES` or `PAIR_RULES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.config import Config
from matching.engine.errors import EngineError
from matching.engine.types import (
    HOURS_A_WEEK,
    BoolArray,
    Exclusions,
    IntArray,
    Parties,
    Rule,
    Side,
    StreamingPermit,
    rows_of,
)

Codes = NDArray[np.uint8]
_WORDS = 3  # 64-bit words that hold the 168 hours of a week
_PLAIN = (
    "archived",
    "verified",
    "licence_valid",
    "of_age",
    "streaming_permit",
    "commission_rate",
    "commission_is_must",
    "price_low_cents",
    "price_high_cents",
    "moq",
    "stock_depth",
)


@dataclass(frozen=True)
class RuleColumns:
    """What the rules read of one side; every array has the same shape."""

    archived: NDArray[Any]
    verified: NDArray[Any]
    licence_valid: NDArray[Any]
    of_age: NDArray[Any]
    streaming_permit: NDArray[Any]
    commission_rate: NDArray[Any]
    commission_is_must: NDArray[Any]
    price_low_cents: NDArray[Any]
    price_high_cents: NDArray[Any]
    price_tolerance: float
    moq: NDArray[Any]
    stock_depth: NDArray[Any]
    free_capacity: NDArray[Any]
    starts: tuple[NDArray[np.uint64], ...]  # bit h: all hours of a session that starts at hour h are free

    @classmethod
    def of(cls, parties: Parties, config: Config) -> RuleColumns:
        return cls(
            **{name: getattr(parties, name) for name in _PLAIN},
            price_tolerance=config.price_tolerance,
            free_capacity=parties.capacity - parties.load_used,
            starts=start_bits(parties.hours, config.session_hours),
        )

    def at(self, index: Any) -> RuleColumns:
        """Rows by any numpy index; `(rows, None)` makes a column, `(None, rows)` a row."""
        return RuleColumns(
            **{name: getattr(self, name)[index] for name in _PLAIN},
            price_tolerance=self.price_tolerance,
            free_capacity=self.free_capacity[index],
            starts=tuple(word[index] for word in self.starts),
        )


def start_bits(hours: BoolArray, session_hours: int) -> tuple[NDArray[np.uint64], ...]:
    """Three words a party: the hours of the week at which a whole session fits, round the week's end.

    No calendar at all (every hour false) sets every bit: unknown excludes nobody.
    """
    fits = hours.copy()
    for later in range(1, session_hours):
        fits &= np.roll(hours, -later, axis=1)
    fits[~hours.any(axis=1)] = True
    padded = np.zeros((len(hours), _WORDS * 64), dtype=np.bool_)
    padded[:, :HOURS_A_WEEK] = fits
    words = np.packbits(padded, axis=1).view(np.uint64)
    return tuple(np.ascontiguousarray(words[:, w]) for w in range(_WORDS))


# --- rules about one party -------------------------------------------------------------------------


def is_archived(party: RuleColumns) -> BoolArray:
    return np.asarray(party.archived)


def is_unverified(party: RuleColumns) -> BoolArray:
    return ~party.verified


def licence_expired(party: RuleColumns) -> BoolArray:
    return ~party.licence_valid


def is_under_age(party: RuleColumns) -> BoolArray:
    return ~party.of_age


def streaming_banned(party: RuleColumns) -> BoolArray:
    return np.asarray(party.streaming_permit == StreamingPermit.BANNED)


def capacity_full(party: RuleColumns) -> BoolArray:
    return np.asarray(party.free_capacity <= 0)


# --- rules about a pair ----------------------------------------------------------------------------


def no_common_hours(stall: RuleColumns, anchor: RuleColumns) -> BoolArray:
    common = stall.starts[0] & anchor.starts[0]
    for stall_word, anchor_word in zip(stall.starts[1:], anchor.starts[1:], strict=True):
        common = common | (stall_word & anchor_word)
    return np.asarray(common == 0)


def commission_below_floor(stall: RuleColumns, anchor: RuleColumns) -> BoolArray:
    return np.asarray((stall.commission_rate < anchor.commission_rate) & anchor.commission_is_must)


def price_disjoint(stall: RuleColumns, anchor: RuleColumns) -> BoolArray:
    too_dear = stall.price_low_cents > anchor.price_high_cents * stall.price_tolerance
    too_cheap = stall.price_high_cents * stall.price_tolerance < anchor.price_low_cents
    return np.asarray(too_dear | too_cheap)


def moq_infeasible(stall: RuleColumns, anchor: RuleColumns) -> BoolArray:
    return np.asarray(stall.moq > anchor.moq)


def stock_infeasible(stall: RuleColumns, anchor: RuleColumns) -> BoolArray:
    return np.asarray(stall.stock_depth < anchor.stock_depth)


# The order is the order in which the first failing rule is reported.
PARTY_RULES: dict[Rule, Callable[[RuleColumns], BoolArray]] = {
    Rule.ARCHIVED: is_archived,
    Rule.UNVERIFIED: is_unverified,
    Rule.LICENCE_EXPIRED: licence_expired,
    Rule.UNDER_AGE: is_under_age,
    Rule.STREAMING_BANNED: streaming_banned,
    Rule.CAPACITY_FULL: capacity_full,
}
# An unverified party sees its own list but is shown to nobody.
PARTNER_ONLY = frozenset({Rule.UNVERIFIED})
LISTED_RULES = (
    Rule.OPEN_MATCH,
    Rule.BLOCKED,
    Rule.FORBIDDEN,
    Rule.NEVER,
    Rule.PASSED,
    Rule.DECLINED,
    Rule.EXCLUSIVE_ELSEWHERE,
)
PAIR_RULES: dict[Rule, Callable[[RuleColumns, RuleColumns], BoolArray]] = {
    Rule.NO_COMMON_HOURS: no_common_hours,
    Rule.COMMISSION_BELOW_FLOOR: commission_below_floor,
    Rule.PRICE_DISJOINT: price_disjoint,
    Rule.MOQ_INFEASIBLE: moq_infeasible,
    Rule.STOCK_INFEASIBLE: stock_infeasible,
}


def party_codes(columns: RuleColumns, *, as_partner: bool) -> Codes:
    """The first rule each party fails by itself, 0 for none."""
    codes = np.zeros(np.shape(columns.archived), dtype=np.uint8)
    for rule, fails in PARTY_RULES.items():
        if as_partner or rule not in PARTNER_ONLY:
            codes[(codes == 0) & fails(columns)] = rule
    return codes


def listed_cells(
    exclusions: Exclusions, stall_ids: IntArray, anchor_ids: IntArray
) -> tuple[IntArray, IntArray, Codes]:
    """Rows, columns and codes of the excluded pairs present, each pair once with its first rule."""
    unknown = set(np.unique(exclusions.codes).tolist()) - {int(rule) for rule in LISTED_RULES}
    if unknown:
        raise EngineError(f"exclusions: {min(unknown)} is no rule that pairs can be listed under")
    rows = rows_of(stall_ids, exclusions.stall_ids)
    columns = rows_of(anchor_ids, exclusions.anchor_ids)
    present = np.flatnonzero((rows >= 0) & (columns >= 0))
    order = present[np.lexsort((exclusions.codes[present], columns[present], rows[present]))]
    rows, columns, codes = rows[order], columns[order], exclusions.codes[order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (np.diff(rows) != 0) | (np.diff(columns) != 0)
    return rows[first], columns[first], codes[first]


def pair_codes(codes: Codes, stalls: RuleColumns, anchors: RuleColumns) -> Codes:
    """`codes` with the first failing pair rule written where nothing stood; changed in place."""
    for rule, fails in PAIR_RULES.items():
        codes[(codes == 0) & fails(stalls, anchors)] = rule
    return codes


def ruled_out(
    stalls: Parties,
    anchors: Parties,
    exclusions: Exclusions,
    *,
    subject: Side | None,
    config: Config | None = None,
) -> Codes:
    """uint8 [stalls, anchors]: 0 where the pair is a candidate, else the first `Rule` against it.

    `subject` is the side whose list it is; None asks for both to be verified, as approval does.
    """
    config = config or Config()
    stall, anchor = RuleColumns.of(stalls, config), RuleColumns.of(anchors, config)
    stall_codes = party_codes(stall, as_partner=subject is not Side.STALL)[:, None]
    anchor_codes = party_codes(anchor, as_partner=subject is not Side.ANCHOR)[None, :]
    codes = first_code(stall_codes, anchor_codes)
    rows, columns, listed = listed_cells(exclusions, stalls.ids, anchors.ids)
    open_cells = codes[rows, columns] == 0
    codes[rows[open_cells], columns[open_cells]] = listed[open_cells]
    return pair_codes(codes, stall.at((slice(None), None)), anchor.at((None, slice(None))))


def first_code(one: Codes, other: Codes) -> Codes:
    """The lower of two codes, where 0 stands for none."""
    # 0 - 1 wraps to 255, which makes "none" the largest.
    return np.asarray(np.minimum(one - np.uint8(1), other - np.uint8(1)) + np.uint8(1), dtype=np.uint8)


def strike_out(
    alive: BoolArray, stalls: RuleColumns, anchors: RuleColumns, *, subject_axis: int
) -> dict[Rule, IntArray]:
    """Clear the cells of a tile that a pair rule rules out; how many, by rule and subject.

    The fast path of `pair_codes`: the same functions in the same order, without a code per cell.
    """
    counts: dict[Rule, IntArray] = {}
    for rule, fails in PAIR_RULES.items():
        struck = fails(stalls, anchors)
        struck &= alive
        if struck.any():
            counts[rule] = np.count_nonzero(struck, axis=1 - subject_axis)
            alive ^= struck
    return counts
