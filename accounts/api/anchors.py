"""Endpoints of anchors and their calendars (layer: faces)."""

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import acting_anchor, asker
from accounts.api.base import PartyView, body_of, shown
from accounts.api.serializers import AnchorSerializer, CalendarSerializer, calendar_answer
from accounts.models import Anchor
from accounts.selectors import calendar_of
from accounts.services.anchors import register_anchor, set_anchor_calendar, update_anchor
from jobs.idempotency import Idempotent
from matchmaker.core.http import check_if_match, with_etag


@extend_schema(tags=["anchors"])
class Anchors(Idempotent, PartyView):
    """Registering an anchor."""

    @extend_schema(request=AnchorSerializer, responses={201: AnchorSerializer})
    def post(self, request: Request) -> Response:
        """Register an anchor for whom you act; suggestions are computed at once."""
        anchor = register_anchor(actor=asker(request), data=body_of(request))
        return shown(anchor, AnchorSerializer, status=201, at=reverse("my-anchor"))


@extend_schema(tags=["anchors"])
class MyAnchor(PartyView):
    """The anchor that the asker is or acts for."""

    if_match_methods = ("PATCH",)

    @extend_schema(responses=AnchorSerializer)
    def get(self, request: Request) -> Response:
        """Read your profile and the state of its verification."""
        return shown(acting_anchor(request), AnchorSerializer)

    @extend_schema(request=AnchorSerializer, responses=AnchorSerializer)
    def patch(self, request: Request) -> Response:
        """Change your profile; another identity is verified again."""
        anchor = acting_anchor(request)
        expected = check_if_match(request, anchor)
        update_anchor(actor=asker(request), anchor=anchor, data=body_of(request), expected=expected)
        return shown(anchor, AnchorSerializer)


@extend_schema(tags=["anchors"])
class MyCalendar(PartyView):
    """When the asker's anchor can stream."""

    if_match_methods = ("PUT",)

    @extend_schema(responses=CalendarSerializer)
    def get(self, request: Request) -> Response:
        """Read your weekly hours and the dates on which they do not hold."""
        return _calendar(acting_anchor(request))

    @extend_schema(request=CalendarSerializer, responses=CalendarSerializer)
    def put(self, request: Request) -> Response:
        """Replace your weekly hours and the dates on which they do not hold."""
        anchor = acting_anchor(request)
        expected = check_if_match(request, anchor)
        set_anchor_calendar(actor=asker(request), anchor=anchor, data=body_of(request), expected=expected)
        return _calendar(anchor)


def _calendar(anchor: Anchor) -> Response:
    dates = {row.on: row.hours for row in calendar_of(anchor)}
    return with_etag(Response(calendar_answer(anchor.availability, dates)), anchor)
