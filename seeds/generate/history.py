"""What stalls and anchors did so far: reactions, matches, sessions, outcomes (layer: pure)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from seeds.generate.anchors import AnchorSeed
from seeds.generate.diary import Diary, Slot
from seeds.generate.dice import Dice, Weighted
from seeds.generate.figures import average_order_cents, outcome
from seeds.generate.shares import price_bin
from seeds.generate.stalls import State

Row = dict[str, Any]
MATCHES_A_STALL = 3.0
REACTIONS_A_STALL = 6.0
NEEDS_PAST_DAYS = 12
EARLIEST_DAYS = 150

# What became of a match, and the moves that lead there; "other" is the side that did not propose.
STORIES: dict[str, tuple[str, ...]] = {
    "completed": ("propose", "accept", "approve", "complete"),
    "declined": ("propose", "decline"),
    "withdrawn": ("propose", "withdraw"),
    "expired": ("propose", "expire"),
    "rejected": ("propose", "accept", "reject"),
    "cancelled": ("propose", "accept", "approve", "cancel"),
    "failed": ("propose", "accept", "approve", "fail"),
    "approved": ("propose", "accept", "approve"),
    "agreed": ("propose", "accept"),
    "proposed": ("propose",),
}
STORY_SHARES: Weighted[str] = Weighted(
    {
        "completed": 0.42,
        "declined": 0.15,
        "withdrawn": 0.04,
        "expired": 0.07,
        "rejected": 0.04,
        "cancelled": 0.03,
        "failed": 0.03,
        "approved": 0.07,
        "agreed": 0.07,
        "proposed": 0.08,
    }
)
OPEN_STORIES: Weighted[str] = Weighted({"approved": 0.3, "agreed": 0.3, "proposed": 0.4})
STAFF_MOVES = frozenset({"approve", "reject", "complete", "fail"})
REASONS = {
    "reject": ("reject_terms_unclear", "reject_goods_unsuitable", "reject_licence_in_doubt"),
    "cancel": ("cancel_schedule_changed", "cancel_goods_not_ready", "cancel_illness"),
    "fail": ("fail_stall_no_show", "fail_anchor_no_show"),
}
# Stories whose hours stay taken; the others give them back or never took them.
KEEPS_HOURS = frozenset({"completed", "approved", "agreed"})
TOOK_HOURS = KEEPS_HOURS | {"rejected", "cancelled", "failed"}
REACTION_KINDS: Weighted[str] = Weighted({"like": 0.6, "pass": 0.35, "never": 0.05})


@dataclass(frozen=True)
class StallSeed:
    """One stall with the state of its merchant."""

    row: Row
    state: State


@dataclass(frozen=True)
class History:
    """Rows that name stalls and anchors by their position in the town."""

    reactions: list[Row] = field(default_factory=list)
    matches: list[Row] = field(default_factory=list)


def history(dice: Dice, stalls: Sequence[StallSeed], anchors: Sequence[AnchorSeed], now: datetime) -> History:
    """Return a history in which nobody is in two places at once and nobody acts before joining."""
    return Historian(dice, stalls, anchors, now).write()


class Historian:
    """Draws pairs that could have met and tells what became of them."""

    def __init__(
        self, dice: Dice, stalls: Sequence[StallSeed], anchors: Sequence[AnchorSeed], now: datetime
    ) -> None:
        self.dice, self.stalls, self.anchors = dice, stalls, anchors
        self.now = now.replace(minute=0, second=0, microsecond=0)
        self.diary = Diary(dice, stalls, anchors, self.now)
        self.mixed_hosts: dict[str, list[int]] = defaultdict(list)
        self.by_category: dict[str, list[int]] = defaultdict(list)
        for number, anchor in enumerate(anchors):
            if is_active(anchor.state):
                for code in anchor.row["categories"]:
                    self.by_category[code].append(number)

    def write(self) -> History:
        active = [n for n, stall in enumerate(self.stalls) if is_active(stall.state) and is_open(stall.row)]
        matches: dict[tuple[int, int], Row] = {}
        for _ in range(round(len(active) * MATCHES_A_STALL)):
            pair = self._pair(self.dice.one_of(active))
            if pair and pair not in matches:
                row = self._match(*pair)
                if row:
                    matches[pair] = row
        return History(self._reactions(active, matches), list(matches.values()))

    def _pair(self, stall: int) -> tuple[int, int] | None:
        """Return the stall with an anchor who sells its goods at its prices, or None after a few tries."""
        row = self.stalls[stall].row
        code = self.dice.one_of(row["categories"])
        # Known names are asked first, and who fills a mixed session goes on until it is full.
        pool = self.mixed_hosts[code] if self.dice.chance(0.3) else []
        pool = pool or self.by_category[code]
        for _ in range(6 if pool else 0):
            anchor = self._better_known(self.dice.one_of(pool), self.dice.one_of(pool))
            if price_overlap(row, self.anchors[anchor].row["price_shares"]) >= 0.25:
                return stall, anchor
        return None

    def _better_known(self, one: int, other: int) -> int:
        """Return the one with more viewers, three times in four."""
        first, second = sorted((one, other), key=lambda anchor: -self.anchors[anchor].figures.average_viewers)
        return first if self.dice.chance(0.75) else second

    def _match(self, stall: int, anchor: int) -> Row | None:
        joined = self._joined_days_ago(stall, anchor)
        story = self.dice.weighted(STORY_SHARES if joined >= NEEDS_PAST_DAYS else OPEN_STORIES)
        slots = self._slots(story, stall, anchor, joined)
        if not slots:
            return None
        proposer = "stall" if self.dice.chance(0.55) else "anchor"
        moves = self._moves(story, proposer, slots, joined)
        if moves is None:
            return None
        if story in KEEPS_HOURS:
            self._take(stall, anchor, slots)
        return {
            "stall": stall,
            "anchor": anchor,
            "story": story,
            "terms": self._terms(stall, anchor, slots),
            "moves": moves,
            "is_booked": story in TOOK_HOURS,
            "outcomes": [self._outcome(stall, anchor, slot) for slot in slots if story == "completed"],
        }

    def _take(self, stall: int, anchor: int, slots: list[Slot]) -> None:
        for slot in slots:
            self.diary.take(stall, anchor, slot)
            if slot.places > 1:
                for code in self.anchors[anchor].row["categories"]:
                    self.mixed_hosts[code].append(anchor)

    def _joined_days_ago(self, stall: int, anchor: int) -> int:
        """Return how long the younger of the two has been here."""
        return min(self.stalls[stall].state.joined_days_ago, self.anchors[anchor].state.joined_days_ago)

    def _slots(self, story: str, stall: int, anchor: int, joined: int) -> list[Slot]:
        """Return the hours that the terms ask for: behind us when the story has ended there, else ahead."""
        if story in ("completed", "failed"):
            days = (-min(joined - 8, EARLIEST_DAYS), -1)
        elif story in ("approved", "agreed", "proposed"):
            days = (4, 24)
        else:
            days = (-min(joined - 8, EARLIEST_DAYS), 14)
        first = self.diary.find(stall, anchor, days, may_be_mixed=story in KEEPS_HOURS)
        return [first] if first else []

    def _moves(self, story: str, proposer: str, slots: list[Slot], joined: int) -> list[Row] | None:
        """Return the moves with their times, all between the joining of both, the session and now."""
        actions = STORIES[story]
        times = self._times(story, actions, slots)
        if times[0] < self.now - timedelta(days=joined) or times[-1] > self.now:
            return None
        other = "anchor" if proposer == "stall" else "stall"
        return [
            {
                "action": action,
                "role": self._role(action, proposer, other),
                "at": at,
                "reason_code": self._reason(action),
            }
            for action, at in zip(actions, times, strict=True)
        ]

    def _times(self, story: str, actions: tuple[str, ...], slots: list[Slot]) -> list[datetime]:
        """Return one time a move, counted back from the last one."""
        at = self._last_at(story, slots)
        # An answer comes within the 72 hours of its proposal; staff take up to a day and a half.
        times = [at]
        for _earlier, later in reversed(list(pairwise(actions))):
            if later in ("complete", "fail"):
                at = slots[0].starts_at - timedelta(hours=self.dice.uniform(12, 60))
            elif later == "expire":
                at -= timedelta(hours=72)
            else:
                at -= timedelta(hours=self.dice.log_uniform(0.3, 60 if later != "approve" else 36))
            times.append(at)
        return [moment.replace(microsecond=0) for moment in reversed(times)]

    def _last_at(self, story: str, slots: list[Slot]) -> datetime:
        if story in ("completed", "failed"):
            return min(slots[-1].ends_at + timedelta(hours=self.dice.uniform(1, 20)), self.now)
        if story in ("approved", "agreed", "proposed"):
            return self.now - timedelta(hours=self.dice.uniform(0.5, 60))
        return min(slots[0].starts_at - timedelta(hours=self.dice.uniform(20, 90)), self.now)

    def _role(self, action: str, proposer: str, other: str) -> str:
        if action in STAFF_MOVES:
            return "staff"
        if action == "expire":
            return "system"
        return other if action in ("accept", "decline") else proposer

    def _reason(self, action: str) -> str:
        return self.dice.one_of(REASONS[action]) if action in REASONS else ""

    def _terms(self, stall: int, anchor: int, slots: list[Slot]) -> Row:
        """Return terms between what the one offers and the other wants."""
        offer, wish = self.stalls[stall].row, self.anchors[anchor].row
        low, high = sorted((offer["commission_rate"], wish["commission_rate"]))
        shared = [mode for mode in offer["cooperation_modes"] if mode in wish["cooperation_modes"]]
        return {
            "commission_rate": Decimal(round(self.dice.uniform(float(low), float(high)) * 100)) / 100,
            "slot_fee_cents": min(offer["slot_fee_cents"], wish["slot_fee_cents"]),
            "cooperation_mode": self.dice.one_of(shared or offer["cooperation_modes"]),
            "sessions": [slot.wanted() for slot in slots],
        }

    def _outcome(self, stall: int, anchor: int, slot: Slot) -> Row:
        row = self.stalls[stall].row
        price = round((row["price_min_cents"] * row["price_max_cents"]) ** 0.5)
        return outcome(
            self.dice,
            self.anchors[anchor].figures,
            hours=slot.hours,
            order_cents=average_order_cents(self.dice, price),
            place_share=self.dice.uniform(0.75, 1.25) / slot.places,
            return_rate=float(row["return_rate"] if row["return_rate"] is not None else 0.4),
        )

    def _reactions(self, active: list[int], matches: dict[tuple[int, int], Row]) -> list[Row]:
        """Return likes, passes and nevers of both sides; who has a match liked or said nothing."""
        rows: dict[tuple[str, int, int], Row] = {}
        for _ in range(round(len(active) * REACTIONS_A_STALL)):
            pair = self._pair(self.dice.one_of(active))
            if not pair:
                continue
            side = "anchor" if self.dice.chance(0.6) else "stall"
            kind = "like" if pair in matches else self.dice.weighted(REACTION_KINDS)
            days = self.dice.uniform(0, min(self._joined_days_ago(*pair), 60))
            at = (self.now - timedelta(days=days)).replace(microsecond=0)
            rows[(side, *pair)] = {"side": side, "stall": pair[0], "anchor": pair[1], "kind": kind, "at": at}
        return list(rows.values())


def is_active(state: State) -> bool:
    """Tell whether a party could act until today."""
    return state.verification == "verified" and not state.is_archived


def is_open(stall: Row) -> bool:
    """Tell whether a stall may hold streams."""
    return bool(stall["streaming_permit"] != "banned")


def price_overlap(stall: Row, sold: list[float]) -> float:
    """Return the share of the anchor's pieces sold within the stall's price band; 1 when that is unknown."""
    if not sold:
        return 1.0
    return sum(sold[price_bin(stall["price_min_cents"]) : price_bin(stall["price_max_cents"]) + 1])
