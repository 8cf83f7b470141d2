"""What is booked of a party, and how full its weeks are (layer: selectors)."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from accounts.models import Anchor, Stall
from matching.choices import Side
from matching.models import Booking, WeekLoad
from matchmaker.core.weeks import TOWN_ZONE


@dataclass(frozen=True)
class Span:
    """The dates of the town from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def begins_at(self) -> datetime:
        """When the first date begins."""
        return datetime.combine(self.first, time(), TOWN_ZONE)

    @property
    def ends_at(self) -> datetime:
        """When the last date is over."""
        return datetime.combine(self.last + timedelta(days=1), time(), TOWN_ZONE)

    @property
    def mondays(self) -> list[date]:
        """The Mondays of all weeks that the dates lie in."""
        monday = self.first - timedelta(days=self.first.weekday())
        return [monday + timedelta(days=days) for days in range(0, (self.last - monday).days + 1, 7)]


@dataclass(frozen=True)
class WeekUse:
    """How many bookings a week carries and how many it may carry now; lowered since, it may be fewer."""

    week_on: date
    used: int
    capacity: int


def held_bookings(party: Stall | Anchor, span: Span) -> list[Booking]:
    """Return the party's own bookings of sessions that touch these dates, in order of sessions; one query.

    What was released is left out, what was completed is not. Sessions, matches, and what the other side is
    called by are loaded.
    """
    rows = Booking.objects.filter(
        released_at__isnull=True,
        session__starts_at__lt=span.ends_at,
        session__ends_at__gt=span.begins_at,
    )
    own = {"session__anchor": party} if isinstance(party, Anchor) else {"stall": party}
    return list(
        rows.filter(**own)
        .select_related("session", "match__anchor", "match__stall")
        .order_by("session__starts_at", "session_id", "pk")
    )


def uses_of_weeks(party: Stall | Anchor, span: Span) -> list[WeekUse]:
    """Return every week of these dates, the empty ones too; one query."""
    side = Side.ANCHOR if isinstance(party, Anchor) else Side.STALL
    rows = WeekLoad.objects.filter(side=side, party_id=party.pk, week_on__in=span.mondays)
    used = dict(rows.values_list("week_on", "used"))
    return [WeekUse(monday, used.get(monday, 0), party.weekly_capacity) for monday in span.mondays]
