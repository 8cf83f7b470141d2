"""Everything that is held of a person, table by table, for their own eyes (layer: selectors)."""

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from accounts.models import Membership, Reference, Stall, User
from accounts.privacy.classes import HIDDEN, Field
from accounts.privacy.tables import TABLES
from accounts.privacy.values import Owners, columns_of, rows_of
from matchmaker.core.text import quote_cell

# So much of a CSV export is held in memory; the rest waits in a file without a name.
IN_MEMORY = 4 * 1024 * 1024
_CHUNK = 500


def owners_for(user: User) -> Owners:
    """Return the user and the parties that they act for, as keys by kind of owner."""
    pairs = list(Membership.objects.filter(user=user).values_list("merchant_id", "anchor_id"))
    merchants = [merchant for merchant, _anchor in pairs if merchant]
    return {
        "user": [user.pk],
        "merchant": merchants,
        "stall": list(
            Stall.objects.filter(merchant__in=merchants).order_by("pk").values_list("pk", flat=True)
        ),
        "anchor": [anchor for _merchant, anchor in pairs if anchor],
    }


def exported_columns(label: str) -> dict[str, str]:
    """Return what of a table is handed out: name of the column -> lookup of its value.

    No secret, no note of staff, no number that a database counts with; another row is named by its public
    id or code, and other users by nothing.
    """
    found = {}
    for column in columns_of(label, set(Field) - HIDDEN):
        lookup = _lookup(column)
        if lookup and column.name not in TABLES[label].withheld.split():
            found[column.name] = lookup
    return found


def _lookup(column: Any) -> str:
    if isinstance(column, models.ForeignKey | models.OneToOneField):
        other = column.remote_field.model
        if other is User:
            return ""
        if issubclass(other, Reference):
            return f"{column.name}__code"
        return f"{column.name}__public_id" if hasattr(other, "public_id") else ""
    is_key = column.name in ("id", "history_id") or (
        column.name.endswith("_id") and isinstance(column, models.IntegerField)
    )
    return "" if is_key or isinstance(column, models.BinaryField) else str(column.name)


def sections(user: User) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Yield each table's label with its rows, read as they are asked for."""
    owners = owners_for(user)
    for label, table in TABLES.items():
        if table.of and table.is_exported:
            yield label, _rows(label, owners)


def _rows(label: str, owners: Owners) -> Iterator[dict[str, Any]]:
    columns = exported_columns(label)
    # None of the ways to an owner leads over many rows, so no row comes twice.
    rows = rows_of(label, owners, own_doing=True).order_by("pk").values_list(*columns.values())
    for values in rows.iterator(chunk_size=_CHUNK):
        yield dict(zip(columns, values, strict=True))


def as_json(user: User, *, at: datetime) -> Iterator[str]:
    """Yield the export as one JSON object, piece by piece."""
    yield f'{{"exported_at": {json.dumps(at.isoformat())}, "tables": {{'
    for number, (label, rows) in enumerate(sections(user)):
        yield f"{', ' if number else ''}{json.dumps(label)}: ["
        for at_row, row in enumerate(rows):
            yield (", " if at_row else "") + json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False)
        yield "]"
    yield "}}"


def as_zip(user: User) -> IO[bytes]:
    """Return a zip with one CSV file a table, every cell quoted where a spreadsheet would run it."""
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for label, rows in sections(user):
            with archive.open(f"{label}.csv", "w") as raw:
                # Excel reads UTF-8 only with the mark at its beginning.
                text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
                writer = csv.writer(text)
                writer.writerow(exported_columns(label))
                for row in rows:
                    writer.writerow([_cell(value) for value in row.values()])
                text.flush()
                text.detach()
    file.seek(0)
    return file


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        value = json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
    return quote_cell(value)
