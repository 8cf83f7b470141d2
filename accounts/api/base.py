"""What the endpoints of parties share (layer: faces)."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.choices import Scope
from accounts.permissions import HasScope
from matchmaker.core.errors import InvalidInput
from matchmaker.core.http import with_etag
from matchmaker.core.serializers import StrictSerializer

READ_WRITE = {
    "GET": Scope.PROFILE_READ,
    "POST": Scope.PROFILE_WRITE,
    "PATCH": Scope.PROFILE_WRITE,
    "PUT": Scope.PROFILE_WRITE,
    "DELETE": Scope.PROFILE_WRITE,
}


class PartyView(APIView):
    """An endpoint on the asker's own profile."""

    permission_classes = [IsAuthenticated, HasScope]
    required_scopes = READ_WRITE


def body_of(request: Request) -> Mapping[str, Any]:
    """Return the JSON object that was sent; its fields are checked by the service."""
    if not isinstance(request.data, Mapping):
        message = _("Send a JSON object.")
        raise InvalidInput(message, code="not_an_object", fields={"body": [message]})
    return request.data


def shown(instance: Any, serializer: type[StrictSerializer], *, status: int = 200, at: str = "") -> Response:
    """Answer with a profile, its ETag and perhaps where it is."""
    response = Response(serializer(instance).data, status=status)
    if at:
        response["Location"] = at
    return with_etag(response, instance)
