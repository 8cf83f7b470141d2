"""What every answer tells a browser beside django-csp's policy, and how long a browser stays signed in."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest, HttpResponse

# A page of ours uses none of these, so nothing that got into one may.
_PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "microphone", "geolocation", "display-capture", "payment", "serial", "usb")
)


class ClosedDoors:
    """Takes the browser's powers from every page, and keeps other sites from embedding what we answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", _PERMISSIONS)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response


class SessionLimits:
    """Signs a browser out that did nothing for long, or was signed in too long ago whatever it did since.

    Django's own limit starts anew with every change of a session, so it is neither of the two.
    """

    BEGUN, SEEN = "begun_at", "seen_at"
    NOTED_EVERY_SECONDS = 60

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Devices send a token and no cookie; looking at the session would make their answers vary by it.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and SESSION_KEY in request.session:
            self._hold(request, int(time.time()))
        return self.get_response(request)

    def _hold(self, request: HttpRequest, now: int) -> None:
        session = request.session
        begun, seen = session.setdefault(self.BEGUN, now), session.setdefault(self.SEEN, now)
        if now - begun >= settings.SESSION_COOKIE_AGE or now - seen >= settings.STAFF_IDLE_SECONDS:
            logout(request)
        elif now - seen >= self.NOTED_EVERY_SECONDS:
            session[self.SEEN] = now
