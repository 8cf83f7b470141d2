"""Sending text messages through whichever gateway the settings name (layer: pure)."""

from typing import Protocol

from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

SHORT_NAMES = {"console": "accounts.sms.ConsoleSms", "memory": "accounts.sms.MemorySms"}


class SmsBackend(Protocol):
    """A gateway; `send` raises `matchmaker.core.errors.Unavailable` when the message was not taken."""

    def send(self, phone: str, text: str) -> None: ...


class ConsoleSms:
    """Prints messages; the embedded default also appends them to `var/sms.log`, where `up` can show them."""

    def send(self, phone: str, text: str) -> None:
        line = f"{timezone.now():%Y-%m-%dT%H:%M:%SZ} SMS {phone}: {text}"
        print(line, flush=True)
        if settings.EMBEDDED:
            with (settings.VAR_DIR / "sms.log").open("a", encoding="utf-8") as log:
                log.write(line + "\n")


class MemorySms:
    """Keeps messages in `outbox`, for tests."""

    outbox: list[tuple[str, str]] = []

    def send(self, phone: str, text: str) -> None:
        self.outbox.append((phone, text))


def send_sms(phone: str, text: str) -> None:
    """Send `text` to an E.164 phone by the backend in `SMS_BACKEND`."""
    path = SHORT_NAMES.get(settings.SMS_BACKEND, settings.SMS_BACKEND)
    backend: SmsBackend = import_string(path)()
    backend.send(phone, text)
