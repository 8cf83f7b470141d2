"""How allauth's sessions are known outside: by device tokens, stored as digests (layer: faces)."""

from allauth.headless.internal import sessionkit
from allauth.headless.tokens.strategies.base import AbstractTokenStrategy
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.errors import NotSignedIn
from accounts.limits import SECOND_FACTOR, check_limits
from accounts.models import User
from accounts.services import access
from accounts.services.second_factor import needs_second_factor, prove_second_factor

TOKEN_HEADER = "X-Session-Token"  # noqa: S105 (a header's name)
DEVICE_HEADER = "X-Device"
CODE_HEADER = "X-One-Time-Code"
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
        session_key = str(request.session.session_key)
        old_token = given[1] if given else self.get_session_token(request) or ""
        is_new = not access.fits_session(old_token, user=user, session_key=session_key)
        token = access.open_device(
            user=user,
            session_key=session_key,
            device_name=device_name(request),
            old_token=old_token,
            has_second_factor=is_new and user is not None and _proves_second_factor(request, user),
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


def _proves_second_factor(request: HttpRequest, user: User) -> bool:
    """Whether the sign-in came with a code of the user's authenticator; it has to for staff."""
    if not needs_second_factor(user):
        return False
    code = request.headers.get(CODE_HEADER, "")
    if not code:
        message = _("Send the code of your authenticator in the header X-One-Time-Code.")
        raise NotSignedIn(message, code="second_factor_required")
    check_limits(SECOND_FACTOR, request, phone=user.phone)
    prove_second_factor(actor=user, code=code)
    return True


def device_name(request: HttpRequest) -> str:
    """Return what the device calls itself, else its browser."""
    raw = request.headers.get(DEVICE_HEADER) or request.headers.get("User-Agent") or ""
    try:
        raw = raw.encode("latin-1").decode("utf-8")  # WSGI hands header bytes over as latin-1
    except UnicodeError:
        pass
    return "".join(char for char in raw if char.isprintable())[:_NAME_LENGTH].strip()
