"""Which of PostgreSQL's client programs is taken, and what is said when none fits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from matchmaker.backups import postgresql
from matchmaker.backups.errors import BackupError


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is all there is of PostgreSQL's client programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(postgresql.glob, "glob", lambda _pattern: [])
    return folder


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        (None, "There is no pg_dump here: install postgresql-client-17"),
        ("pg_dump (PostgreSQL) 15.9", "pg_dump is 15.9, too old for 17: install postgresql-client-17"),
    ],
)
def test_a_client_that_is_missing_or_too_old(programs: Path, installed: str | None, said: str) -> None:
    if installed:
        (programs / "pg_dump").write_text(f"#!/bin/sh\necho '{installed}'\n")
        (programs / "pg_dump").chmod(0o755)
    with pytest.raises(BackupError, match=said):
        postgresql.tool("pg_dump", "17.2 (Debian 17.2-1)")
    if installed:
        assert postgresql.tool("pg_dump", "15.1") == str(programs / "pg_dump")
