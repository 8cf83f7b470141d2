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

    def __init__(self, limit: int) -> None:
        message = _("The body may have at most %(limit)s KB.") % {"limit": limit // 1024}
        super().__init__(message, fields={"body": [message]})


def read_limited(stream: IO[bytes], limit: int) -> bytes:
    """Return the whole body, or raise BodyTooLarge without reading more than `limit` + 1 bytes."""
    body = stream.read(limit + 1)
    if len(body) > limit:
        raise BodyTooLarge(limit)
    return body


def announced(parser_context: Mapping[str, Any] | None) -> int:
    """Return how many bytes the sender said that there are."""
    return int((parser_context or {})["request"].META.get("CONTENT_LENGTH") or 0)


def refuse_cut_off(arrived: int, expected: int) -> None:
    """Raise InvalidInput when a body broke off: half of a file would be taken for all of it."""
    if arrived < expected:
        message = _("The body broke off on its way; send it again.")
        raise InvalidInput(code="body_cut_off", fields={"body": [message]})


def read_whole(stream: IO[bytes], limit: int, parser_context: Mapping[str, Any] | None) -> bytes:
    """Return the body if all of it came; raise BodyTooLarge or InvalidInput (body_cut_off)."""
    expected = announced(parser_context)
    if expected > limit:
        raise BodyTooLarge(limit)
    body = read_limited(stream, limit)
    refuse_cut_off(len(body), expected)
    return body


class Counted:
    """A stream that tells how much was read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        part = self._stream.read(size)
        self.count += len(part)
        return part


class FileParser(BaseParser):
    """The body is one file of at most `most_bytes`; what it is, its own bytes tell whoever reads it."""

    most_bytes: int

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return read_whole(stream, self.most_bytes, parser_context)


# More than any body of the API has; what is unknown is compared with what is known, key by key.
MOST_KEYS = 200
MOST_LEVELS = 20


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MOST_KEYS:
        message = _("An object may have at most %(most)s keys.") % {"most": MOST_KEYS}
        raise InvalidInput(code="too_many_keys", fields={"body": [message]})
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            # Half of a surrogate pair could not be written into the answer.
            name = key.encode("utf-8", "replace").decode()
            raise InvalidInput(code="duplicate_key", fields={name: [_("This key is given twice.")]})
        seen[key] = value
    return seen


def refuse_bad_values(value: Any, path: str = "", level: int = 0) -> None:
    """Raise InvalidInput naming the field of a NUL, a lone surrogate, a NaN or an infinity in `value`.

    PostgreSQL refuses NUL and UTF-8 refuses surrogates; both would end as a 500 further in.
    Python's reader of JSON lets NaN through, and 1e999 as infinity. What is nested deeper than any body of
    the API is refused here, before something that recurses meets it.
    """
    if isinstance(value, float) and not isfinite(value):
        message = _("Give a finite number; NaN and infinity are none.")
        raise InvalidInput(code="not_a_number", fields={path or "body": [message]})
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
            message = _("This text holds a character that cannot be stored (NUL or half of a pair).")
            raise InvalidInput(code="bad_text", fields={path or "body": [message]})
    elif isinstance(value, dict | list):
        if level == MOST_LEVELS:
            message = _("Nested more than %(most)s levels deep.") % {"most": MOST_LEVELS}
            raise InvalidInput(code="too_deep", fields={path.split(".")[0]: [message]})
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            refuse_bad_values(key, path, level)
            refuse_bad_values(item, f"{path}.{key}" if path else str(key), level + 1)


class StrictJSONParser(BaseParser):
    """JSON of bounded size without NaN, duplicate keys, NUL or lone surrogates."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = read_whole(stream, settings.DATA_UPLOAD_MAX_MEMORY_SIZE, parser_context)
        try:
            value = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_unique_pairs)
        except (ValueError, RecursionError) as error:
            raise _no_json(_where(error)) from error
        refuse_bad_values(value)
        return value


def _no_json(where: str) -> InvalidInput:
    return InvalidInput(_("The body is not valid JSON."), code="invalid_json", fields={"body": [where]})


def _where(error: Exception) -> str:
    """Return what is wrong with a body that is no JSON, and where."""
    if isinstance(error, json.JSONDecodeError):
        place = {"line": error.lineno, "column": error.colno}
        return _("JSON breaks off or goes wrong at line %(line)s, column %(column)s.") % place
    if isinstance(error, UnicodeDecodeError):
        return _("JSON is sent as UTF-8; byte %(byte)s is not.") % {"byte": error.start + 1}
    if isinstance(error, RecursionError):
        return _("Nested more than %(most)s levels deep.") % {"most": MOST_LEVELS}
    return _("A number in it has thousands of digits.")
