"""What the endpoints of suggestions and matches share (layer: faces)."""

from typing import Any

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.choices import Scope
from accounts.permissions import HasScope
from matchmaker.core.serializers import StrictSerializer

READ_WRITE = {
    "GET": Scope.MATCHES_READ,
    "POST": Scope.MATCHES_WRITE,
    "PUT": Scope.MATCHES_WRITE,
    "DELETE": Scope.MATCHES_WRITE,
}


class MatchingView(APIView):
    """An endpoint for signed-in users; whose rows they see is decided by selectors."""

    permission_classes = [IsAuthenticated, HasScope]
    required_scopes = READ_WRITE


def checked_query(request: Request, serializer: type[StrictSerializer]) -> dict[str, Any]:
    """Return the query parameters that were given, checked; an unknown one is named in a 400.

    A parameter given twice is one list: `a=1&a=2` is `a=1,2`.
    """
    given = {name: ",".join(values) for name, values in request.query_params.lists()}
    return serializer(data=given).checked()


def checked_body(request: Request, serializer: type[StrictSerializer]) -> dict[str, Any]:
    """Return the body, checked."""
    return serializer(data=request.data).checked()
