"""What migrations wrote is put back after tests that empty the tables: a statement a table, not one a row."""

from functools import lru_cache
from itertools import groupby
from typing import Any

from django.core import serializers
from django.core.serializers.base import DeserializedObject
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.creation import BaseDatabaseCreation
from django.db.models import Model
from django.db.models.constants import OnConflict


@lru_cache(maxsize=1)
def read_rows(data: str) -> list[DeserializedObject]:
    """Return the rows in their order; the same text is read once a process."""
    return list(serializers.deserialize("json", data))


def restore(self: BaseDatabaseCreation, data: str) -> None:
    """Insert the rows as they were, as Django's own does by saving each of them raw."""
    connection, rows = self.connection, read_rows(data)
    with transaction.atomic(using=connection.alias), connection.constraint_checks_disabled():
        for model, objects in groupby((row.object for row in rows), key=type):
            _insert(connection, model, list(objects))
        for row in rows:
            for name, related in (row.m2m_data or {}).items():
                getattr(row.object, name).set(related)
    connection.check_constraints(table_names={type(row.object)._meta.db_table for row in rows})


def _insert(connection: BaseDatabaseWrapper, model: type[Model], objects: list[Any]) -> None:
    """The first test finds the rows still there: as with Django's own, each is then as it was."""
    fields = model._meta.local_concrete_fields
    size = connection.ops.bulk_batch_size(fields, objects)
    options = {
        "raw": True,
        "using": connection.alias,
        "on_conflict": OnConflict.UPDATE,
        "unique_fields": [model._meta.pk],
        "update_fields": [field for field in fields if not field.primary_key],
    }
    for start in range(0, len(objects), size):
        model._base_manager._insert(objects[start : start + size], fields=fields, **options)


def restore_by_table() -> None:
    """Let every test database be restored so."""
    BaseDatabaseCreation.deserialize_db_from_string = restore
