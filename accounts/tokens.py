"""How allauth's sessions are known outside: by device tokens, stored as digests (layer: faces)."""

from allauth.headless.internal import sessionkit
from allauth.headless.tokens.strategies.base import AbstractTokenStrategy
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from accounts.models import User
from accounts.services import access

TOKEN_HEADER = "X-Session-Token"  # noqa: S105 (a header's name)
DEVICE_HEADER = "X-Device"
_NAME_LENGTH = 120


class DeviceTokenStrategy(AbstractTokenStrategy):
    """Ties a random token to a session; allauth's own strategy gives the session key itself away."""

    def create_session_token(self, request: HttpRequest) -> str:
        if not request.session.session_key:
            request.session.save()
        user = request.user if request.user.is_authenticated else None
        state = (request.session.session_key, user.pk if user else None)
        # allauth asks again for every answer it builds; a second token would end the first.
        given = getattr(request, "_device_token", None)
        if given and given[0] == state:
            return str(given[1])
        token = access.open_device(
            user=user,
            session_key=str(request.session.session_key),
            device_name=device_name(request),
            old_token=given[1] if given else self.get_session_token(request) or "",
        )
        self._set_session_life(request, user)
        request._device_token = (state, token)  # type: ignore[attr-defined]
        return token

    def lookup_session(self, session_token: str) -> SessionBase | None:
        device = access.live_device(session_token)
        return sessionkit.lookup_session(device.session_key) if device else None

    @staticmethod
    def _set_session_life(request: HttpRequest, user: User | None) -> None:
        """Let the session live as long as its token; the setting for cookies is that of the admin."""
        device_life = access.device_life() if user else access.SIGN_IN_LIFE
        request.session.set_expiry(int(device_life.total_seconds()))


def device_name(request: HttpRequest) -> str:
    """Return what the device calls itself, else its browser."""
    raw = request.headers.get(DEVICE_HEADER) or request.headers.get("User-Agent") or ""
    try:
        raw = raw.encode("latin-1").decode("utf-8")  # WSGI hands header bytes over as latin-1
    except UnicodeError:
        pass
    return "".join(char for char in raw if char.isprintable())[:_NAME_LENGTH].strip()
