"""Endpoints of merchants (layer: faces)."""

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import acting_merchant, asker
from accounts.api.base import PartyView, body_of, shown
from accounts.api.serializers import MerchantSerializer
from accounts.services.parties import register_merchant, update_merchant
from jobs.idempotency import Idempotent
from matchmaker.core.http import check_if_match


@extend_schema(tags=["merchants"])
class Merchants(Idempotent, PartyView):
    """Registering a merchant."""

    @extend_schema(request=MerchantSerializer, responses={201: MerchantSerializer})
    def post(self, request: Request) -> Response:
        """Register a merchant; you become its owner."""
        merchant = register_merchant(actor=asker(request), data=body_of(request))
        return shown(merchant, MerchantSerializer, status=201, at=reverse("my-merchant"))


@extend_schema(tags=["merchants"])
class MyMerchant(Idempotent, PartyView):
    """The merchant that the asker acts for."""

    if_match_methods = ("PATCH",)

    @extend_schema(responses=MerchantSerializer)
    def get(self, request: Request) -> Response:
        """Read your merchant and the state of its verification."""
        return shown(acting_merchant(request), MerchantSerializer)

    @extend_schema(request=MerchantSerializer, responses=MerchantSerializer)
    def patch(self, request: Request) -> Response:
        """Change your merchant; a new name, credit code or licence is verified again."""
        merchant = acting_merchant(request)
        expected = check_if_match(request, merchant)
        update_merchant(actor=asker(request), merchant=merchant, data=body_of(request), expected=expected)
        return shown(merchant, MerchantSerializer)
