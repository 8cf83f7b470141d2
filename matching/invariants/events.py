"""Invariants 3, 4, 5 and 7: what the events of each match say, in one pass over all (layer: invariants)."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from matching.choices import MatchStatus
from matching.invariants.finding import Finding, Ids, stream
from matching.invariants.words import What
from matching.models import Match, MatchEvent, OutcomeEvent, Terms
from matching.moves import state_after, transition_of
from matching.states import SIDES

APPROVED_ONCE = (
    MatchStatus.APPROVED,
    MatchStatus.CANCELLED,
    MatchStatus.COMPLETED,
    MatchStatus.FAILED,
)
TRIGGERS = {
    "sqlite": ("{table}_no_UPDATE", "{table}_no_DELETE"),
    "postgresql": ("{table}_append_only",),
}


class Event(NamedTuple):
    """One event with what its match says now; the names are those of the query's columns."""

    match_id: int
    seq: int
    action: str
    from_status: str
    to_status: str
    awaiting: str
    terms_digest: str
    actor_id: int | None
    actor_role: str
    reason_code: str
    at: datetime
    prev_hash: str
    hash: str
    match__public_id: UUID
    match__status: str
    match__awaiting: str
    match__version: int
    match__terms__digest: str | None


Events = Sequence[Event]
Check = Callable[[Events], Iterator[tuple[What, Ids]]]


def find_unagreed_approvals(finding: Finding) -> None:
    """Report approvals before which not both sides had said yes to the terms, by the order of events."""
    approved = Exists(MatchEvent.objects.filter(match=OuterRef("match"), action="approve"))
    rows = MatchEvent.objects.filter(approved | Q(match__status__in=APPROVED_ONCE))
    _check_each(finding, rows, _consents)


def find_illegal_paths(finding: Finding) -> None:
    """Report matches whose events are no path of the state table from nothing to their state."""
    _check_each(finding, MatchEvent.objects.all(), _path)
    without = Match.objects.filter(~Exists(MatchEvent.objects.filter(match=OuterRef("pk"))))
    for match_id in stream(without.order_by("pk").values_list("pk", flat=True)):
        finding.report(What.NO_EVENTS, match=match_id)


def find_broken_chains(finding: Finding) -> None:
    """Report changes without an event of their own, events altered since, and triggers that are missing."""
    _check_each(finding, MatchEvent.objects.all(), _chain)
    for name in sorted(_triggers_wanted() - _triggers_there()):
        finding.report(What.NOT_APPEND_ONLY, trigger=name)


def find_altered_terms(finding: Finding) -> None:
    """Report terms that differ from their digest, and events that name other terms than lay on the table."""
    rows = Terms.objects.order_by("pk").values_list(
        "pk", "match_id", "canonical", "digest", "commission_rate", "slot_fee_cents", "cooperation_mode",
        "sessions",
    )  # fmt: skip
    for pk, match_id, canonical, digest, rate, fee, mode, sessions in stream(rows):
        finding.look()
        shown = {"commission_rate": f"{rate:.4f}", "slot_fee_cents": fee, "cooperation_mode": mode}
        if _sha256(canonical) != digest or not _tells(canonical, shown | {"sessions": sessions}):
            finding.report(What.TERMS_ALTERED, terms=pk, match=match_id)
    _check_each(finding, MatchEvent.objects.all(), _digests)


def _check_each(finding: Finding, rows: QuerySet[MatchEvent], check: Check) -> None:
    ordered = rows.order_by("match_id", "seq").values_list(*Event._fields)
    for _match, group in groupby(map(Event._make, stream(ordered)), lambda event: event.match_id):
        events = list(group)
        finding.look(len(events))
        for what, ids in check(events):
            finding.report(what, match=events[0].match_id, **ids)


# --- one match and its events ------------------------------------------------------------------------


def _consents(events: Events) -> Iterator[tuple[What, Ids]]:
    agreed: set[str] = set()
    was_approved = False
    for event in events:
        if event.action in ("propose", "counter"):
            agreed = {event.actor_role}
        elif event.action == "accept":
            agreed.add(event.actor_role)
        elif event.action == "approve":
            was_approved = True
            if not agreed >= SIDES:
                yield What.APPROVED_WITHOUT_BOTH, {"seq": event.seq}
    if not was_approved:
        yield What.NEVER_APPROVED, {"status": events[0].match__status}


def _path(events: Events) -> Iterator[tuple[What, Ids]]:
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        yield What.GAP_IN_EVENTS, {"events": len(events)}
    status = awaiting = ""
    for event in events:
        if event.from_status != status:
            yield What.BROKEN_PATH, {"seq": event.seq}
        if not _is_legal(event, awaiting):
            yield What.ILLEGAL_MOVE, {"seq": event.seq}
        status, awaiting = event.to_status, event.awaiting
    last = events[-1]
    if (last.match__status, last.match__awaiting) != (status, awaiting):
        yield What.STATE_DIFFERS, {"status": last.match__status, "event": status}


def _is_legal(event: Event, awaiting: str) -> bool:
    """Whether the table has this move of this role, from there and to there."""
    try:
        row = transition_of(event.action)
        led_to = state_after(event.action, event.from_status, awaiting, event.actor_role)
    except (LookupError, ValueError):
        return False
    return (
        event.from_status in row.sources
        and event.actor_role in row.by
        and (event.to_status, event.awaiting) == led_to
        and bool(event.reason_code or not row.needs_reason)
    )


def _chain(events: Events) -> Iterator[tuple[What, Ids]]:
    if events[0].match__version != len(events):
        yield What.CHANGE_WITHOUT_EVENT, {"changes": events[0].match__version, "events": len(events)}
    if events[0].prev_hash:
        yield What.CHAIN_BROKEN, {"seq": events[0].seq}
    for before, event in pairwise(events):
        if event.prev_hash != before.hash:
            yield What.CHAIN_BROKEN, {"seq": event.seq}
    for event in events:
        if event.hash != _hash(event):
            yield What.CHAIN_BROKEN, {"seq": event.seq}


def _digests(events: Events) -> Iterator[tuple[What, Ids]]:
    on_the_table = ""
    for event in events:
        if event.action in ("propose", "counter"):
            on_the_table = event.terms_digest
        if event.terms_digest != on_the_table:
            yield What.TERMS_NOT_FROZEN, {"seq": event.seq}
    if (events[-1].match__terms__digest or "") != on_the_table:
        yield What.TERMS_NOT_FROZEN, {"seq": events[-1].seq}


def _hash(event: Event) -> str:
    """The hash that the event must have, computed from its columns alone."""
    names = ("seq", "action", "from_status", "to_status", "awaiting", "terms_digest", "actor_id",
             "actor_role", "reason_code")  # fmt: skip
    content: dict[str, Any] = {name: getattr(event, name) for name in names}
    content["match"] = str(event.match__public_id)
    content["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    return _sha256(event.prev_hash + json.dumps(content, sort_keys=True, separators=(",", ":")))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _tells(canonical: str, columns: dict[str, Any]) -> bool:
    """Whether the text that the digest is over says the same as the columns that are read."""
    try:
        told = json.loads(canonical)
    except ValueError:
        return False
    return isinstance(told, dict) and all(told.get(name) == value for name, value in columns.items())


# --- triggers ----------------------------------------------------------------------------------------


def _triggers_wanted() -> set[str]:
    names = TRIGGERS[connection.vendor]
    models = (MatchEvent, Terms, OutcomeEvent)
    return {name.format(table=model._meta.db_table) for model in models for name in names}


def _triggers_there() -> set[str]:
    """Return the triggers that fire."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute("SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D' AND NOT tgisinternal")
        return {name for (name,) in cursor.fetchall()}
