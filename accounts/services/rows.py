"""Writing rows of parties with their history: here versions are raised (layer: services)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import IntegrityError, connections, models, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from matchmaker.core.errors import Conflict, InvalidInput

BATCH = 200
Row = TypeVar("Row", bound=models.Model)


def create_rows(model: type[Row], rows: Sequence[Row], *, actor: User | None) -> list[Row]:
    """Insert `rows` and the first line of their history."""
    made = model._default_manager.bulk_create(rows, batch_size=BATCH)
    record_history(model, made, actor=actor, is_new=True)
    return made


def record_history(
    model: type[Row], rows: Sequence[Row], *, actor: User | None, is_new: bool = False
) -> None:
    """Write one line of history per row as it now is in the database.

    Copied by the database itself: building every row a second time in Python doubles the time of an import.
    """
    history = model.history.model  # type: ignore[attr-defined]
    connection = connections[model._default_manager.db]
    quote = connection.ops.quote_name
    copied = ", ".join(quote(field.column) for field in history.tracked_fields)
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    added = [now, "+" if is_new else "~", actor.pk if actor else None]
    for part in in_chunks([row.pk for row in rows], BATCH):
        # Only names of columns and placeholders are put into the text.
        sql = (
            f"INSERT INTO {quote(history._meta.db_table)} "  # noqa: S608
            f"({copied}, history_date, history_type, history_user_id) "
            f"SELECT {copied}, %s, %s, %s FROM {quote(model._meta.db_table)} "
            f"WHERE id IN ({', '.join(['%s'] * len(part))}) ORDER BY id"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [*added, *part])


def changed_columns(row: models.Model, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `columns` that differ from the row."""
    return {name: value for name, value in columns.items() if getattr(row, name) != value}


def update_row(
    row: Any,
    columns: Mapping[str, Any],
    *,
    actor: User | None,
    expected: int | None = None,
    is_touched: bool = False,
) -> bool:
    """Write the columns that differ, raise the version and keep history; False when nothing differs.

    `is_touched` tells that rows belonging to this one differ, so that the version rises in any case.
    One guarded UPDATE on the version that the caller saw: raises Conflict when somebody was faster, or when
    the row is archived.
    """
    changes = changed_columns(row, columns)
    check_open(row)
    if not changes and not is_touched:
        return False
    model = type(row)
    seen = row.version if expected is None else expected
    with transaction.atomic():
        rows = model._default_manager.filter(pk=row.pk, version=seen, archived_at__isnull=True)
        if rows.update(version=F("version") + 1, updated_at=timezone.now(), **changes) != 1:
            raise _changed_meanwhile()
        row.refresh_from_db()
        record_history(model, [row], actor=actor)
    return True


def update_rows(
    model: type[Row], changes: Sequence[tuple[Any, Mapping[str, Any]]], *, actor: User | None
) -> None:
    """Write columns of many rows, raise their versions and keep history; all of them or Conflict."""
    if not changes:
        return
    seen = {row.pk: row.version for row, _columns in changes}
    now = timezone.now()
    with transaction.atomic():
        # Raising the versions first takes the locks; what somebody else changed then shows by its version.
        rows = model._default_manager.filter(pk__in=seen, archived_at__isnull=True)
        rows.update(version=F("version") + 1, updated_at=now)
        if dict(rows.values_list("pk", "version")) != {pk: version + 1 for pk, version in seen.items()}:
            raise _changed_meanwhile()
        names = set()
        for row, columns in changes:
            row.version, row.updated_at = seen[row.pk] + 1, now
            for name, value in columns.items():
                setattr(row, name, value)
                names.add(model._meta.get_field(name).name)
        written = [row for row, _columns in changes]
        if names:
            model._default_manager.bulk_update(written, sorted(names), batch_size=BATCH)
        record_history(model, written, actor=actor)


def _changed_meanwhile() -> Conflict:
    return Conflict(
        _("Somebody changed this meanwhile. Read it again and repeat your change."), code="changed_meanwhile"
    )


def check_open(row: Any) -> None:
    """Raise Conflict when the row is archived."""
    if row.archived_at is not None:
        raise Conflict(_("This is archived and can no longer be changed."), code="archived")


def in_chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Yield `items` in slices of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def clean_all(items: Sequence[Any], clean: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
    """Return every item cleaned; raise one InvalidInput, fields led by the item's number."""
    cleaned, problems = [], {}
    for number, item in enumerate(items):
        try:
            cleaned.append(clean(item))
        except InvalidInput as error:
            problems.update({f"{number}.{name}": messages for name, messages in error.fields.items()})
    if problems:
        raise InvalidInput(fields=problems)
    return cleaned


@contextmanager
def unique_as(conflict: Callable[[], Conflict], constraint: str, *columns: str) -> Iterator[None]:
    """Run the block in a savepoint; a violation of this unique constraint becomes `conflict()`.

    PostgreSQL names the constraint in its message, SQLite the columns.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        text = str(error)
        if constraint in text or (columns and all(f".{column}" in text for column in columns)):
            raise conflict() from error
        raise
