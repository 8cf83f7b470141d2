"""The one clock of the town: that of the database (layer: core).

Web processes and workers run on several machines, and a clock that is an hour wrong must not let a proposal
expire early or an acceptance come late. What decides a deadline asks here; what only dates a row need not.
"""

from datetime import UTC, date, datetime
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from matchmaker.core.weeks import TOWN_ZONE


def now() -> datetime:
    """Return the present moment by the database's clock; one query."""
    return _read()


def today() -> date:
    """Return the date of the town by the database's clock; one query."""
    return now().astimezone(TOWN_ZONE).date()


def sql_now() -> Any:
    """Return the same as an expression for a filter or an update; no query of its own."""
    return Now()


def _read() -> datetime:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            # CURRENT_TIMESTAMP would have whole seconds.
            cursor.execute("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")
            return datetime.fromisoformat(cursor.fetchone()[0]).replace(tzinfo=UTC)
        # Not now(): that is when the transaction began, which may have waited for a lock since.
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
        return moment.astimezone(UTC)
