"""Cursor pages for every list of the API (layer: core)."""

import json
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from matchmaker.core.errors import InvalidInput
from matchmaker.core.sealing import seal, unseal


class CursorPages(CursorPagination):
    """Newest first, 20 a page, at most 100; a page stays put while rows are added.

    A cursor holds the key of a row, which may not leave the system: it is sealed, and bound to its list.
    A view whose list takes more parameters than these names them in `query_names`.
    """

    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100
    ordering = "-id"
    request: Request

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        known = {"cursor", "page_size", "format", *getattr(view, "query_names", ())}
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            raise InvalidInput(fields={name: [_("There is no such parameter.")] for name in unknown[:20]})
        return super().paginate_queryset(queryset, request, view)

    def get_page_size(self, request: Request) -> int:
        given = request.query_params.get("page_size", str(self.page_size))
        if not (given.isascii() and given.isdigit() and len(given) < 4 and 0 < int(given) <= 100):
            message = _("Give a whole number from 1 to %(most)s.") % {"most": self.max_page_size}
            raise InvalidInput(fields={"page_size": [message]})
        return int(given)

    def decode_cursor(self, request: Request) -> Cursor | None:
        token = request.query_params.get("cursor", "")
        if not token:
            return None
        try:
            offset, is_reverse, position = json.loads(unseal(token, purpose=request.path))
        except ValueError as error:
            message = _("Use the `next` address of the answer as it is, with the same filters.")
            raise InvalidInput(code="bad_cursor", fields={"cursor": [message]}) from error
        return Cursor(offset, is_reverse, position)

    def encode_cursor(self, cursor: Cursor) -> str:
        place = json.dumps([cursor.offset, cursor.reverse, cursor.position])
        token = seal(place, purpose=self.request.path)
        return str(replace_query_param(self.base_url or "", "cursor", token))
