"""Codes that count once: those of an authenticator (RFC 6238) and those for its loss (layer: pure)."""

import base64
import secrets
import unicodedata
from datetime import datetime

import pyotp
from django.utils.crypto import constant_time_compare

STEP_SECONDS = 30
DIGITS = 6
# A phone's clock may be a step off, and typing takes time.
STEPS_AROUND = (0, -1, 1)
RECOVERY_CODES = 10
_RECOVERY_BYTES = 10


def new_secret() -> str:
    """Return 160 random bits, as authenticators take them."""
    return pyotp.random_base32()


def address_of_secret(secret: str, *, name: str, issuer: str) -> str:
    """Return the `otpauth://` address that an authenticator reads from a picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def step_of(secret: str, typed: str, at: datetime) -> int | None:
    """Return the time step whose code was typed, if it is one around `at`."""
    code, now = _bare(typed), int(at.timestamp()) // STEP_SECONDS
    for step in (now + around for around in STEPS_AROUND):
        if constant_time_compare(pyotp.TOTP(secret).generate_otp(step), code):
            return step
    return None


def new_recovery_codes() -> list[str]:
    """Return codes of 80 random bits in groups of four."""
    return [_grouped(secrets.token_bytes(_RECOVERY_BYTES)) for _number in range(RECOVERY_CODES)]


def normal_recovery_code(typed: str) -> str:
    """Return what is digested of a recovery code, however it was typed."""
    return _bare(typed).upper()


def _grouped(raw: bytes) -> str:
    text = base64.b32encode(raw).decode()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _bare(typed: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKC", typed) if char.isalnum())
