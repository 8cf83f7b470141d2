"""Reads within one view see one moment, and hold up nobody who writes."""

import threading

import pytest
from django.db import connection, transaction

from jobs.models import Throttle
from matchmaker.core.one_view import one_view
from tests.factories import UserFactory


def write_elsewhere() -> None:
    """Commit a row through a connection of its own, as another process would."""

    def write() -> None:
        try:
            Throttle.objects.create(key="k", window_at="2026-01-01T00:00Z")
        finally:
            connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def sees_moments() -> bool:
    """Whether this database can show a moment: SQLite needs WAL for it."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            return True
        cursor.execute("PRAGMA journal_mode")
        return cursor.fetchone()[0] == "wal"


@pytest.mark.serial
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_write_in_between_is_seen_only_afterwards() -> None:
    with one_view():
        assert Throttle.objects.count() == 0
        write_elsewhere()
        assert Throttle.objects.count() == (0 if sees_moments() else 1)
    assert Throttle.objects.count() == 1
    with transaction.atomic():
        Throttle.objects.all().delete()  # and writing goes on as before


@pytest.mark.django_db
def test_within_a_transaction_it_sees_what_that_has_written() -> None:
    user = UserFactory.create()
    with one_view():
        assert type(user).objects.filter(pk=user.pk).exists()


@pytest.mark.django_db
def test_an_error_within_leaves_the_outer_transaction_whole() -> None:
    user = UserFactory.create()
    with pytest.raises(ZeroDivisionError), one_view():
        raise ZeroDivisionError
    assert type(user).objects.filter(pk=user.pk).exists()
