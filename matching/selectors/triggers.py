"""Whether the database itself still refuses to change events and terms (layer: selectors)."""

from collections.abc import Iterator

from django.db import connections

from matching.models import EngineModelEvent, MatchDayEvent, MatchEvent, OutcomeEvent, Terms
from matching.selectors.violations import Violation

APPEND_ONLY = (MatchEvent, Terms, OutcomeEvent, EngineModelEvent, MatchDayEvent)
# Named as the migrations 0005 and 0011 name them.
_SQLITE = (
    "SELECT tbl_name || '.' || name FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%RAISE(ABORT%'"
)
_POSTGRESQL = """
SELECT relname || '.' || tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE tgfoid = to_regproc('matching_append_only') AND tgenabled IN ('O', 'A') AND pg_table_is_visible(tgrelid)
"""


def missing_triggers(*, using: str = "default") -> list[str]:
    """Return `table.trigger` of each append-only trigger that is not there, or is switched off."""
    connection = connections[using]
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        cursor.execute(_SQLITE if is_sqlite else _POSTGRESQL)
        found = {name for (name,) in cursor.fetchall()}
    endings = ("no_UPDATE", "no_DELETE") if is_sqlite else ("append_only",)
    tables = [model._meta.db_table for model in APPEND_ONLY]
    wanted = [f"{table}.{table}_{ending}" for table in tables for ending in endings]
    return [name for name in wanted if name not in found]


def trigger_violations() -> Iterator[Violation]:
    """Yield the triggers that are missing."""
    return (Violation("trigger", name, "trigger_missing") for name in missing_triggers())
