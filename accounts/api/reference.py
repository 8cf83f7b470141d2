"""Reference data for everybody: codes that profiles are written in (layer: faces)."""

import hashlib
from typing import Any

from django.utils.cache import patch_cache_control, patch_vary_headers
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.serializers import HolidaySerializer, PriceBinSerializer, ReferenceSerializer
from accounts.choices import PRICE_EDGES_CENTS
from accounts.selectors import holidays_from, reference
from matchmaker.core.weeks import town_today

MAX_AGE_SECONDS = 300


@extend_schema(tags=["reference"], auth=[])
class ReferenceList(APIView):
    """All codes in use of one kind, in the town's order; they are few, so there are no pages."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    kind = ""

    @extend_schema(responses=ReferenceSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the codes in use with their names in both languages."""
        items = [item for item in getattr(reference(), self.kind).values() if not item.is_retired]
        return cached(request, ReferenceSerializer(items, many=True).data)


@extend_schema(tags=["reference"], auth=[])
class PriceBins(APIView):
    """The 16 bins of an anchor's `price_shares`."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]

    @extend_schema(responses=PriceBinSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the price bins, the cheapest first."""
        pairs = zip(PRICE_EDGES_CENTS, PRICE_EDGES_CENTS[1:], strict=False)
        return cached(request, [
            {"bin": number, "low_cents": low, "high_cents": high} for number, (low, high) in enumerate(pairs)
        ])  # fmt: skip


@extend_schema(tags=["reference"], auth=[])
class Holidays(APIView):
    """The dates on which the town keeps other hours: of this year and to come."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]

    @extend_schema(responses=HolidaySerializer(many=True))
    def get(self, request: Request) -> Response:
        """List this year's and later holidays, the earliest first; a stall's own exceptions come before."""
        rows = holidays_from(town_today().replace(month=1, day=1))
        return cached(request, HolidaySerializer(rows, many=True).data)


def cached(request: Request, data: Any) -> Response:
    """Answer with public data that changes rarely, or 304 to who has it already."""
    etag = f'"{hashlib.sha256(repr(data).encode()).hexdigest()[:16]}"'
    is_known = etag in request.headers.get("If-None-Match", "")
    response = Response(None if is_known else data, status=304 if is_known else 200, headers={"ETag": etag})
    patch_cache_control(response, public=True, max_age=MAX_AGE_SECONDS)
    patch_vary_headers(response, ["Accept-Language"])
    return response
