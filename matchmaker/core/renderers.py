"""Writing JSON answers (layer: core)."""

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework.renderers import JSONRenderer as DRFRenderer


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
