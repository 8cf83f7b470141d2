"""What the asker may do about their own data (layer: faces)."""

from typing import Any

from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.acting import asker
from accounts.api.auth import password
from accounts.choices import Purpose
from accounts.limits import PASSWORD, check_limits
from accounts.models import User
from accounts.permissions import HasScope
from accounts.privacy.export import as_json, as_zip
from accounts.services.consents import TEXT_VERSION, answer_purpose, answers_of
from accounts.services.erasure import request_erasure
from jobs.throttle import check_rate
from matchmaker.core import clock
from matchmaker.core.errors import InvalidInput, NotAllowed
from matchmaker.core.renderers import JSONRenderer
from matchmaker.core.serializers import StrictSerializer

# The word that stands for the password of who signs in by code and has none.
CONFIRMATION = "erase me"


class ConsentIn(StrictSerializer):
    purpose = serializers.ChoiceField(Purpose.choices)
    is_given = serializers.BooleanField()
    text_version = serializers.CharField(max_length=16, help_text="The version of the text that was read.")


class ConsentOut(serializers.Serializer[Any]):
    purpose = serializers.ChoiceField(Purpose.choices)
    is_given = serializers.BooleanField()
    text = serializers.CharField()
    text_version = serializers.SerializerMethodField(help_text="Of this text.")
    answered_version = serializers.CharField(help_text="Of the text that was answered to; empty: never.")
    answered_at = serializers.DateTimeField(allow_null=True)

    def get_text_version(self, _answer: Any) -> str:
        return TEXT_VERSION


class ConsentsView(APIView):
    """What the asker agrees to, by purpose."""

    permission_classes = [IsAuthenticated, HasScope]

    @extend_schema(responses=ConsentOut(many=True), tags=["accounts"])
    def get(self, request: Request) -> Response:
        """Read the purposes, their texts and your answers."""
        return Response(ConsentOut(answers_of(asker(request)), many=True).data)

    @extend_schema(request=ConsentIn, responses=ConsentOut(many=True), tags=["accounts"])
    def put(self, request: Request) -> Response:
        """Give or take back one consent; it acts at once."""
        values = ConsentIn(data=request.data).checked()
        return Response(ConsentOut(answer_purpose(actor=asker(request), **values), many=True).data)


EXPORTS_A_DAY = 20


class ZipRenderer(JSONRenderer):
    """Names the zip of CSV files for `?format=csv`; the view writes its bytes, refusals are JSON still."""

    media_type = "application/zip"
    format = "csv"


class ByFormat(BaseContentNegotiation):
    """Lets `?format=` alone decide, whatever the client says that it accepts."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        wanted = request.query_params.get("format", "json")
        for renderer in renderers:
            if renderer.format == wanted:
                return renderer, renderer.media_type
        raise InvalidInput(fields={"format": [_("Choose json or csv.")]})


class ExportView(APIView):
    """Everything that is held of the asker."""

    permission_classes = [IsAuthenticated, HasScope]
    renderer_classes = [JSONRenderer, ZipRenderer]
    content_negotiation_class = ByFormat

    @extend_schema(
        parameters=[OpenApiParameter("format", str, enum=["json", "csv"])],
        responses={(200, "application/json"): OpenApiTypes.OBJECT, (200, "application/zip"): bytes},
        tags=["accounts"],
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Read everything held of you and your parties: JSON, or with `?format=csv` a zip of CSV files.

        The picture of a licence itself is read at `merchants/me/licence-photo/`.
        """
        user, now = asker(request), clock.now()
        check_rate(f"export:{user.pk}", limit=EXPORTS_A_DAY, per_seconds=86_400)
        named = {"Cache-Control": "no-store"}
        name = f"matchmaker-{now:%Y-%m-%d}"
        if isinstance(request.accepted_renderer, ZipRenderer):
            return FileResponse(as_zip(user), as_attachment=True, filename=f"{name}.zip", headers=named)
        named["Content-Disposition"] = f'attachment; filename="{name}.json"'
        return StreamingHttpResponse(as_json(user, at=now), content_type="application/json", headers=named)


class Erase(StrictSerializer):
    password = password(required=False)
    confirmation = serializers.CharField(
        required=False, help_text="`erase me`, for accounts without a password."
    )


class Erased(serializers.Serializer):  # type: ignore[type-arg]
    pseudonym = serializers.CharField(help_text="By which the town's records name you from now on.")


class EraseView(APIView):
    """Erasing the asker for good."""

    permission_classes = [IsAuthenticated, HasScope]

    @extend_schema(request=Erase, responses={202: Erased}, tags=["accounts"])
    def post(self, request: Request) -> Response:
        """Erase yourself: you are signed out and hidden at once, everything of yours goes within a minute."""
        user = asker(request)
        if user.is_staff or user.is_superuser:
            raise NotAllowed(code="staff_account")
        check_limits(PASSWORD, request._request, token=f"erase:{user.pk}")
        _confirm(user, Erase(data=request.data).checked())
        row = request_erasure(actor=user, user=user)
        return Response({"pseudonym": row.pseudonym}, status=202, headers={"Cache-Control": "no-store"})


def _confirm(user: User, values: dict[str, Any]) -> None:
    """Ask for the password of who has one, for the word of who has none."""
    if user.has_usable_password():
        if not user.check_password(values.get("password", "")):
            raise InvalidInput(fields={"password": [_("The password is not right.")]})
    elif values.get("confirmation") != CONFIRMATION:
        message = _("Write: %(word)s") % {"word": CONFIRMATION}
        raise InvalidInput(fields={"confirmation": [message]})
