"""Every refusal as RFC 9457 problem+json: one handler, one shape (layer: core)."""

import logging
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

from matchmaker.core.errors import DomainError, NotAllowed, NotFound, Unavailable
from matchmaker.core.renderers import answer_in_json

logger = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"
_CODES = {400: "invalid_input", 401: "not_authenticated", 403: "not_allowed", 404: "not_found"} | {
    405: "method_not_allowed", 406: "not_acceptable", 415: "unsupported_media_type", 429: "too_many_requests",
}  # fmt: skip


def problem(
    status: int,
    code: str,
    detail: str,
    fields: Mapping[str, Any] | None = None,
    *,
    title: str = "",
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Response:
    """Return a problem+json answer; `extra` members stand beside the standard ones."""
    body: dict[str, Any] = {
        "type": f"urn:matchmaker:problem:{code}",
        "title": title or code.replace("_", " "),
        "status": status,
        "code": code,
        "detail": str(detail),
        "fields": _strings(fields or {}),
    }
    body |= dict(extra or {})
    response = Response(body, status=status, headers=dict(headers or {}), content_type=PROBLEM_TYPE)
    return response


def problem_response(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Translate what a view raised; None lets Django answer 500 and log the stack."""
    known = _as_known(error)
    if known is None:
        return None
    if context.get("request") is not None:
        answer_in_json(context["request"])
    if isinstance(known, DomainError):
        headers = ({"Retry-After": "5"} if known.status == 503 else {}) | known.headers
        return problem(
            known.status, known.code, known.detail, known.fields, headers=headers, extra=known.extra
        )
    return _api_problem(known, context.get("view"))


def _as_known(error: Exception) -> DomainError | exceptions.APIException | None:
    if isinstance(error, DomainError | exceptions.APIException):
        return error
    if isinstance(error, Http404):
        return NotFound()
    if isinstance(error, PermissionDenied):
        return NotAllowed()
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("the database does not answer", exc_info=error)
        return Unavailable(code="database_unavailable")
    return None


def _api_problem(error: exceptions.APIException, view: Any) -> Response:
    code = _CODES.get(error.status_code, "error")
    challenge = getattr(error, "auth_header", None)
    headers = {"WWW-Authenticate": challenge} if challenge else {}
    if isinstance(error, exceptions.ValidationError):
        return problem(400, "invalid_input", _("Some of the values cannot be accepted."), _flat(error.detail))
    fields: dict[str, list[str]] = {}
    if isinstance(error, exceptions.UnsupportedMediaType):
        fields = {"Content-Type": [_("Send %(types)s.") % {"types": _types(view, "parser_classes")}]}
    elif isinstance(error, exceptions.NotAcceptable):
        fields = {"Accept": [_("There is %(types)s.") % {"types": _types(view, "renderer_classes")}]}
    return problem(error.status_code, code, str(error.detail), fields, headers=headers)


def _types(view: Any, name: str) -> str:
    return ", ".join(str(kind.media_type) for kind in getattr(view, name, ()))


def _flat(detail: Any, path: str = "") -> dict[str, list[str]]:
    """Return nested DRF messages as `{"terms.sessions.0.starts_at": [...]}`."""
    if isinstance(detail, Mapping):
        pairs = [(_joined(path, str(key)), value) for key, value in detail.items()]
    elif isinstance(detail, list) and any(isinstance(item, Mapping | list) for item in detail):
        pairs = [
            (f"{path}.{number}" if path else str(number), item) for number, item in enumerate(detail) if item
        ]
    else:
        return {path or "body": [str(item) for item in (detail if isinstance(detail, list) else [detail])]}
    flat: dict[str, list[str]] = {}
    for key, value in pairs:
        flat |= _flat(value, key)
    return flat


def _joined(path: str, key: str) -> str:
    """Return the path of a field; what is wrong with a whole list or object stands at its own path."""
    if key == api_settings.NON_FIELD_ERRORS_KEY:
        return path or "body"
    return f"{path}.{key}" if path else key


def _strings(fields: Mapping[str, Any]) -> dict[str, list[str]]:
    return {str(name): [str(message) for message in messages] for name, messages in fields.items()}
