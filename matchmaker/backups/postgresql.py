"""Copying a PostgreSQL database with its own client programs: pg_dump, pg_restore and psql."""

import glob
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from matchmaker.backups.errors import BackupError
from matchmaker.backups.manifest import DatabaseState

Progress = Callable[[int, int], None]
# Rather an error than a restore that waits for a forgotten session while the town stands still.
LOCK_TIMEOUT = "-c lock_timeout=30s"
# Everything of the town, and nothing of an extension; the restore follows in the same transaction.
CLEAR = """
DO $$ DECLARE one text; BEGIN
FOR one IN
  SELECT format('DROP %s IF EXISTS %s CASCADE',
      CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
        ELSE 'TABLE' END,
      pg_class.oid::regclass)
  FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
  ORDER BY relkind = 'S'
LOOP EXECUTE one; END LOOP;
FOR one IN
  SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', pg_proc.oid::regprocedure)
  FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
LOOP EXECUTE one; END LOOP;
END $$;
"""


def dump(connection: BaseDatabaseWrapper, path: Path, progress: Progress) -> DatabaseState:
    """Write a dump in PostgreSQL's own form; what it says of itself is counted in the same snapshot."""
    with _snapshot(connection) as (snapshot, state):
        command = [tool("pg_dump", state.server), "--format=custom", "--no-owner", "--no-acl", "--verbose"]
        command += [f"--snapshot={snapshot}", f"--file={path}"]
        arguments, env = _addressed(connection)
        process = subprocess.Popen(  # noqa: S603 (the command is ours)
            [*command, *arguments], env=env, stderr=subprocess.PIPE, text=True, errors="replace"
        )
        said = _counted(process.stderr, "dumping contents of table", len(state.rows), progress)
        if process.wait():
            raise BackupError(_told("pg_dump", said))
    return state


@contextmanager
def _snapshot(connection: BaseDatabaseWrapper) -> Iterator[tuple[str, DatabaseState]]:
    """A view of one moment that a second session may share, and what is in it."""
    own = connection.copy()
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SELECT pg_export_snapshot()")
            snapshot: str = cursor.fetchone()[0]
            state = state_of(own)
            yield snapshot, state
    finally:
        own.close()


def state_of(connection: BaseDatabaseWrapper) -> DatabaseState:
    """What the database holds, as this session sees it."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        server: str = cursor.fetchone()[0]
        names = connection.introspection.table_names(cursor)
        rows = {}
        for name in sorted(names):
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(name)}")  # noqa: S608
            rows[name] = cursor.fetchone()[0]
        cursor.execute("SELECT app || '.' || name FROM django_migrations ORDER BY id")
        migrations = [name for (name,) in cursor.fetchall()]
    return DatabaseState("postgresql", server, _version(tool("pg_dump", server)), rows, migrations)


def load(connection: BaseDatabaseWrapper, path: Path, state: DatabaseState, progress: Progress) -> None:
    """Put the dump in the place of everything in the database, in one transaction."""
    connection.close()
    arguments, env = _addressed(connection)
    env["PGOPTIONS"] = f"{env.get('PGOPTIONS', '')} {LOCK_TIMEOUT}".strip()
    clear = path.with_name("clear.sql")
    clear.write_text(CLEAR, encoding="ascii")
    psql = [tool("psql", state.tool), "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1"]
    psql += [f"--file={clear}", "--file=-", *arguments]
    script = [tool("pg_restore", state.tool), "--no-owner", "--no-acl", "--file=-", str(path)]
    with path.with_name("said").open("w+", encoding="utf-8", errors="replace") as said:
        if not _piped(script, psql, env, said, len(state.rows), progress):
            said.seek(0)
            raise BackupError(_told("psql", said.read().splitlines()))


def _piped(
    script: list[str], psql: list[str], env: dict[str, str], said: IO[str], tables: int, progress: Progress
) -> bool:
    """Whether all went through. psql commits at the end of its input, so a broken script never ends it."""
    pipe: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": said, "env": env}
    with subprocess.Popen(script, **pipe) as writing:  # noqa: S603 (the command is ours)
        with subprocess.Popen(psql, stdin=subprocess.PIPE, **pipe) as loading:  # noqa: S603
            assert writing.stdout and loading.stdin and loading.stdout  # noqa: S101 (they are pipes)
            lines = (line.decode(errors="replace") for line in loading.stdout)
            reader = threading.Thread(target=_counted, args=(lines, "COPY ", tables, progress))
            reader.start()
            try:
                shutil.copyfileobj(writing.stdout, loading.stdin)
                if writing.wait():
                    loading.kill()
                loading.stdin.close()
            except BrokenPipeError:  # psql gave up, and has said why
                writing.kill()
            finally:
                reader.join()
        return loading.wait() == 0 and writing.wait() == 0


def _counted(lines: Any, wanted: str, total: int, progress: Progress) -> list[str]:
    """The last lines that were said; each one of `wanted` is a table that is done."""
    done, last = 0, list[str]()
    for line in lines:
        if wanted in line:
            done += 1
            progress(min(done, total), total)
        last = [*last[-4:], line.strip()]
    return last


def _told(program: str, said: list[str]) -> str:
    return _("%(program)s did not end well: %(said)s") % {"program": program, "said": " / ".join(said[-3:])}


def _addressed(connection: BaseDatabaseWrapper) -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment by which a client program reaches this very database."""
    arguments, env = connection.client.settings_to_cmd_args_env(connection.settings_dict, [])
    return [f"--dbname={arguments[-1]}", *arguments[1:-1]], {**os.environ, **(env or {}), "LC_ALL": "C"}


def check_tools(connection: BaseDatabaseWrapper, state: DatabaseState | None = None) -> None:
    """BackupError when a client program is missing or too old, before anything is done."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        server = cursor.fetchone()[0]
    if state is None:
        tool("pg_dump", server)
        return
    for name in ("pg_restore", "psql"):
        tool(name, state.tool)
    if _major(state.server) > _major(server):
        raise BackupError(
            _("The backup is of PostgreSQL %(theirs)s and this server is %(ours)s: restore into a newer one.")
            % {"theirs": state.server, "ours": server}
        )


def tool(name: str, least: str) -> str:
    """The path of a client program that is at least as new as `least`; BackupError with what to install."""
    installed = glob.glob(f"/usr/lib/postgresql/*/bin/{name}")
    installed.sort(key=lambda path: float(path.split("/")[4]), reverse=True)
    found = [path for path in [shutil.which(name), *installed] if path]
    fitting = [path for path in found if _major(_version(path)) >= _major(least)]
    if fitting:
        return fitting[0]
    what = {"name": name, "major": _major(least)}
    if found:
        what["found"] = _version(found[0])
        message = _("%(name)s is %(found)s, too old for %(major)s: install postgresql-client-%(major)s.")
        raise BackupError(message % what)
    raise BackupError(_("There is no %(name)s here: install postgresql-client-%(major)s.") % what)


def _version(path: str) -> str:
    said = subprocess.run([path, "--version"], check=True, capture_output=True, text=True).stdout  # noqa: S603
    found = re.search(r"\d+(\.\d+)*", said)
    return found[0] if found else "0"


def _major(version: str) -> int:
    return int(re.split(r"\D", version, maxsplit=1)[0] or 0)
