"""Cursor pages for every list of the API (layer: core)."""

from rest_framework.pagination import CursorPagination


class CursorPages(CursorPagination):
    """Newest first, 20 a page, at most 100; a page stays put while rows are added."""

    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100
    ordering = "-id"
