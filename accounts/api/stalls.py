"""Endpoints of stalls (layer: faces)."""

from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import acting_merchant, asker
from accounts.api.base import PartyView, body_of, shown
from accounts.api.serializers import StallSerializer
from accounts.models import Stall
from accounts.selectors import own_stall, stalls_of
from accounts.services.stalls import archive_stall, register_stall, update_stall
from jobs.idempotency import Idempotent
from matchmaker.core.http import check_if_match


@extend_schema(tags=["stalls"])
class Stalls(Idempotent, PartyView, GenericAPIView[Stall]):
    """The stalls of the asker's merchant."""

    serializer_class = StallSerializer
    queryset = Stall.objects.none()  # for the schema; `get` asks the selector

    @extend_schema(responses=StallSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List your merchant's stalls, newest first; archived ones are left out."""
        page = self.paginate_queryset(stalls_of(acting_merchant(request)))
        return self.get_paginated_response(StallSerializer(page, many=True).data)

    @extend_schema(request=StallSerializer, responses={201: StallSerializer})
    def post(self, request: Request) -> Response:
        """Register a stall; suggestions for it are computed at once."""
        merchant = acting_merchant(request)
        stall = register_stall(actor=asker(request), merchant=merchant, data=body_of(request))
        return shown(stall, StallSerializer, status=201, at=reverse("stall", args=[stall.public_id]))


@extend_schema(tags=["stalls"])
class OneStall(Idempotent, PartyView):
    """One stall of a merchant that the asker acts for."""

    if_match_methods = ("PATCH", "DELETE")

    @extend_schema(responses=StallSerializer)
    def get(self, request: Request, stall_id: UUID) -> Response:
        """Read one of your stalls."""
        return shown(own_stall(asker(request), stall_id), StallSerializer)

    @extend_schema(request=StallSerializer, responses=StallSerializer)
    def patch(self, request: Request, stall_id: UUID) -> Response:
        """Change one of your stalls; its suggestions are computed again."""
        stall = own_stall(asker(request), stall_id)
        expected = check_if_match(request, stall)
        update_stall(actor=asker(request), stall=stall, data=body_of(request), expected=expected)
        return shown(stall, StallSerializer)

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, stall_id: UUID) -> Response:
        """Archive one of your stalls: its record stays, its place becomes free."""
        stall = own_stall(asker(request), stall_id)
        # A repeat of a DELETE whose answer was lost carries the old ETag and is done already.
        if stall.archived_at is None:
            archive_stall(actor=asker(request), stall=stall, expected=check_if_match(request, stall))
        return Response(status=204)
