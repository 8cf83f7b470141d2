"""Bookings as an iCalendar file (RFC 5545) for the calendar on a phone (layer: faces)."""

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from icalendar import Calendar, Event, Timezone, TimezoneStandard
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from accounts.choices import SessionMode
from accounts.models import Anchor, Stall
from accounts.selectors import reference
from matching.choices import MatchStatus
from matching.models import Booking
from matchmaker.core.errors import InvalidInput
from matchmaker.core.weeks import TOWN_ZONE

PRODUCT = "-//Matchmaker//Calendar 1//EN"
# Characters of these kinds may not stand in a line, and some readers end a line at them.
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})


class CalendarFileRenderer(BaseRenderer):
    """Passes on the bytes of a finished calendar file."""

    media_type = "text/calendar"
    format = "ics"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return bytes(data or b"")


class FormatFirst(DefaultContentNegotiation):
    """Lets `format` in the address go before Accept, which a link cannot change; an unknown one is a 400."""

    def select_renderer(  # type: ignore[override]
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        wanted = request.query_params.get("format")
        if wanted is None:
            return super().select_renderer(request, renderers, format_suffix)  # type: ignore[arg-type, return-value]
        for renderer in renderers:
            if renderer.format == wanted:
                return renderer, renderer.media_type
        choices = ", ".join(renderer.format for renderer in renderers)
        raise InvalidInput(fields={"format": [_("Choose one of: %(choices)s.") % {"choices": choices}]})


def calendar_file(party: Stall | Anchor, bookings: Iterable[Booking]) -> bytes:
    """Return one event a booking, named for the side that reads it, in the active language."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("x-wr-calname", one_line(str(party)))
    calendar.add("x-wr-timezone", TOWN_ZONE.key)
    # Also where nothing is booked: a calendar without any component is none.
    calendar.add_component(_town_zone())
    for booking in bookings:
        calendar.add_component(_event(party, booking))
    return calendar.to_ical()


def one_line(text: str) -> str:
    """Return text on one line without characters that a line cannot hold; the library escapes the rest."""
    return " ".join("".join(" " if unicodedata.category(char) in _NO_TEXT else char for char in text).split())


def _event(party: Stall | Anchor, booking: Booking) -> Event:
    session, match, stall = booking.session, booking.match, booking.match.stall
    event = Event()
    event.add("uid", str(booking.public_id))
    event.add("sequence", match.version)
    event.add("dtstamp", match.updated_at)
    event.add("dtstart", session.starts_at.astimezone(TOWN_ZONE))
    event.add("dtend", session.ends_at.astimezone(TOWN_ZONE))
    event.add("summary", one_line(_summary(party, booking)))
    event.add("location", one_line(_place(stall)))
    event.add("description", f"{SessionMode(session.mode).label} · {MatchStatus(match.status).label}")
    event.add("status", "TENTATIVE" if match.status == MatchStatus.AGREED else "CONFIRMED")
    return event


def _summary(party: Stall | Anchor, booking: Booking) -> str:
    if isinstance(party, Stall):
        return _("Live session with %(anchor)s") % {"anchor": booking.match.anchor.display_name}
    return _("Live session at %(stall)s") % {"stall": booking.match.stall.name}


def _place(stall: Stall) -> str:
    zone = reference().zones.by_id.get(stall.zone_id)
    place = {"zone": zone.name if zone else "", "floor": stall.floor, "number": stall.number}
    return _("%(zone)s, floor %(floor)s, %(number)s") % place


def _town_zone() -> Timezone:
    """The town's offset, which has not changed since summer time ended."""
    standard = TimezoneStandard()
    standard.add("dtstart", datetime(1991, 9, 15))  # noqa: DTZ001 (local by definition)
    standard.add("tzoffsetfrom", timedelta(hours=9))
    standard.add("tzoffsetto", timedelta(hours=8))
    standard.add("tzname", "CST")
    zone = Timezone()
    zone.add("tzid", TOWN_ZONE.key)
    zone.add_component(standard)
    return zone
