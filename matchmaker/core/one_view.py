"""Many queries that see the database as it was at one moment (layer: core)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def one_view() -> Iterator[None]:
    """Let all reads within see one state of the database, without holding up those who write.

    Inside a transaction they see what that sees. SQLite without WAL cannot do both: there every statement
    sees its own moment, and who compares several must look again before trusting a difference.
    """
    if connection.in_atomic_block:
        with transaction.atomic():
            yield
    elif connection.vendor == "postgresql":
        with transaction.atomic():
            _say("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    elif _say("PRAGMA journal_mode") == "wal":
        with _deferred(), transaction.atomic():
            yield
    else:
        yield


@contextmanager
def _deferred() -> Iterator[None]:
    """Begin without the write lock that every other transaction of this project takes at once."""
    wrapper: Any = connection
    usual, wrapper.transaction_mode = wrapper.transaction_mode, "DEFERRED"
    try:
        yield
    finally:
        wrapper.transaction_mode = usual


def _say(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone() if cursor.description else None
    return str(row[0]) if row else ""
