"""Ways round what the database itself refuses, undone by the rollback of the transaction that they are in."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.models import CheckConstraint, Model

from tests.matching.tampering import PlainEditor, allow_changes


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is done within is undone at its end, schema included."""
    try:
        with transaction.atomic():
            yield
            transaction.set_rollback(True)
    finally:
        if connection.vendor == "sqlite":
            say("PRAGMA ignore_check_constraints = 0")


def say(sql: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def names(sql: str) -> set[str]:
    return {name for (name,) in say(sql)}


def drop_triggers() -> None:
    """Let events and terms be changed."""
    if connection.vendor == "postgresql":
        settle()
    allow_changes(PlainEditor())


def drop_constraint(model: type[Model], name: str) -> None:
    """Let the rows of `model` violate its constraint or unique index of that name."""
    table = model._meta.db_table
    constraint = next(c for c in model._meta.constraints if c.name == name)
    if connection.vendor == "postgresql":
        settle()
        known = name in names("SELECT conname FROM pg_constraint")
        say(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"' if known else f'DROP INDEX "{name}"')
    elif name in names("SELECT name FROM sqlite_master WHERE type = 'index'"):
        say(f'DROP INDEX "{name}"')
    elif isinstance(constraint, CheckConstraint):
        say("PRAGMA ignore_check_constraints = 1")
    else:
        # Part of the table itself: make the table anew without any.
        say(f"CREATE TABLE spoiled AS SELECT * FROM {table}")  # noqa: S608
        say(f"DROP TABLE {table}")
        say(f"ALTER TABLE spoiled RENAME TO {table}")


def settle() -> None:
    """Check what PostgreSQL has put off: it alters no table that has checks to come."""
    say("SET CONSTRAINTS ALL IMMEDIATE")
    say("SET CONSTRAINTS ALL DEFERRED")
