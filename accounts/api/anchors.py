"""Endpoints of anchors; their calendars show what is booked, which matching knows (layer: faces)."""

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import acting_anchor, asker
from accounts.api.base import PartyView, body_of, shown
from accounts.api.serializers import AnchorSerializer
from accounts.services.anchors import register_anchor, update_anchor
from jobs.idempotency import Idempotent
from matchmaker.core.http import check_if_match


@extend_schema(tags=["anchors"])
class Anchors(Idempotent, PartyView):
    """Registering an anchor."""

    @extend_schema(request=AnchorSerializer, responses={201: AnchorSerializer})
    def post(self, request: Request) -> Response:
        """Register an anchor for whom you act; suggestions are computed at once."""
        anchor = register_anchor(actor=asker(request), data=body_of(request))
        return shown(anchor, AnchorSerializer, status=201, at=reverse("my-anchor"))


@extend_schema(tags=["anchors"])
class MyAnchor(Idempotent, PartyView):
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
