"""Signed ids of suggestions: each names (side, subject, partner) and outlives its list (layer: pure)."""

import base64
import binascii
import uuid
from dataclasses import dataclass

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from matching.choices import Side
from matchmaker.core.errors import NotFound

_SALT = "matching.suggestion"
_SIDES = {Side.STALL: b"s", Side.ANCHOR: b"a"}
_SIDE_OF = {mark: side for side, mark in _SIDES.items()}
_BODY = 33
# 120 bits of HMAC: 48 bytes in all, which base64 writes as 64 characters without padding.
_MAC = 15


@dataclass(frozen=True)
class SuggestionRef:
    """Whose suggestion it is (`side`, `subject_id`) and whom it suggests; public ids both."""

    side: Side
    subject_id: uuid.UUID
    partner_id: uuid.UUID

    @property
    def stall_id(self) -> uuid.UUID:
        """Public id of the stall of the pair."""
        return self.subject_id if self.side == Side.STALL else self.partner_id

    @property
    def anchor_id(self) -> uuid.UUID:
        """Public id of the anchor of the pair."""
        return self.partner_id if self.side == Side.STALL else self.subject_id


def make_suggestion_id(side: str, subject_id: uuid.UUID, partner_id: uuid.UUID) -> str:
    """Return the id under which `partner_id` is suggested to `subject_id`: 64 URL-safe characters."""
    body = _SIDES[Side(side)] + subject_id.bytes + partner_id.bytes
    return base64.urlsafe_b64encode(body + _mac(body, settings.SECRET_KEY)).decode()


def read_suggestion_id(text: str) -> SuggestionRef:
    """Return what a suggestion id names; NotFound when this deployment did not sign it."""
    try:
        raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise NotFound(code="no_such_suggestion") from error
    body, mac = raw[:_BODY], raw[_BODY:]
    if len(mac) != _MAC or not _is_signed(body, mac):
        raise NotFound(code="no_such_suggestion")
    return SuggestionRef(_SIDE_OF[body[:1]], uuid.UUID(bytes=body[1:17]), uuid.UUID(bytes=body[17:]))


def _is_signed(body: bytes, mac: bytes) -> bool:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(constant_time_compare(mac, _mac(body, key)) for key in keys)


def _mac(body: bytes, key: str) -> bytes:
    return salted_hmac(_SALT, body, secret=key, algorithm="sha256").digest()[:_MAC]
