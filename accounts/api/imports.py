"""Endpoints that take whole files (layer: faces)."""

from collections.abc import Mapping, Sequence
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.acting import acting_merchant, asker
from accounts.api.base import PartyView
from accounts.api.serializers import ImportSerializer
from accounts.permissions import HasScope, MayImportAnchors
from accounts.services.imports import import_anchors, import_stalls
from jobs.idempotency import Idempotent
from matchmaker.core.errors import InvalidInput
from matchmaker.core.parsers import BodyTooLarge, Counted, FileParser, announced, read_limited, refuse_cut_off

# What a multipart body holds besides its file.
FRAMING_BYTES = 64 * 1024
QUERY_NAMES = ("dry_run", "legal_basis")


class CSVParser(FileParser):
    """A CSV file; its encoding is found out by the service."""

    media_type = "text/csv"
    most_bytes = settings.IMPORT_MAX_BYTES


class UploadParser(MultiPartParser):
    """A file in a form; a body that is too large is refused before it is read."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        limit, expected = settings.IMPORT_MAX_BYTES, announced(parser_context)
        if expected > limit + FRAMING_BYTES:
            raise BodyTooLarge(limit)
        counted = Counted(stream)
        try:
            form = super().parse(counted, media_type, parser_context)  # type: ignore[arg-type]  # it is only read
        except (ParseError, SuspiciousOperation) as error:
            raise _one_file(["file"]) from error
        refuse_cut_off(counted.count, expected)
        return form


DRY_RUN = OpenApiParameter(
    "dry_run",
    OpenApiTypes.BOOL,
    description="1: report what would happen, rows with mistakes included; store nothing.",
)
_BASIS = OpenApiParameter(
    "legal_basis",
    OpenApiTypes.STR,
    description="Why these people may be shown without having signed up; a column of the same name wins.",
)
CSV_BODY = {
    "text/csv": {"type": "string", "format": "binary"},
    "multipart/form-data": {
        "type": "object",
        "properties": {"file": {"type": "string", "format": "binary"}},
        "required": ["file"],
        "additionalProperties": False,
    },
}


class ImportView(Idempotent, PartyView):
    """One CSV file: UTF-8 or GB18030, Chinese or English headers, all rows or none."""

    parser_classes = [CSVParser, UploadParser]


@extend_schema(tags=["stalls"], request=CSV_BODY, responses=ImportSerializer, parameters=[DRY_RUN])
class StallImport(ImportView):
    """Importing a merchant's stalls."""

    def post(self, request: Request) -> Response:
        """Register and change many stalls by a CSV file; a row at a place of yours changes that stall."""
        merchant = acting_merchant(request)
        report = import_stalls(
            actor=asker(request), merchant=merchant, content=file_of(request), is_dry_run=is_dry_run(request)
        )
        return Response(report)


@extend_schema(tags=["anchors"], request=CSV_BODY, responses=ImportSerializer, parameters=[DRY_RUN, _BASIS])
class AnchorImport(ImportView):
    """Importing anchors that have no account yet."""

    permission_classes = [IsAuthenticated, HasScope, MayImportAnchors]

    def post(self, request: Request) -> Response:
        """Add and change unclaimed anchors by a CSV file; for staff."""
        report = import_anchors(
            actor=asker(request),
            content=file_of(request),
            legal_basis=request.query_params.get("legal_basis", ""),
            is_dry_run=is_dry_run(request),
        )
        return Response(report)


def file_of(request: Request) -> bytes:
    """Return the bytes that were sent, as the body or as the one file of a form."""
    if isinstance(request.data, bytes):
        return request.data
    names = sorted(request.data)
    uploads = request.FILES.getlist("file")
    if names != ["file"] or len(uploads) != 1:
        raise _one_file(names or ["file"])
    return read_limited(uploads[0], settings.IMPORT_MAX_BYTES)


def _one_file(names: Sequence[str]) -> InvalidInput:
    message = _("Send one file, in the form field “file” or as the body with Content-Type text/csv.")
    return InvalidInput(fields={name: [message] for name in names[:20]}, code="file_missing")


def is_dry_run(request: Request) -> bool:
    """Return what ?dry_run= says; another word or spelling, or two of them, are refused, lest it stores."""
    unknown = sorted(set(request.query_params) - set(QUERY_NAMES))
    if unknown:
        message = _("There is no such parameter; there are %(names)s.") % {"names": ", ".join(QUERY_NAMES)}
        raise InvalidInput(fields={name: [message] for name in unknown[:20]})
    words = {"": False, "0": False, "false": False, "1": True, "true": True}
    given = ",".join(request.query_params.getlist("dry_run")).lower()
    if given not in words:
        raise InvalidInput(fields={"dry_run": [_("Give 1 or 0.")]})
    return words[given]
