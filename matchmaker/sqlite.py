"""Which SQLite library runs, and whether several processes may write through its WAL."""

import importlib
import sys

WAL_RESET_FIXED = (3, 51, 3)
WAL_RESET_BACKPORTS = ((3, 44, 6), (3, 50, 7))


def use_fixed_library() -> None:
    """Put `pysqlite3` in the place of `sqlite3` where the system's library has the WAL-reset bug."""
    import sqlite3

    if is_wal_safe(sqlite3.sqlite_version_info):
        return
    try:
        bundled = importlib.import_module("pysqlite3")
        dbapi2 = importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return
    if is_wal_safe(dbapi2.sqlite_version_info):
        sys.modules["sqlite3"] = bundled
        sys.modules["sqlite3.dbapi2"] = dbapi2


def is_wal_safe(version: tuple[int, ...]) -> bool:
    """Whether this version is free of the bug of 3.7.0 to 3.51.2 (https://sqlite.org/wal.html#walresetbug)."""
    if version >= WAL_RESET_FIXED or version < (3, 7, 0):
        return True
    return any(version[:2] == fixed[:2] and version >= fixed for fixed in WAL_RESET_BACKPORTS)


def library_version() -> tuple[int, ...]:
    """The version of the library that Django will use."""
    dbapi2 = importlib.import_module("sqlite3.dbapi2")
    version: tuple[int, ...] = dbapi2.sqlite_version_info
    return version


def pragmas(version: tuple[int, ...]) -> str:
    """What every connection says first: WAL where it is safe, else the journal that always was."""
    if is_wal_safe(version):
        return "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    return "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=FULL;"
