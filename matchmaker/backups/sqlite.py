"""Copying an SQLite database while others write to it, and putting a copy in its place."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from matchmaker.backups.errors import BackupError
from matchmaker.backups.manifest import NO_TABLES, DatabaseState

Progress = Callable[[int, int], None]
PAGES = 2000
WAIT_SECONDS = 20.0


def dump(connection: BaseDatabaseWrapper, path: Path, progress: Progress) -> DatabaseState:
    """Write a whole copy to `path`, of one moment; what it says of itself is counted in the copy."""
    source = sqlite3.connect(str(connection.settings_dict["NAME"]), WAIT_SECONDS, isolation_level=None)
    try:
        source.execute("PRAGMA query_only = 1")
        # A read transaction that stays open: without it every write of the town would begin the copy anew.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        _copy(source, path, progress)
    finally:
        source.close()
    return state_of(path)


def _copy(source: sqlite3.Connection, path: Path, progress: Progress) -> None:
    target = sqlite3.connect(str(path), isolation_level=None)
    try:
        source.backup(target, pages=PAGES, progress=_patiently(progress))
        # The town's journal mode is copied with it; a copy is one file.
        target.execute("PRAGMA journal_mode = DELETE")
    finally:
        target.close()


def _patiently(progress: Progress) -> Callable[[int, int, int], None]:
    """Tell how far it is; sqlite3 itself would wait for ever for a database that others keep locked."""
    given_up_at: list[float] = []

    def told(status: int, remaining: int, total: int) -> None:
        if status not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            given_up_at.clear()
            progress(total - remaining, total)
            return
        if not given_up_at:
            given_up_at.append(time.monotonic() + WAIT_SECONDS)
        if time.monotonic() > given_up_at[0]:
            raise BackupError(_("The database stays locked. Stop web, workers and beat, then try again."))

    return told


def state_of(path: Path) -> DatabaseState:
    """What a copy holds; BackupError when the database itself finds it broken."""
    copy = sqlite3.connect(path.as_uri() + "?mode=ro", uri=True, isolation_level=None)
    try:
        verdict = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise BackupError(_("The database is damaged: %(verdict)s") % {"verdict": verdict})
        names = [name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        count = "SELECT count(*) FROM {}"
        rows = {
            name: copy.execute(count.format('"' + name.replace('"', '""') + '"')).fetchone()[0]
            for name in sorted(set(names) - set(NO_TABLES))
        }
        applied = copy.execute("SELECT app || '.' || name FROM django_migrations ORDER BY id").fetchall()
    except sqlite3.DatabaseError as error:
        raise BackupError(_("The database is damaged: %(verdict)s") % {"verdict": error}) from error
    finally:
        copy.close()
    version = sqlite3.sqlite_version
    return DatabaseState("sqlite", version, version, rows, [name for (name,) in applied])


def load(connection: BaseDatabaseWrapper, path: Path, _state: DatabaseState, progress: Progress) -> None:
    """Put the copy in the place of everything in the database, in one transaction."""
    state_of(path)
    connection.close()
    source = sqlite3.connect(path.as_uri() + "?mode=ro", uri=True, isolation_level=None)
    target = sqlite3.connect(str(connection.settings_dict["NAME"]), WAIT_SECONDS, isolation_level=None)
    try:
        source.backup(target, pages=PAGES, progress=_patiently(progress))
    finally:
        target.close()
        source.close()


def check_tools(_connection: BaseDatabaseWrapper, _state: DatabaseState | None = None) -> None:
    """Nothing beside Python is needed."""
