"""Who is busy when, so that no history puts anybody in two places at once (layer: pure)."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import groupby
from typing import Any, Protocol

from seeds.generate.dice import Dice

TOWN = timezone(timedelta(hours=8))
HOUR = timedelta(hours=1)
TRIES = 12


class HasRow(Protocol):
    """A stall or an anchor: all that the diary needs are its hours and its capacity."""

    @property
    def row(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Slot:
    """Whole hours of one session of an anchor."""

    starts_at: datetime
    ends_at: datetime
    mode: str
    places: int

    @property
    def hours(self) -> int:
        return int((self.ends_at - self.starts_at) / HOUR)

    def each_hour(self) -> Iterator[datetime]:
        return (self.starts_at + HOUR * number for number in range(self.hours))

    def wanted(self) -> dict[str, Any]:
        """Return the session as terms ask for it."""
        return {
            "starts_at": self.starts_at,
            "ends_at": self.ends_at,
            "mode": self.mode,
            "places": self.places,
        }

    @property
    def week(self) -> date:
        day = self.starts_at.astimezone(TOWN).date()
        return day - timedelta(days=day.weekday())


class Diary:
    """The hours and weekly loads of both sides."""

    def __init__(self, dice: Dice, stalls: Sequence[HasRow], anchors: Sequence[Any], now: datetime) -> None:
        self.dice, self.stalls, self.anchors, self.now = dice, stalls, anchors, now
        self.anchor_hours: set[tuple[int, datetime]] = set()
        self.stall_hours: Counter[tuple[int, datetime]] = Counter()
        self.weeks: Counter[tuple[str, int, date]] = Counter()
        self.mixed: dict[int, Counter[Slot]] = defaultdict(Counter)

    def find(self, stall: int, anchor: int, days: tuple[int, int], *, may_be_mixed: bool) -> Slot | None:
        """Return hours between the two days (counted from today) at which both are free, or None."""
        shared = self._shared(stall, anchor, days) if may_be_mixed else None
        if shared:
            return shared
        for _ in range(TRIES):
            slot = self._draw(stall, anchor, self.dice.integer(*days), may_be_mixed)
            if slot and self._anchor_is_free(anchor, slot) and self._fits(stall, anchor, slot):
                return slot
        return None

    def take(self, stall: int, anchor: int, slot: Slot) -> None:
        """Write the hours down for both."""
        for hour in slot.each_hour():
            self.anchor_hours.add((anchor, hour))
            self.stall_hours[stall, hour] += 1
        self.weeks["stall", stall, slot.week] += 1
        self.weeks["anchor", anchor, slot.week] += 1
        if slot.places > 1:
            self.mixed[anchor][slot] += 1

    def _shared(self, stall: int, anchor: int, days: tuple[int, int]) -> Slot | None:
        """Return a mixed session of the anchor that has a place left and suits the stall."""
        first, last = (self.now + timedelta(days=day) for day in days)
        for slot, used in self.mixed[anchor].items():
            has_place = first <= slot.starts_at <= last and used < slot.places
            if has_place and self._stall_is_open(stall, slot) and self._fits(stall, anchor, slot):
                return slot
        return None

    def _draw(self, stall: int, anchor: int, days_ahead: int, may_be_mixed: bool) -> Slot | None:
        day = (self.now.astimezone(TOWN) + timedelta(days=days_ahead)).replace(hour=0)
        runs = self._common_runs(stall, anchor, day)
        if not runs:
            return None
        first, length = self.dice.one_of(runs)
        hours = min(length, self.dice.integer(2, 4))
        starts_at = (day + HOUR * (first + self.dice.integer(0, length - hours))).astimezone(UTC)
        places = self.dice.integer(3, 8) if may_be_mixed and self.dice.chance(0.45) else 1
        return Slot(starts_at, starts_at + HOUR * hours, "mixed" if places > 1 else "exclusive", places)

    def _common_runs(self, stall: int, anchor: int, day: datetime) -> list[tuple[int, int]]:
        """Return (first hour, length) of the stretches of two hours and more that both are open on a day."""
        if any(entry["on"] == day.date() for entry in self.anchors[anchor].exceptions):
            return []
        at = day.weekday() * 24
        parties = (self.stalls[stall], self.anchors[anchor])
        ours, theirs = (party.row["availability"][at : at + 24] for party in parties)
        both = [a == b == "1" for a, b in zip(ours, theirs, strict=True)]
        runs = [list(group) for is_open, group in groupby(range(24), key=both.__getitem__) if is_open]
        return [(run[0], len(run)) for run in runs if len(run) >= 2]

    def _stall_is_open(self, stall: int, slot: Slot) -> bool:
        hours = self.stalls[stall].row["availability"]
        local = (hour.astimezone(TOWN) for hour in slot.each_hour())
        return all(hours[hour.weekday() * 24 + hour.hour] == "1" for hour in local)

    def _anchor_is_free(self, anchor: int, slot: Slot) -> bool:
        return not any((anchor, hour) in self.anchor_hours for hour in slot.each_hour())

    def _fits(self, stall: int, anchor: int, slot: Slot) -> bool:
        """Tell whether the stall has a host's place in every hour and both have bookings left in the week."""
        hosts = self.stalls[stall].row["hosts_at_once"]
        return (
            all(self.stall_hours[stall, hour] < hosts for hour in slot.each_hour())
            and self.weeks["stall", stall, slot.week] < self.stalls[stall].row["weekly_capacity"]
            and self.weeks["anchor", anchor, slot.week] < self.anchors[anchor].row["weekly_capacity"]
        )
