"""Conditional requests: the version of a row is its ETag (layer: core; RFC 9110 section 13)."""

from typing import Protocol

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.request import Request
from rest_framework.response import Response

from matchmaker.core.errors import DomainError


class HasVersion(Protocol):
    """Anything with a version number."""

    version: int


class PreconditionMissing(DomainError):
    """An edit without If-Match."""

    status = 428
    default_code = "if_match_required"
    default_detail = gettext_lazy("Send the ETag you edited from in the header If-Match.")


class PreconditionFailed(DomainError):
    """The row changed since the asker read it."""

    status = 412
    default_code = "changed_meanwhile"
    default_detail = gettext_lazy("Somebody changed this meanwhile. Read it again and repeat your change.")


def etag_of(instance: HasVersion) -> str:
    """Return the ETag of a row."""
    return f'"v{instance.version}"'


def check_if_match(request: Request, instance: HasVersion) -> int:
    """Return the version that the asker edits from; raise when it is missing or not the current one."""
    header = request.headers.get("If-Match", "").strip()
    if not header:
        raise PreconditionMissing(fields={"If-Match": [str(PreconditionMissing.default_detail)]})
    if header != "*" and etag_of(instance) not in [
        tag.strip().removeprefix("W/") for tag in header.split(",")
    ]:
        message = _("The current version is %(etag)s.") % {"etag": etag_of(instance)}
        raise PreconditionFailed(message, fields={"If-Match": [message]})
    return instance.version


def with_etag(response: Response, instance: HasVersion) -> Response:
    """Return `response` with the ETag of `instance`."""
    response["ETag"] = etag_of(instance)
    return response
