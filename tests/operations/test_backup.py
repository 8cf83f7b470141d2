"""The restore drill: back up a town while somebody writes, wipe it, restore it, and compare every row."""

import hashlib
import json
import os
import shutil
import threading
import time
import zipfile
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from accounts.services.erasure import request_erasure
from jobs.models import Job, Throttle
from matchmaker.backups import archive
from matchmaker.backups.errors import BackupError
from matchmaker.backups.making import default_folder, last_made, make_backup
from matchmaker.backups.manifest import NO_TABLES
from matchmaker.backups.restoring import restore_backup
from tests.services import _postgres_binaries, wait_until

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.serial]
WRITTEN = ("jobs_job", "jobs_throttle")


def silent(_done: int, _total: int) -> None:
    """No bar."""


@pytest.fixture(autouse=True)
def town(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small town with uploads, and the programs of the server that the tests run on."""
    settings.VAR_DIR = tmp_path / "var"
    settings.MEDIA_ROOT = settings.VAR_DIR / "media"
    settings.EMBEDDED = True  # so that it has its demo people on PostgreSQL too
    (settings.MEDIA_ROOT / "licences").mkdir(parents=True)
    (settings.MEDIA_ROOT / "licences" / "一.png").write_bytes(b"\x89PNG" + os.urandom(5000))
    if connection.vendor == "postgresql":
        monkeypatch.setenv("PATH", f"{_postgres_binaries()}:{os.environ['PATH']}")
    call_command("seed", stalls=12, anchors=30, seed=7, progress="none")
    call_command("rematch", here=True, stdout=StringIO())
    return settings.VAR_DIR


def test_where_the_last_backup_lies_is_no_matter_to_the_alarm(town: Path, tmp_path: Path) -> None:
    assert last_made() is None
    made_at = time.time()
    make_backup(to=tmp_path / "elsewhere.zip", progress=silent)
    assert (tmp_path / "elsewhere.zip").exists() and not default_folder().exists()
    assert abs((last_made() or 0) - made_at) < 60
    with pytest.raises(BackupError):
        make_backup(to=tmp_path / "elsewhere.zip", progress=silent)


class Writer(threading.Thread):
    """Writes pairs of rows, each pair in one transaction, until it is told to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.stopping = threading.Event()
        self.pairs = 0

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                with transaction.atomic():
                    Throttle.objects.create(key=f"drill-{self.pairs}", window_at=timezone.now())
                    Job.objects.create(
                        kind="drill", dedupe_key=f"drill-{self.pairs}", not_before=timezone.now()
                    )
                self.pairs += 1
        finally:
            connection.close()

    def __enter__(self) -> "Writer":
        self.start()
        wait_until(lambda: self.pairs > 3)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stopping.set()
        self.join()


def all_rows() -> dict[str, list[str]]:
    """Every row of every table, in an order that does not depend on where it lies."""
    rows = {}
    with connection.cursor() as cursor:
        for table in set(connection.introspection.table_names(cursor)) - set(NO_TABLES):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            rows[table] = sorted(repr([_plain(value) for value in row]) for row in cursor.fetchall())
    return rows


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, memoryview) else value


def wipe() -> None:
    call_command("flush", interactive=False, verbosity=0)
    assert not User.objects.exists()


def drills() -> list[str]:
    return sorted(Job.objects.filter(kind="drill").values_list("dedupe_key", flat=True))


def test_the_drill(tmp_path: Path, town: Path) -> None:
    upload = (town / "media" / "licences" / "一.png").read_bytes()
    with Writer() as writer:
        path, manifest = make_backup(to=tmp_path, progress=silent)
        during = writer.pairs
        wait_until(lambda: writer.pairs > during + 2)  # the town was never stopped
    before = all_rows()
    wipe()
    shutil.rmtree(town / "media")
    (town / "market-former.npz").write_bytes(b"of the town that is gone")

    restored = restore_backup(path, replace=False, progress=silent)

    after = all_rows()
    assert restored == manifest
    assert {table: len(rows) for table, rows in after.items()} == manifest.database.rows
    assert {t: r for t, r in after.items() if t not in WRITTEN} == {
        t: r for t, r in before.items() if t not in WRITTEN
    }
    for table in WRITTEN:
        assert set(after[table]) <= set(before[table])
    # Of one moment: every pair is whole, and none is missing before the last.
    keys = drills()
    assert keys == sorted(Throttle.objects.filter(key__startswith="drill").values_list("key", flat=True))
    assert keys == sorted(f"drill-{number}" for number in range(len(keys)))
    assert 3 < len(keys) < writer.pairs
    assert (town / "media" / "licences" / "一.png").read_bytes() == upload
    assert not (town / "market-former.npz").exists()


def test_the_commands_tell_what_they_did_and_what_the_checks_found(tmp_path: Path, town: Path) -> None:
    said = StringIO()
    call_command("backup", to=tmp_path / "town.zip", stdout=said)
    assert f"{tmp_path}/town.zip: " in said.getvalue() and ", 1 uploads, " in said.getvalue()
    assert (tmp_path / "town.zip").stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="is there already"):
        call_command("backup", to=tmp_path / "town.zip")
    with pytest.raises(CommandError, match=r"not empty \(accounts_user: \d+"):
        call_command("restore", tmp_path / "town.zip")
    User.objects.update(is_active=False)

    said = StringIO()
    call_command("restore", tmp_path / "town.zip", replace=True, stdout=said)

    assert User.objects.filter(is_active=True).exists()
    assert "All checks passed" in said.getvalue()
    assert "0 violations" in said.getvalue()


def test_a_restore_erases_again_whom_the_town_had_erased_meanwhile(tmp_path: Path, town: Path) -> None:
    user = User.objects.filter(is_staff=False, memberships__anchor__isnull=False).order_by("pk").first()
    assert user is not None
    call_command("backup", to=tmp_path / "town.zip", stdout=StringIO())
    pseudonym = request_erasure(actor=user, user=user).pseudonym
    said = StringIO()
    call_command("restore", tmp_path / "town.zip", replace=True, stdout=said)
    assert "1 erased again" in said.getvalue() and "All checks passed" in said.getvalue()
    again = User.objects.get(public_id=user.public_id)
    assert (again.phone, again.is_active) == (pseudonym, False)
    (kept,) = town.glob("erasures-*.jsonl")
    assert json.loads(kept.read_text())["user"] == str(user.public_id)


def test_a_restored_town_that_is_not_well_is_told(tmp_path: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE matching_weekload SET used = used + 1 WHERE used < capacity")
        assert cursor.rowcount
    call_command("backup", to=tmp_path / "town.zip", stdout=StringIO())
    complained = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("restore", tmp_path / "town.zip", replace=True, stdout=StringIO(), stderr=complained)
    assert ended.value.code == 1
    assert "check_invariants" in complained.getvalue()


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return make_backup(to=tmp_path, progress=silent)[0]


def rewritten(path: Path, **changes: Any) -> Path:
    """The backup with another manifest, as somebody with a text editor would make it."""
    other = path.with_name("other.zip")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            given = source.read(name)
            if name == archive.MANIFEST:
                manifest = json.loads(given)
                manifest["database"] |= changes.pop("database", {})
                given = json.dumps(manifest | changes).encode()
            target.writestr(name, given)
    return other


def flipped(path: Path, at: float) -> Path:
    """The backup with one byte changed at this share of its length."""
    given = bytearray(path.read_bytes())
    given[int(len(given) * at)] ^= 0xFF
    path.write_bytes(given)
    return path


def refused(path: Path) -> str:
    """What a restore says; it must have changed nothing."""
    before = all_rows()
    with pytest.raises(BackupError) as error:
        restore_backup(path, replace=True, progress=silent)
    assert all_rows() == before
    return str(error.value)


def test_what_is_refused(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "note.zip").write_text("no backup at all")
    other = "sqlite" if connection.vendor == "postgresql" else "postgresql"
    digests = {archive.DATABASE: "0" * 64, "media/licences/一.png": "0" * 64}
    applied = ["jobs.0001_initial", "jobs.0999_of_next_year"]
    assert "no file" in refused(tmp_path / "none.zip")
    assert "no whole backup" in refused(tmp_path / "note.zip")
    assert "jobs.0999_of_next_year" in refused(rewritten(backup, database={"migrations": applied}))
    assert f"backup of {other}" in refused(rewritten(backup, database={"vendor": other}))
    assert "form 3" in refused(rewritten(backup, format=3))
    assert "not what was written" in refused(rewritten(backup, parts=digests))
    assert "not what was written" in refused(rewritten(backup, parts={}))
    assert "manifest" in refused(rewritten(backup, database={"surprise": 1}))
    for at in (0.2, 0.5, 0.9):
        assert refused(flipped(backup, at))
        flipped(backup, at)
    backup.write_bytes(backup.read_bytes()[:-2000])
    assert "no whole backup" in refused(backup)


def test_no_part_leaves_the_folder(backup: Path, tmp_path: Path) -> None:
    for name in ("media/../../evil", "/evil", "evil", "media\\..\\evil"):
        with zipfile.ZipFile(backup) as source:
            manifest = json.loads(source.read(archive.MANIFEST))
            bad = tmp_path / "bad.zip"
            with zipfile.ZipFile(bad, "w") as target:
                target.writestr(name, b"x")
                target.writestr(archive.MANIFEST, json.dumps(manifest | {"parts": {name: "0"}}))
        assert "not what was written" in refused(bad)


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive, "write_archive", full)
    with pytest.raises(CommandError, match="No space left"):
        call_command("backup", to=tmp_path / "disk" / "town.zip")
    assert list((tmp_path / "disk").iterdir()) == []


def test_another_secret_key_is_told(backup: Path, settings: Any) -> None:
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another" * 9
    assert "nobody can tell" in refused(backup)
    for given, fallbacks in (({"trust": True}, []), ({}, [former])):
        settings.SECRET_KEY_FALLBACKS = fallbacks
        complained = StringIO()
        call_command("restore", backup, replace=True, stdout=StringIO(), stderr=complained, **given)
        assert "SECRET_KEY is another one" in complained.getvalue()


def test_who_changes_a_backup_cannot_seal_it(backup: Path) -> None:
    """The digests of the parts stand in the file itself: whoever changes a part writes a new one."""
    with zipfile.ZipFile(backup) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    manifest = json.loads(parts[archive.MANIFEST])
    parts[archive.DATABASE] += b"\n-- and something else"
    manifest["parts"][archive.DATABASE] = hashlib.sha256(parts[archive.DATABASE]).hexdigest()
    parts[archive.MANIFEST] = json.dumps(manifest).encode()
    forged = backup.with_name("forged.zip")
    with zipfile.ZipFile(forged, "w") as target:
        for name, given in parts.items():
            target.writestr(name, given)
    assert "nobody can tell" in refused(forged)
    assert "nobody can tell" in refused(rewritten(backup, made_at="2020-01-01T00:00:00+00:00"))


def test_an_older_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    call_command("migrate", "jobs", "0001", verbosity=0)
    try:
        path, manifest = make_backup(to=tmp_path, progress=silent)
    finally:
        call_command("migrate", verbosity=0)
    assert "jobs.0002_job_kind_age" not in manifest.database.migrations
    restore_backup(path, replace=True, progress=silent)
    call_command("migrate", check_unapplied=True, verbosity=0, stdout=StringIO())
