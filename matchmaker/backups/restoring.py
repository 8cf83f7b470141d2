"""Restoring a backup: everything is verified before the first row is touched."""

import shutil
import tempfile
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.utils.translation import gettext as _

from matching.selectors.triggers import APPEND_ONLY
from matching.snapshot import kept
from matchmaker.backups import archive
from matchmaker.backups.errors import BackupError
from matchmaker.backups.making import DRIVERS
from matchmaker.backups.manifest import NO_TABLES, Manifest, unknown_migrations
from matchmaker.backups.sqlite import Progress

# A town in which nobody is and nothing was done may be overwritten; reference data come with the migrations.
SOMEBODY = ("accounts.User", "accounts.Merchant", "accounts.Anchor", "matching.Match")


def restore_backup(path: Path, *, replace: bool, progress: Progress, is_trusted: bool = False) -> Manifest:
    """Put the backup in the place of database and uploads; return its manifest.

    Raises BackupError, with nothing changed: no such file, damaged, of a later version, of another kind of
    database, not as it was sealed (unless `is_trusted`), or the database is not empty and `replace` is not
    given. Also when the rows that are there in the end are not those that were counted, which is told for
    what it is.
    """
    if not path.is_file():
        raise BackupError(_("There is no file %(path)s.") % {"path": path})
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.VAR_DIR) as folder:
        manifest = archive.unpack(path, Path(folder))
        _check(manifest, replace=replace)
        if not (is_trusted or manifest.is_as_sealed()):
            raise BackupError(_not_sealed())
        driver = DRIVERS[connection.vendor]
        driver.load(connection, Path(folder) / archive.DATABASE, manifest.database, progress)
        _compare_rows(manifest)
        _put_uploads(Path(folder) / archive.MEDIA)
    _forget_what_was_derived()
    _take_rights_away()
    call_command("migrate", verbosity=0, interactive=False)
    return manifest


def _check(manifest: Manifest, *, replace: bool) -> None:
    state = manifest.database
    if state.vendor != connection.vendor:
        raise BackupError(
            _("This is a backup of %(theirs)s, and this town runs on %(ours)s.")
            % {"theirs": state.vendor, "ours": connection.vendor}
        )
    if unknown := unknown_migrations(state.migrations):
        raise BackupError(
            _("This backup comes from a later version (%(unknown)s): upgrade first, then restore.")
            % {"unknown": ", ".join(unknown)}
        )
    DRIVERS[connection.vendor].check_tools(connection, state)
    if not replace and (rows := _people()):
        raise BackupError(
            _("The database is not empty (%(rows)s). --replace puts the backup in the place of everything.")
            % {"rows": ", ".join(f"{table}: {count}" for table, count in rows.items())}
        )


def _not_sealed() -> str:
    return _(
        "This backup was made under another SECRET_KEY, or changed since: nobody can tell. "
        "Put the former key into SECRET_KEY_FALLBACKS, or give --trust if you know where the file has been."
    )


def _people() -> dict[str, int]:
    """How many rows the tables hold that an empty town has none in."""
    there = set(connection.introspection.table_names())
    models = [apps.get_model(name) for name in SOMEBODY]
    counts = {model._meta.db_table: model for model in models if model._meta.db_table in there}
    return {table: n for table, model in counts.items() if (n := model._base_manager.count())}


def _compare_rows(manifest: Manifest) -> None:
    """What was counted when the backup was made is what is there now."""
    expected = manifest.database.rows
    found = {}
    with connection.cursor() as cursor:
        for table in expected:
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608
            found[table] = cursor.fetchone()[0]
        there = set(connection.introspection.table_names(cursor)) - set(NO_TABLES)
    wrong = {table: found[table] for table in expected if found[table] != expected[table]}
    if wrong or there != set(expected):
        raise BackupError(_("After the restore these tables differ: %(tables)s") % {"tables": wrong or there})


def _put_uploads(unpacked: Path) -> None:
    """The uploads of the backup in the place of those that are there, which stay aside until it is done."""
    media = Path(settings.MEDIA_ROOT)
    former = media.with_name(f"{media.name}.former")
    shutil.rmtree(former, ignore_errors=True)
    if media.exists():
        media.rename(former)
    if unpacked.exists():
        shutil.move(unpacked, media)
    shutil.rmtree(former, ignore_errors=True)


def _forget_what_was_derived() -> None:
    """A kept market goes by versions of rows, which the restore has turned back."""
    for path in kept.files():
        path.unlink(missing_ok=True)


def _take_rights_away() -> None:
    """A dump comes without rights: what the migrations revoked of append-only tables is revoked again."""
    if connection.vendor != "postgresql":
        return
    there = set(connection.introspection.table_names())
    with transaction.atomic(), connection.cursor() as cursor:
        for table in (model._meta.db_table for model in APPEND_ONLY):
            if table in there:
                cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM PUBLIC, CURRENT_USER")
                # Foreign keys are checked in the owner's name, which needs the right to update some column.
                cursor.execute(f"GRANT UPDATE (id) ON {table} TO CURRENT_USER")
