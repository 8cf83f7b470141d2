"""Who asks: by device token or machine token, one query each (layer: faces)."""

from django.utils import translation
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.digests import API_TOKEN_PREFIX
from accounts.models import ApiToken, DeviceToken, User
from accounts.services import access
from accounts.tokens import TOKEN_HEADER


class TokenAuthentication(BaseAuthentication):
    """What both kinds of token share: `request.auth` is the token's row."""

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="matchmaker"'  # without it DRF answers 403 instead of 401

    def accept(
        self, request: Request, token: DeviceToken | ApiToken | None
    ) -> tuple[User, DeviceToken | ApiToken]:
        """Return user and token, or refuse with the same words whatever is wrong with the token."""
        if token is None or token.user is None:
            raise AuthenticationFailed(_("This token does not count any more. Please sign in again."))
        access.note_use(token)
        speak_language_of(request, token.user)
        return token.user, token


class DeviceTokenAuthentication(TokenAuthentication):
    """Header `X-Session-Token`: somebody signed in on a device, with all rights of the user."""

    def authenticate(self, request: Request) -> tuple[User, DeviceToken | ApiToken] | None:
        token = request.headers.get(TOKEN_HEADER)
        return self.accept(request, access.live_device(token)) if token else None


class ApiTokenAuthentication(TokenAuthentication):
    """Header `Authorization: Bearer mmk_…`: a machine, within the token's scopes."""

    def authenticate(self, request: Request) -> tuple[User, DeviceToken | ApiToken] | None:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        if not token.startswith(API_TOKEN_PREFIX):
            return self.accept(request, None)
        return self.accept(request, access.live_api_token(token))


def speak_language_of(request: Request, user: User) -> None:
    """Answer in the user's own language unless the request names one."""
    if user.language and not request.headers.get("Accept-Language"):
        translation.activate(user.language)
        request._request.LANGUAGE_CODE = user.language
