"""The reasons that may be given for a move, for everybody (layer: faces)."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.reference import cached
from accounts.models import ReasonCode
from matchmaker.core.errors import InvalidInput

PURPOSE = OpenApiParameter(
    "purpose", str, description="Only the reasons of this move, such as `decline` or `cancel`."
)


class ReasonCodeShape(serializers.Serializer[Any]):
    """One reason with its names; `name` is in the asker's language."""

    code = serializers.CharField()
    purpose = serializers.CharField(help_text="The move that it may be given for.")
    name = serializers.CharField()
    name_zh = serializers.CharField()
    name_en = serializers.CharField()


@extend_schema(tags=["reference"], auth=[])
class Reasons(APIView):
    """All reasons in use, in the town's order; they are few, so there are no pages."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]

    @extend_schema(parameters=[PURPOSE], responses=ReasonCodeShape(many=True))
    def get(self, request: Request) -> Response:
        """List the reasons in use with their names in both languages."""
        rows = list(ReasonCode.objects.filter(is_retired=False))
        purpose = _purpose(request, sorted({row.purpose for row in rows}))
        rows = [row for row in rows if purpose in (None, row.purpose)]
        return cached(request, ReasonCodeShape(rows, many=True).data)


def _purpose(request: Request, known: list[str]) -> str | None:
    """Return the purpose that is asked for, None for all; InvalidInput names what would be right."""
    unknown = sorted(set(request.query_params) - {"purpose", "format"})
    if unknown:
        raise InvalidInput(fields={name: [_("There is no such parameter.")] for name in unknown[:20]})
    purpose = request.query_params.get("purpose")
    if purpose is not None and purpose not in known:
        message = _("Choose one of: %(choices)s.") % {"choices": ", ".join(known)}
        raise InvalidInput(fields={"purpose": [message]})
    return purpose
