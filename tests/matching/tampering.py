"""What somebody with the keys to the database could do: rewrite rows once the triggers are out of the way."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any

from django.core.management import call_command
from django.db import connection

from matching.digests import event_hash, outcome_event_hash, root_hash
from matching.models import DailyRoot, Match, Outcome, RootLeaf
from matching.services.matches import approve_match
from matching.services.roots import close_day
from matchmaker.core.weeks import town_today
from tests.matching.market import agreed, make_anchor, make_staff, make_stall

append_only, append_only_events = (
    import_module(f"matching.migrations.{name}") for name in ("0005_append_only", "0011_append_only_events")
)


class PlainEditor:
    """As much of a schema editor as those migrations need; also works within a transaction on SQLite."""

    connection = connection

    def execute(self, sql: str, params: Any = None) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)


def raw(sql: str, *params: Any) -> int:
    """Run the SQL; return the row count."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.rowcount


@contextmanager
def unlocked() -> Iterator[None]:
    """Triggers out of the way, and back afterwards as if nothing had been."""
    connection.check_constraints()  # PostgreSQL drops no trigger of a table that has checks outstanding
    allow_changes(PlainEditor())
    yield
    connection.check_constraints()
    forbid_changes(PlainEditor())


def allow_changes(editor: Any) -> None:
    """Take all triggers away."""
    append_only_events.allow_changes(None, editor)
    append_only.allow_changes(None, editor)


def forbid_changes(editor: Any) -> None:
    """Put all triggers back."""
    append_only.forbid_changes(None, editor)
    append_only_events.forbid_changes(None, editor)


def approved_match() -> Match:
    """A match of three events."""
    return approve_match(actor=make_staff(), match=agreed(make_stall(), make_anchor()))


def closed_days(*back: int) -> list[DailyRoot]:
    """Close the days that lie so many days back."""
    return [root for days in back for root in close_day(on=town_today() - timedelta(days=days))]


def change(row: Any, seq: int, **values: Any) -> None:
    """Overwrite columns of one event of the row."""
    event = row.events.model
    owner = next(f.column for f in event._meta.fields if f.related_model is type(row))
    table = event._meta.db_table
    with unlocked():
        for column, value in values.items():
            sql = f"UPDATE {table} SET {column} = %s WHERE {owner} = %s AND seq = %s"  # noqa: S608
            assert raw(sql, value, row.pk, seq) == 1


def rehash(row: Match | Outcome) -> None:
    """Forge the whole chain of `row` anew over its events as they are now; needs `unlocked`."""
    hash_of, link = event_hash if isinstance(row, Match) else outcome_event_hash, ""
    for event in row.events.order_by("seq"):
        event.prev_hash = link
        link = hash_of(event, row.public_id)
        sql = f"UPDATE {event._meta.db_table} SET prev_hash = %s, hash = %s WHERE id = %s"  # noqa: S608
        raw(sql, event.prev_hash, link, event.pk)


def forge_leaves() -> None:
    """Make every leaf say what its event says now."""
    raw(
        "UPDATE matching_rootleaf SET hash = (SELECT hash FROM matching_matchevent event "
        "WHERE event.match_id = matching_rootleaf.match_id AND event.seq = matching_rootleaf.seq)"
    )


def forge_roots() -> None:
    """Make every root anew of its leaves, each linked to the one before."""
    link = ""
    for root in DailyRoot.objects.order_by("on"):
        leaves = RootLeaf.objects.filter(root=root).order_by("match__public_id")
        new, _count = root_hash(link, leaves.values_list("match__public_id", "seq", "hash"))
        DailyRoot.objects.filter(pk=root.pk).update(prev_root=link, root=new)
        link = new


# --- what verify_events says ---


def verify(capsys: Any, *arguments: str) -> tuple[dict[str, Any], Any]:
    """Return what the command says as JSON, and its exit code."""
    capsys.readouterr()
    try:
        call_command("verify_events", "--json", *arguments)
    except SystemExit as end:
        return json.loads(capsys.readouterr().out), end.code
    return json.loads(capsys.readouterr().out), 0


def found(capsys: Any, *arguments: str) -> set[tuple[str, int | None, str]]:
    """Return {(subject, number, code)} of what the command finds; it must exit accordingly."""
    said, code = verify(capsys, *arguments)
    assert code == (1 if said["found"] else 0) and said["violations"] == len(said["found"])
    assert all(entry["detail"] and "%" not in entry["detail"] for entry in said["found"])
    return {(entry["subject"], entry["seq"], entry["code"]) for entry in said["found"]}
