"""Calendars of anchors and stalls: when they are free, what is booked, and as a file (layer: faces)."""

from collections.abc import Callable
from itertools import groupby
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import acting_anchor, asker
from accounts.api.base import PartyView, body_of
from accounts.api.serializers import CalendarSerializer, HolidaySerializer, calendar_answer
from accounts.choices import Scope
from accounts.models import Anchor, Stall
from accounts.selectors import calendar_of, holidays_from, own_stall, reference
from accounts.services.calendars import set_anchor_calendar, set_stall_calendar
from jobs.idempotency import Idempotent
from matching.api.base import checked_query
from matching.api.calendar_shapes import (
    AnchorCalendarShape,
    CalendarQuery,
    StallCalendarShape,
    span_of,
)
from matching.api.ics import CalendarFileRenderer, FormatFirst, calendar_file
from matching.models import Booking
from matching.selectors.calendars import Span, held_bookings, uses_of_weeks
from matchmaker.core.http import check_if_match, with_etag
from matchmaker.core.renderers import JSONRenderer

_JSON, _ICS = (200, "application/json"), (200, CalendarFileRenderer.media_type)


class CalendarView(Idempotent, PartyView):
    """A calendar: read as JSON or as a file, replaced as JSON."""

    if_match_methods = ("PUT",)
    content_negotiation_class = FormatFirst
    renderer_classes = [JSONRenderer, CalendarFileRenderer]
    # What is booked belongs to matches; the hours are the profile's.
    required_scopes = {"GET": Scope.MATCHES_READ, "PUT": Scope.PROFILE_WRITE}

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        if request.method not in ("GET", "HEAD"):
            self.renderer_classes = [JSONRenderer]
        return super().initialize_request(request, *args, **kwargs)

    def shown(self, request: Request, party: Stall | Anchor) -> Response:
        """Answer with the calendar as it was asked for."""
        span = span_of(checked_query(request, CalendarQuery))
        bookings = held_bookings(party, span)
        if isinstance(request.accepted_renderer, CalendarFileRenderer):
            name = f'attachment; filename="calendar-{party.public_id}.ics"'
            return Response(calendar_file(party, bookings), headers={"Content-Disposition": name})
        return with_etag(Response(_body(party, span, bookings)), party)


@extend_schema(tags=["anchors"])
class MyCalendar(CalendarView):
    """When the asker's anchor can stream, and what she is booked for."""

    @extend_schema(parameters=[CalendarQuery], responses={_JSON: AnchorCalendarShape, _ICS: OpenApiTypes.STR})
    def get(self, request: Request) -> Response:
        """Read your hours, holidays, sessions and how full your weeks are, as JSON or as a calendar file."""
        return self.shown(request, acting_anchor(request))

    @extend_schema(request=CalendarSerializer, responses={_JSON: CalendarSerializer})
    def put(self, request: Request) -> Response:
        """Replace your weekly hours and the dates on which they do not hold."""
        anchor = acting_anchor(request)
        expected = check_if_match(request, anchor)
        set_anchor_calendar(actor=asker(request), anchor=anchor, data=body_of(request), expected=expected)
        return with_etag(Response(_hours(anchor)), anchor)


@extend_schema(tags=["stalls"])
class StallCalendar(CalendarView):
    """When one of the asker's stalls is open to streams, and what it is booked for."""

    @extend_schema(parameters=[CalendarQuery], responses={_JSON: StallCalendarShape, _ICS: OpenApiTypes.STR})
    def get(self, request: Request, stall_id: UUID) -> Response:
        """Read hours, holidays, sessions and how full the weeks are, as JSON or as a calendar file."""
        return self.shown(request, own_stall(asker(request), stall_id))

    @extend_schema(request=CalendarSerializer, responses={_JSON: CalendarSerializer})
    def put(self, request: Request, stall_id: UUID) -> Response:
        """Replace the hours for streams and the dates on which they, or the town's holidays, do not hold."""
        stall = own_stall(asker(request), stall_id)
        expected = check_if_match(request, stall)
        set_stall_calendar(actor=asker(request), stall=stall, data=body_of(request), expected=expected)
        return with_etag(Response(_hours(stall)), stall)


def _hours(party: Stall | Anchor) -> dict[str, Any]:
    dates = {row.on: row.hours for row in calendar_of(party)}
    return calendar_answer(party.availability, dates)


def _body(party: Stall | Anchor, span: Span, bookings: list[Booking]) -> dict[str, Any]:
    holidays = HolidaySerializer(holidays_from(span.first, span.last), many=True).data
    held = _for_anchor if isinstance(party, Anchor) else _for_stall
    return _hours(party) | {
        "starts_on": span.first,
        "ends_on": span.last,
        "holidays": [{name: row[name] for name in ("on", "name", "hours")} for row in holidays],
        "sessions": _sessions(bookings, held),
        "weeks": [vars(week) for week in uses_of_weeks(party, span)],
    }


def _sessions(bookings: list[Booking], held: Callable[[Booking], dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each session once with the bookings of it that its reader may know."""
    return [
        {
            "id": session.public_id,
            "starts_at": session.starts_at,
            "ends_at": session.ends_at,
            "mode": session.mode,
            "places": session.places,
            "places_used": session.places_used,
            "bookings": [_match(booking) | held(booking) for booking in group],
        }
        for session, group in groupby(bookings, key=lambda booking: booking.session)
    ]


def _match(booking: Booking) -> dict[str, Any]:
    return {"id": booking.public_id, "match": booking.match.public_id, "status": booking.match.status}


def _for_anchor(booking: Booking) -> dict[str, Any]:
    stall = booking.match.stall
    zone = reference().zones.by_id.get(stall.zone_id)
    return {
        "stall": {
            "id": stall.public_id,
            "name": stall.name,
            "zone": zone.labelled() if zone else None,
            "floor": stall.floor,
            "number": stall.number,
        }
    }


def _for_stall(booking: Booking) -> dict[str, Any]:
    anchor = booking.match.anchor
    return {"anchor": {"id": anchor.public_id, "name": anchor.display_name}}
