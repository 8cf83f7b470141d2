"""Short texts that a client carries for us without reading or changing them (layer: core)."""

import base64
import binascii

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

_MARK = 16
_BLOCK = 32


def seal(text: str, *, purpose: str) -> str:
    """Return `text` encrypted and signed, URL-safe; the same text and purpose give the same seal.

    The mark is a keyed hash of the text and also seeds its key stream (a synthetic nonce), so that no two
    texts share a stream.
    """
    plain, key = text.encode(), settings.SECRET_KEY
    mark = _mark(plain, purpose, key)
    return base64.urlsafe_b64encode(mark + _crossed(plain, mark, purpose, key)).decode().rstrip("=")


def unseal(token: str, *, purpose: str) -> str:
    """Return the text of a seal made for `purpose`, under a former key too; ValueError for anything else."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("no seal") from error
    mark = raw[:_MARK]
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        plain = _crossed(raw[_MARK:], mark, purpose, key)
        if constant_time_compare(mark, _mark(plain, purpose, key)):
            return plain.decode()
    raise ValueError("not sealed by us")


def _mark(plain: bytes, purpose: str, key: str) -> bytes:
    return salted_hmac(f"sealing.mark:{purpose}", plain, key, algorithm="sha256").digest()[:_MARK]


def _crossed(text: bytes, mark: bytes, purpose: str, key: str) -> bytes:
    stream = b"".join(
        salted_hmac(f"sealing.stream:{purpose}", mark + number.to_bytes(4), key, algorithm="sha256").digest()
        for number in range(len(text) // _BLOCK + 1)
    )
    return bytes(one ^ other for one, other in zip(text, stream, strict=False))
