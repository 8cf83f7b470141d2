"""Reading request bodies strictly: what JSON libraries let through silently is refused here (layer: core)."""

import json
from collections.abc import Mapping
from math import isfinite
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.parsers import BaseParser

from matchmaker.core.errors import DomainError, InvalidInput


class BodyTooLarge(DomainError):
    """The body is larger than this endpoint reads."""

    status = 413
    default_code = "body_too_large"


def read_limited(stream: IO[bytes], limit: int) -> bytes:
    """Return the whole body, or raise BodyTooLarge without reading more than `limit` + 1 bytes."""
    body = stream.read(limit + 1)
    if len(body) > limit:
        raise BodyTooLarge(_("The body may have at most %(limit)s KB.") % {"limit": limit // 1024})
    return body


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise InvalidInput(code="duplicate_key", fields={key: [_("This key is given twice.")]})
        seen[key] = value
    return seen


def refuse_bad_values(value: Any, path: str = "") -> None:
    """Raise InvalidInput naming the field of a NUL, a lone surrogate, a NaN or an infinity in `value`.

    PostgreSQL refuses NUL and UTF-8 refuses surrogates; both would end as a 500 further in.
    Python's reader of JSON lets NaN through, and 1e999 as infinity.
    """
    if isinstance(value, float) and not isfinite(value):
        message = _("Give a finite number; NaN and infinity are none.")
        raise InvalidInput(code="not_a_number", fields={path or "body": [message]})
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
            message = _("This text holds a character that cannot be stored (NUL or half of a pair).")
            raise InvalidInput(code="bad_text", fields={path or "body": [message]})
    elif isinstance(value, dict):
        for key, item in value.items():
            refuse_bad_values(key, path or "body")
            refuse_bad_values(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            refuse_bad_values(item, f"{path}.{number}" if path else str(number))


class StrictJSONParser(BaseParser):
    """JSON of bounded size without NaN, duplicate keys, NUL or lone surrogates."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = read_limited(stream, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        try:
            value = json.loads(body.decode("utf-8"), object_pairs_hook=_unique_pairs)
            refuse_bad_values(value)
        except (UnicodeDecodeError, ValueError, RecursionError) as error:
            raise InvalidInput(_("The body is not valid JSON."), code="invalid_json") from error
        return value
