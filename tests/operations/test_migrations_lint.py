"""No migration breaks the code that still runs while it is applied: expand, backfill, contract."""

import re
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django_migration_linter.migration_linter import MigrationLinter
from django_migration_linter.sql_analyser import analyse_sql_statements

from tests.isolation import SERVICES

ROOT = Path(__file__).resolve().parents[2]
OURS = ("jobs", "accounts", "notifications", "matching")
ANSWERED = re.compile(r"^\| `(\w+\.\w+)` \| `(\w+)` \| .{20,} \|$", re.MULTILINE)

pytestmark = [
    pytest.mark.services_only,
    pytest.mark.skipif(not SERVICES, reason="SQLite locks the whole file anyway: the rule is for PostgreSQL"),
    pytest.mark.django_db,
]


def findings() -> set[tuple[str, str]]:
    """What the linter says of every migration of ours, on PostgreSQL: errors and warnings."""
    linter = MigrationLinter(path=str(ROOT), include_apps=OURS, no_cache=True, no_output=True)
    found = set()
    for app, name in sorted(MigrationLoader(connection).disk_migrations):
        if app in OURS:
            sql = linter.get_sql(app, name)
            errors, _ignored, warnings = analyse_sql_statements(linter.sql_analyser_class, sql, [])
            found |= {(f"{app}.{name}", issue.code) for issue in (*errors, *warnings)}
    return found


def test_every_finding_of_the_linter_is_answered() -> None:
    answered = set(ANSWERED.findall((ROOT / "docs" / "operations.md").read_text(encoding="utf-8")))
    found = findings()
    assert sorted(found - answered) == [], "change the migration, or answer in docs/operations.md"
    assert sorted(answered - found) == [], "answered, and not found any more"


def test_the_linter_would_find_what_breaks_running_code() -> None:
    linter = MigrationLinter(path=str(ROOT), include_apps=OURS, no_cache=True, no_output=True)
    for sql, code in (
        ('ALTER TABLE "jobs_job" DROP COLUMN "kind" CASCADE', "DROP_COLUMN"),
        ('ALTER TABLE "jobs_job" ADD COLUMN "x" integer NOT NULL', "NOT_NULL"),
        ('ALTER TABLE "jobs_job" ALTER COLUMN "kind" TYPE text', "ALTER_COLUMN"),
        ('DROP TABLE "jobs_job"', "DROP_TABLE"),
    ):
        errors, _ignored, _warnings = analyse_sql_statements(linter.sql_analyser_class, [sql], [])
        assert code in {issue.code for issue in errors}
