"""What the asker may do about their own data (layer: faces)."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.acting import asker
from accounts.api.auth import password
from accounts.limits import PASSWORD, check_limits
from accounts.models import User
from accounts.permissions import HasScope
from accounts.services.erasure import request_erasure
from matchmaker.core.errors import InvalidInput, NotAllowed
from matchmaker.core.serializers import StrictSerializer

# The word that stands for the password of who signs in by code and has none.
CONFIRMATION = "erase me"


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
