"""Who may use a view at all; whose rows they see is decided by selectors (layer: faces)."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken
from accounts.services.imports import CHANGE_ANCHOR

if TYPE_CHECKING:  # the views module loads the default permissions, which are in here
    from rest_framework.views import APIView


class HasScope(BasePermission):
    """Machine tokens need the scope that the view names for the method in `required_scopes`.

    What a view does not name is closed to machines. Devices have all scopes.
    """

    message = _("This token lacks the scope for it.")

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.auth, ApiToken):
            return True
        method = "GET" if request.method in ("HEAD", "OPTIONS") else str(request.method)
        needed = getattr(view, "required_scopes", {}).get(method)
        return needed is not None and str(needed) in request.auth.scopes


class MayImportAnchors(BasePermission):
    """Staff of the town to whom anchors were entrusted: being staff alone opens nothing."""

    message = _("This is for staff of the town.")

    def has_permission(self, request: Request, view: "APIView") -> bool:
        user = request.user
        return bool(user and user.is_authenticated and user.is_staff and user.has_perm(CHANGE_ANCHOR))
