"""What every answer tells a browser beside the content security policy, which is django-csp's."""

from collections.abc import Callable

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
