"""Secrets that are shown once and kept as digests only (layer: pure)."""

import hashlib
import secrets

API_TOKEN_PREFIX = "mmk_"  # noqa: S105 (what every machine token begins with; scanners find leaks by it)
_BYTES = 32


def new_device_token() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(_BYTES)


def new_api_token() -> str:
    """Return a machine token: the prefix and 256 random bits."""
    return API_TOKEN_PREFIX + secrets.token_urlsafe(_BYTES)


def digest_of(token: str) -> str:
    """Return what is stored of a token. The token is random, so a fast hash without salt is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
