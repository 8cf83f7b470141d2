"""Writing answers: JSON, but for files (layer: core)."""

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer as DRFRenderer
from rest_framework.request import Request


def _plain(value: Any) -> Any:
    """Return lazy translations, decimals and other strangers as what a reader of JSON expects."""
    return str(value)


RENDERING = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


class JSONRenderer(DRFRenderer):
    """JSON by orjson; decimals are strings, so that no share loses a digit."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        return orjson.dumps(data, default=_plain, option=RENDERING)


def answer_in_json(request: Request) -> None:
    """Let the answer be JSON where the view would write something else: a page, a file."""
    if not isinstance(getattr(request, "accepted_renderer", None), JSONRenderer):
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type


class OneKind(DefaultContentNegotiation):
    """The answer is what it is, whatever the asker accepts: a link in a browser and curl both get a file.

    For views that write the bytes of a file themselves; all else that they say is JSON.
    """

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type
