"""Reading and emptying rows by the table (layer: selectors)."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Q

from accounts.privacy.classes import ERASED, Field, Table
from accounts.privacy.tables import TABLES

# Nobody was born then, and no piece costs it: what a column that may not be empty holds of an erased person.
NOBODYS_BIRTHDAY = date(1900, 1, 1)
_OTHERWISE: dict[str, Any] = {"price_min_cents": 1, "price_max_cents": 1, "birth_date": NOBODYS_BIRTHDAY}
_OTHERWISE["password"] = "!"  # noqa: S105 (no password at all)
Owners = Mapping[str, Collection[int]]  # kind -> keys


def columns_of(label: str, classes: Collection[Field]) -> list[Any]:
    """Return the columns of a model that are of these classes."""
    table = TABLES[label]
    model = apps.get_model(label)
    return [field for field in model._meta.concrete_fields if table.class_of(field.name) in classes]


def erased_value(field: Any) -> Any:
    """Return what `field` holds of an erased person: the emptiest value that it may."""
    if field.name in _OTHERWISE:
        return _OTHERWISE[field.name]
    if field.null:
        return None
    if field.has_default():
        return field.get_default()
    return "" if isinstance(field, models.CharField | models.TextField) else 0


def erased_values(label: str) -> dict[str, Any]:
    """Return the columns of a model that an erasure empties, each with its empty value."""
    return {field.name: erased_value(field) for field in columns_of(label, ERASED)}


def rows_of(label: str, owners: Owners, *, own_doing: bool = False) -> models.QuerySet[Any]:
    """Return the rows of a model that are of these owners; none where the table knows no way to them.

    With `own_doing` those are left out that only tell what the other side did.
    """
    wanted = Q(pk__in=[])
    table: Table = TABLES[label]
    column = table.side or (table.said_by if own_doing else "")
    for kind, lookup in table.of.items():
        keys = owners.get(kind)
        if keys:
            # A merchant speaks for the side of its stalls.
            side = {column: "stall" if kind == "merchant" else kind} if column else {}
            wanted |= Q(**{f"{lookup}__in": list(keys)}, **side)
    return apps.get_model(label)._default_manager.filter(wanted)
