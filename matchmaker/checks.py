"""System checks of the deployment, each with an id."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

from matchmaker import sqlite


@register()
def check_sqlite_library(**_options: Any) -> list[CheckMessage]:
    """Say so when the WAL journal cannot be used with the SQLite library at hand."""
    if not settings.EMBEDDED or sqlite.is_wal_safe(sqlite.library_version()):
        return []
    version = ".".join(map(str, sqlite.library_version()))
    return [
        Warning(
            f"SQLite {version} has the WAL-reset bug: the slower TRUNCATE journal is used.",
            hint="Install pysqlite3, or use SQLite 3.51.3 or later, or PostgreSQL.",
            id="matchmaker.W001",
        )
    ]


@register(deploy=True)
def check_sms_gateway(**_options: Any) -> list[CheckMessage]:
    """Say so when the codes of sign-ups would go to the log instead of to phones."""
    if settings.EMBEDDED or settings.SMS_BACKEND not in {"console", "memory"}:
        return []
    return [
        Warning(
            f"Text messages go to the {settings.SMS_BACKEND}, not to phones: nobody can sign up.",
            hint="Name your gateway's class in MATCHMAKER_SMS_BACKEND (docs/api-auth.md).",
            id="matchmaker.W002",
        )
    ]


@register(deploy=True)
def check_hosts(**_options: Any) -> list[CheckMessage]:
    """Say so when any Host header is believed: a link made from it leads wherever its sender likes."""
    if not any(host.startswith(("*", ".")) for host in settings.ALLOWED_HOSTS):
        return []
    return [
        Warning(
            "MATCHMAKER_ALLOWED_HOSTS believes names that you did not list.",
            hint="List the host names of this town's address one by one.",
            id="matchmaker.W003",
        )
    ]


@register(deploy=True)
def check_second_factor(**_options: Any) -> list[CheckMessage]:
    """Say so when a stolen password is enough to act for the town."""
    if settings.EMBEDDED or settings.STAFF_TOTP:
        return []
    return [
        Warning(
            "Staff sign in by password alone.",
            hint="Leave MATCHMAKER_STAFF_TOTP at its default (docs/staff-sign-in.md).",
            id="matchmaker.W004",
        )
    ]
