"""The asker's own devices, machine tokens and profile (layer: faces)."""

import uuid
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.acting import asker
from accounts.choices import MemberRole, PartyKind, Scope
from accounts.models import ApiToken, DeviceToken, Membership, User
from accounts.services import access
from matchmaker.core.errors import NotFound
from matchmaker.core.serializers import MomentField, PlainTextField, StrictSerializer


class NewApiToken(StrictSerializer):
    name = PlainTextField(max_length=80)
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices), allow_empty=False)
    expires_at = MomentField()


class ApiTokenOut(serializers.ModelSerializer[ApiToken]):
    id = serializers.UUIDField(source="public_id")
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices))

    class Meta:
        model = ApiToken
        fields = ("id", "name", "prefix", "scopes", "expires_at", "last_used_at", "created_at")


class IssuedApiToken(ApiTokenOut):
    token = serializers.CharField(help_text="The secret; it is shown this once only.")

    class Meta(ApiTokenOut.Meta):
        fields = (*ApiTokenOut.Meta.fields, "token")  # type: ignore[assignment]


class ApiTokensView(ListAPIView[ApiToken]):
    """Machine tokens of the asker: list, and make one."""

    serializer_class = ApiTokenOut
    queryset = ApiToken.objects.none()  # names the model to the schema

    def get_queryset(self) -> Any:
        return access.live_api_tokens(asker(self.request))

    @extend_schema(request=NewApiToken, responses={201: IssuedApiToken})
    def post(self, request: Request) -> Response:
        values = NewApiToken(data=request.data).checked()
        user = asker(request)
        row, plain = access.issue_api_token(actor=user, user=user, **values)
        row.token = plain  # type: ignore[attr-defined]
        return Response(IssuedApiToken(row).data, status=201, headers={"Cache-Control": "no-store"})


class ApiTokenView(APIView):
    """One machine token of the asker."""

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, public_id: uuid.UUID) -> Response:
        token = access.live_api_tokens(asker(request)).filter(public_id=public_id).first()
        if token is None:
            raise NotFound()
        access.revoke_api_token(actor=asker(request), token=token)
        return Response(status=204)


class DeviceOut(serializers.ModelSerializer[DeviceToken]):
    id = serializers.UUIDField(source="public_id")
    is_current = serializers.SerializerMethodField(help_text="Whether this very request came from it.")

    class Meta:
        model = DeviceToken
        fields = ("id", "device_name", "created_at", "last_used_at", "expires_at", "is_current")

    def get_is_current(self, device: DeviceToken) -> bool:
        auth = self.context["request"].auth
        return isinstance(auth, DeviceToken) and auth.pk == device.pk


class DevicesView(ListAPIView[DeviceToken]):
    """Where the asker is signed in."""

    serializer_class = DeviceOut
    queryset = DeviceToken.objects.none()  # names the model to the schema

    def get_queryset(self) -> Any:
        return access.live_devices(asker(self.request))


class DeviceView(APIView):
    """One device of the asker; DELETE signs it out."""

    @extend_schema(request=None, responses={204: None})
    def delete(self, request: Request, public_id: uuid.UUID) -> Response:
        device = access.live_devices(asker(request)).filter(public_id=public_id).first()
        if device is None:
            raise NotFound()
        access.revoke_device(actor=asker(request), device=device)
        return Response(status=204)


class MyParty(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(PartyKind.choices)
    id = serializers.UUIDField(help_text="For the header X-Party.")
    name = serializers.CharField()
    role = serializers.ChoiceField(MemberRole.choices)


class Me(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    phone = serializers.CharField()
    name = serializers.CharField()
    language = serializers.CharField()
    is_staff = serializers.BooleanField()
    parties = MyParty(many=True)


class EditMe(StrictSerializer):
    name = PlainTextField(required=False, allow_blank=True, max_length=60)
    language = serializers.ChoiceField(settings.LANGUAGES, required=False, allow_blank=True)


class MeView(APIView):
    """The asker, and the parties they act for."""

    required_scopes = {"GET": Scope.PROFILE_READ, "PATCH": Scope.PROFILE_WRITE}

    @extend_schema(responses=Me)
    def get(self, request: Request) -> Response:
        return Response(me(asker(request)))

    @extend_schema(request=EditMe, responses=Me)
    def patch(self, request: Request) -> Response:
        changes = EditMe(data=request.data).checked()
        return Response(me(access.update_profile(actor=asker(request), changes=changes)))


def me(user: User) -> dict[str, Any]:
    """Return what the asker sees of themselves."""
    memberships = Membership.objects.filter(user=user).select_related("merchant", "anchor").order_by("pk")
    return {
        "id": user.public_id,
        "phone": user.phone,
        "name": user.name,
        "language": user.language,
        "is_staff": user.is_staff,
        "parties": [row for row in map(_party, memberships) if row],
    }


def _party(membership: Membership) -> dict[str, Any] | None:
    party = membership.merchant or membership.anchor
    if party is None or party.archived_at:
        return None
    kind = PartyKind.MERCHANT if membership.merchant else PartyKind.ANCHOR
    return {"kind": kind.value, "id": party.public_id, "name": str(party), "role": membership.role}
