"""The environment decides, as the table in the documentation says, and production is strict."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import override_settings

from matchmaker import sqlite
from matchmaker.checks import check_sqlite_library
from matchmaker.translations import compile_translations

REPOSITORY = Path(__file__).resolve().parent.parent
TABLE = REPOSITORY / "docs" / "configuration.md"
PRODUCTION = {
    "DATABASE_URL": "postgres://town:pass@db.example:5433/town",
    "REDIS_URL": "redis://redis.example:6379/3",
    "SECRET_KEY": "k3" * 40,
    "MATCHMAKER_ALLOWED_HOSTS": "town.example",
}


def settings_under(env: dict[str, str], var: Path, *names: str) -> dict:
    """What a fresh process reads from this environment."""
    code = (
        "import json, sys; from django.conf import settings; "
        "print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}, default=str))"
    )
    own = ("MATCHMAKER_", "DATABASE_URL", "REDIS_URL", "SECRET_KEY")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    clean |= {"MATCHMAKER_VAR_DIR": str(var), "DJANGO_SETTINGS_MODULE": "matchmaker.settings"} | env
    command = [sys.executable, "-c", code, *names]
    return json.loads(subprocess.check_output(command, cwd=REPOSITORY, env=clean, text=True))


def test_the_table_lists_every_variable_and_no_other():
    read = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", (REPOSITORY / "matchmaker/settings.py").read_text()))
    first_table = TABLE.read_text().split("The commands and tests")[0]
    assert read == set(re.findall(r"^\| `([A-Z_]+)`", first_table, re.MULTILINE))


def test_the_embedded_default(tmp_path):
    found = settings_under(
        {}, tmp_path, "DATABASES", "CELERY_BROKER_URL", "DEBUG", "SECRET_KEY", "ALLOWED_HOSTS"
    )
    assert found["DATABASES"]["default"]["NAME"] == str(tmp_path / "db.sqlite3")
    assert found["DATABASES"]["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert found["CELERY_BROKER_URL"].startswith("filesystem://")
    assert found["DEBUG"] is False
    assert "*" not in found["ALLOWED_HOSTS"]
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert settings_under({}, tmp_path, "SECRET_KEY")["SECRET_KEY"] == found["SECRET_KEY"]


@pytest.mark.parametrize("env", [{}, PRODUCTION], ids=["embedded", "production"])
def test_a_task_is_acknowledged_when_it_is_over_and_given_back_when_its_worker_is_lost(env, tmp_path):
    wanted = {
        "CELERY_TASK_ACKS_LATE": True,
        "CELERY_TASK_REJECT_ON_WORKER_LOST": True,
        "CELERY_WORKER_PREFETCH_MULTIPLIER": 1,
        "CELERY_TASK_SERIALIZER": "json",
        "CELERY_ACCEPT_CONTENT": ["json"],
        "CELERY_TASK_PUBLISH_RETRY": False,
    }
    assert settings_under(env, tmp_path, *wanted) == wanted


def test_redis_may_neither_hang_a_worker_nor_keep_what_it_did_not_finish(tmp_path):
    names = ("CELERY_BROKER_TRANSPORT_OPTIONS", "CELERY_TASK_TIME_LIMIT", "CELERY_BROKER_CONNECTION_TIMEOUT")
    found = settings_under(PRODUCTION, tmp_path, *names)
    options = found["CELERY_BROKER_TRANSPORT_OPTIONS"]
    # Twice the longest task, or a slow one is delivered again while it still runs.
    assert options["visibility_timeout"] >= 2 * found["CELERY_TASK_TIME_LIMIT"]
    assert (options["unacked_restore_interval"], options["unacked_restore_throttle"]) == (2, 1)
    waits = (options["socket_timeout"], options["socket_connect_timeout"], found[names[2]])
    assert all(0 < seconds <= 2 for seconds in waits)


def test_production(tmp_path):
    names = ("DATABASES", "CELERY_BROKER_URL", "SECRET_KEY", "SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE")
    found = settings_under(PRODUCTION, tmp_path, *names)
    database = found["DATABASES"]["default"]
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example", 5433, "town")
    assert found["CELERY_BROKER_URL"] == PRODUCTION["REDIS_URL"]
    assert found["SECURE_SSL_REDIRECT"] is found["SESSION_COOKIE_SECURE"] is True
    assert not (tmp_path / "secret_key").exists()


def test_a_secret_from_a_file(tmp_path):
    (tmp_path / "key").write_text("from-a-file")
    env = {name: value for name, value in PRODUCTION.items() if name != "SECRET_KEY"}
    found = settings_under(env | {"SECRET_KEY_FILE": str(tmp_path / "key")}, tmp_path, "SECRET_KEY")
    assert found["SECRET_KEY"] == "from-a-file"


def test_a_unix_socket_in_the_url(tmp_path):
    env = PRODUCTION | {"DATABASE_URL": "postgres://town@%2Fvar%2Frun%2Fpostgresql/town"}
    found = settings_under(env, tmp_path, "DATABASES")["DATABASES"]["default"]
    assert found["HOST"] == "/var/run/postgresql"


@pytest.mark.parametrize(
    ("name", "value"), [("MATCHMAKER_DEBUG", "perhaps"), ("MATCHMAKER_HSTS_SECONDS", "long")]
)
def test_a_value_that_makes_no_sense_stops_the_start(tmp_path, name, value):
    if value == "perhaps":  # environ reads any other word as false: at least it never turns debug on
        assert settings_under({name: value}, tmp_path, "DEBUG")["DEBUG"] is False
        return
    with pytest.raises(subprocess.CalledProcessError):
        settings_under({name: value}, tmp_path, "DEBUG")


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
        ((3, 50, 7), True),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
    ],
)
def test_wal_is_used_only_where_it_is_safe(version, safe):
    assert sqlite.is_wal_safe(version) is safe
    assert ("WAL" in sqlite.pragmas(version)) is safe


@override_settings(EMBEDDED=True)
def test_an_affected_library_is_told(monkeypatch):
    monkeypatch.setattr(sqlite, "library_version", lambda: (3, 40, 1))
    assert [message.id for message in check_sqlite_library()] == ["matchmaker.W001"]
    monkeypatch.setattr(sqlite, "library_version", lambda: (3, 51, 3))
    assert check_sqlite_library() == []


def test_translations_are_compiled_once(tmp_path):
    folder = tmp_path / "zh_Hans" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_text(
        'msgid ""\nmsgstr ""\n\nmsgid "stall"\nmsgstr "档口"\n', encoding="utf-8"
    )
    assert compile_translations([tmp_path]) == [folder / "django.mo"]
    assert compile_translations([tmp_path]) == []
    later = (folder / "django.mo").stat().st_mtime + 10
    os.utime(folder / "django.po", (later, later))
    assert compile_translations([tmp_path]) == [folder / "django.mo"]
