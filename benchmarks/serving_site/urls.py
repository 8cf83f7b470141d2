"""The two peers, behind the same authentication, middleware and renderer as the product, and the product."""

from typing import Any
from uuid import UUID

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import asker
from accounts.models import Anchor
from accounts.selectors import own_stall
from benchmarks.serving_site.models import PairSuggestion
from matching.api.base import MatchingView
from matching.api.suggestions_shapes import AdjustmentShape, PartShape
from matchmaker.urls import urlpatterns as own

PAGE = 20


class Constant(MatchingView):
    """An answer that is always the same: what authentication, middleware and DRF take by themselves."""

    def get(self, request: Request) -> Response:
        return Response({"ok": True})


class AnchorSerializer(serializers.ModelSerializer[Anchor]):
    """The columns that a card of ours is made of."""

    class Meta:
        model = Anchor
        fields = [
            "public_id",
            "display_name",
            "followers",
            "average_viewers",
            "region",
            "categories",
            "styles",
            "languages",
            "platforms",
            "price_shares",
            "audience_age",
            "audience_gender",
            "audience_city_tier",
            "commission_rate",
            "slot_fee_cents",
            "cooperation_modes",
            "is_on_site",
        ]


class PairSerializer(serializers.ModelSerializer[PairSuggestion]):
    """One suggestion with its anchor."""

    anchor = AnchorSerializer()

    class Meta:
        model = PairSuggestion
        fields = ["anchor", "rank", "score", "base", "confidence", "parts", "adjustments", "computed_at"]


class TypedSerializer(PairSerializer):
    """The same with a serializer for each part, as the schema of the product's answer declares them."""

    parts = PartShape(many=True)  # type: ignore[assignment]
    adjustments = AdjustmentShape(many=True)  # type: ignore[assignment]


class PairSuggestions(MatchingView):
    """A page of pair rows by a ModelSerializer; nothing is checked but who asks."""

    serializer_class: type[PairSerializer] = PairSerializer

    def get(self, request: Request, stall_id: UUID) -> Response:
        stall = own_stall(asker(request), stall_id)
        rows = PairSuggestion.objects.filter(stall=stall).select_related("anchor").order_by("rank")[:PAGE]
        return Response({"results": self.serializer_class(rows, many=True).data})


urlpatterns: list[Any] = [
    *own,
    path("api/v1/bench/constant/", Constant.as_view()),
    path("api/v1/bench/stalls/<uuid:stall_id>/pairs/", PairSuggestions.as_view()),
    path(
        "api/v1/bench/stalls/<uuid:stall_id>/typed/",
        PairSuggestions.as_view(serializer_class=TypedSerializer),
    ),
]
