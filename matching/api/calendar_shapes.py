"""Shapes of calendars in the API: what may be asked and what is answered (layer: faces)."""

from datetime import date, timedelta
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from accounts.api.serializers import CalendarSerializer, DayField
from accounts.choices import SessionMode
from accounts.codes import ReferenceBook
from accounts.validation.fields import Bad, Context
from accounts.validation.values import day
from matching.choices import MatchStatus
from matching.selectors.calendars import Span
from matchmaker.core.errors import InvalidInput
from matchmaker.core.serializers import FIRST_YEAR, LAST_YEAR, StrictSerializer
from matchmaker.core.weeks import town_today

WEEKS_SHOWN = 4
WEEKS_MOST = 26
FORMATS = ("json", "ics")


class DateField(serializers.DateField):
    """A date that is written in one way only, and far from the ends of the calendar."""

    def to_internal_value(self, value: Any) -> date:
        try:
            on = day(value, Context(book=ReferenceBook(), today=town_today()))
        except Bad as bad:
            raise serializers.ValidationError(bad.parts[""]) from bad
        if not FIRST_YEAR <= on.year <= LAST_YEAR:
            years = {"first": FIRST_YEAR, "last": LAST_YEAR}
            raise serializers.ValidationError(_("Give a date in the years %(first)s to %(last)s.") % years)
        return on


class CalendarQuery(StrictSerializer):
    """Which dates of a calendar are wanted, and how they are written."""

    to = DateField(required=False, help_text="Last date, included; four weeks from the first if left out.")
    format = serializers.ChoiceField(
        FORMATS, required=False, help_text="Goes before Accept; `ics` is text/calendar."
    )

    def get_fields(self) -> dict[str, Any]:
        # `from` is no name that Python lets a class have.
        first = DateField(required=False, help_text="First date; this week's Monday if left out.")
        return {"from": first, **super().get_fields()}


def span_of(query: dict[str, Any]) -> Span:
    """Return the dates that were asked for; raise InvalidInput where there are none or too many."""
    today = town_today()
    first: date = query.get("from") or today - timedelta(days=today.weekday())
    last: date = query.get("to") or first + timedelta(weeks=WEEKS_SHOWN, days=-1)
    furthest = first + timedelta(weeks=WEEKS_MOST, days=-1)
    if not first <= last <= furthest:
        message = _("Give a date from %(first)s to %(last)s: at most %(weeks)s weeks are shown at once.")
        told = message % {"first": first, "last": furthest, "weeks": WEEKS_MOST}
        raise InvalidInput(fields={"to": [told]})
    return Span(first, last)


class DateHoursShape(serializers.Serializer[Any]):
    """A date on which the town keeps other hours."""

    on = serializers.DateField()
    name = serializers.CharField(help_text="In the asker's language.")
    hours = DayField()


class WeekShape(serializers.Serializer[Any]):
    """How full one week is."""

    week_on = serializers.DateField(help_text="Its Monday; a booking counts in the week its session begins.")
    used = serializers.IntegerField(help_text="Bookings that agreed matches hold.")
    capacity = serializers.IntegerField(help_text="What is allowed as of now; it may be fewer than are held.")


class BookedStallShape(serializers.Serializer[Any]):
    """Where an anchor is expected."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    zone = serializers.DictField(child=serializers.CharField(), allow_null=True, help_text="Code and name.")
    floor = serializers.IntegerField()
    number = serializers.CharField()


class BookedAnchorShape(serializers.Serializer[Any]):
    """Whom a stall expects."""

    id = serializers.UUIDField()
    name = serializers.CharField(help_text="Name on air.")


class HeldShape(serializers.Serializer[Any]):
    """A place that a match holds in the session."""

    id = serializers.UUIDField()
    match = serializers.UUIDField()
    status = serializers.ChoiceField(MatchStatus.choices, help_text="State of the match.")


class AnchorHeldShape(HeldShape):
    """A place in the anchor's session, and for whom."""

    stall = BookedStallShape()


class StallHeldShape(HeldShape):
    """The stall's own place in a session, and whose session it is."""

    anchor = BookedAnchorShape()


class CalendarSessionShape(serializers.Serializer[Any]):
    """A planned live broadcast."""

    id = serializers.UUIDField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    mode = serializers.ChoiceField(SessionMode.choices)
    places = serializers.IntegerField()
    places_used = serializers.IntegerField()


class AnchorSessionShape(CalendarSessionShape):
    """A session of the anchor with everybody's places."""

    bookings = AnchorHeldShape(many=True)


class StallSessionShape(CalendarSessionShape):
    """A session with the stall's own places; of the others only how many there are."""

    bookings = StallHeldShape(many=True)


class CalendarShape(CalendarSerializer):
    """Hours, exceptions, holidays, and how full the weeks are."""

    starts_on = serializers.DateField(help_text="First date of what follows.")
    ends_on = serializers.DateField(help_text="Last date, included.")
    holidays = DateHoursShape(many=True)
    weeks = WeekShape(many=True)


class AnchorCalendarShape(CalendarShape):
    """When an anchor is free, and what she is booked for."""

    sessions = AnchorSessionShape(many=True)


class StallCalendarShape(CalendarShape):
    """When a stall is open to streams, and what it is booked for."""

    sessions = StallSessionShape(many=True)
