"""Refusals outside any view: problem+json below /api/, Django's pages elsewhere."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware
from django.utils.translation import gettext as _
from django.views import defaults

from matchmaker.core.exception_handler import PROBLEM_TYPE, problem
from matchmaker.core.renderers import JSONRenderer

PIECE = 64 * 1024
MOST_DISCARDED = 32 * 1024 * 1024


class _SameMethod(HttpResponsePermanentRedirect):
    status_code = 308


class SlashOfSameMethod(CommonMiddleware):
    """Sends `/stalls` on to `/stalls/` with method and body: after a 301 a POST would arrive as a GET."""

    response_redirect_class = _SameMethod


class WholeBody:
    """Reads what a view left of a body, so that its sender gets to the answer.

    A server that closes the connection over unread bytes resets it: the 401 or 413 would be lost. What comes
    without a length would be taken for an empty body, so it is refused; so is a length that is no number,
    over which some views would stumble.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or ""
        if ("Transfer-Encoding" in request.headers and not length) or not _is_length(length):
            message = _("Send the body in one piece, with Content-Length.")
            status, code = (400, "bad_length") if length else (411, "length_required")
            response = _plain(status, code, message, {"Content-Length": [message]})
            if request.META.get("wsgi.input_terminated"):
                _discard(request.META["wsgi.input"].read)
            return response
        response = self.get_response(request)
        _discard(request.read)
        return response


class KeptFromCaches:
    """Marks every answer of the API that does not say otherwise as nobody else's.

    Who asks stands in a header of our own, which a cache on the way does not know to tell apart.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if _is_of_api(request):
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response


def _is_length(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit())


def _discard(read: Callable[[int], bytes]) -> None:
    left = MOST_DISCARDED
    try:
        while left > 0 and (part := read(PIECE)):
            left -= len(part)
    except OSError:  # the sender is gone
        return


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 for a request that reached no view: a wrong Host, too many headers."""
    if not _is_of_api(request):
        return defaults.bad_request(request, exception)
    return _plain(400, "bad_request", _("The request itself is malformed, or its Host is not ours."))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404 for an address that leads nowhere."""
    if not _is_of_api(request):
        return defaults.page_not_found(request, exception)
    return _plain(404, "no_such_address", _("There is no such address; see /api/v1/docs/."))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500; the stack is in the log."""
    if not _is_of_api(request):
        return defaults.server_error(request)
    return _plain(500, "server_error", _("This is our mistake. It has been written down."))


def _is_of_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _plain(status: int, code: str, detail: str, fields: dict[str, list[str]] | None = None) -> HttpResponse:
    answer = problem(status, code, detail, fields)
    return HttpResponse(JSONRenderer().render(answer.data), status=status, content_type=PROBLEM_TYPE)
