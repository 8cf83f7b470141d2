"""Whether the events and terms of matches are as they were written (layer: selectors).

Everything is read in blocks, so that a million events need no more memory than a thousand. One statement
reads a block's matches together with their events: a move in between cannot make the two differ.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from matching.choices import MatchStatus, Role
from matching.digests import event_hash
from matching.models import Match, Terms
from matching.moves import awaited_roles, state_after, transition_of
from matching.selectors.violations import Violation
from matching.states import SIDES

BLOCK = 500
# What is in one of these was approved.
APPROVED_ONCE = frozenset(
    {MatchStatus.APPROVED, MatchStatus.CANCELLED, MatchStatus.COMPLETED, MatchStatus.FAILED}
)


class EventRow(NamedTuple):
    """One event, bare."""

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


class Version(NamedTuple):
    """One version of terms, bare."""

    number: int
    canonical: str
    digest: str
    commission_rate: Decimal
    slot_fee_cents: int
    cooperation_mode: str
    sessions: Any


@dataclass(frozen=True)
class Chain:
    """One match as it stands, with all its events in order and, if asked for, its versions of terms."""

    match_id: UUID
    status: str
    awaiting: str
    version: int
    terms_digest: str
    events: tuple[EventRow, ...]
    versions: tuple[Version, ...] = ()

    def wrong(self, code: str, seq: int | None = None, **values: object) -> Violation:
        """Return a violation of this match."""
        return Violation("match", str(self.match_id), code, seq, values)


Check = Callable[[Chain], Iterator[Violation]]


def violations(matches: QuerySet[Match], *checks: Check) -> Iterator[Violation]:
    """Yield what `checks` find in the chains of `matches`."""
    for chain in chains_of(matches, with_terms=check_terms in checks):
        for check in checks:
            yield from check(chain)


# --- reading ---------------------------------------------------------------------------------------


def chains_of(matches: QuerySet[Match], *, with_terms: bool = False) -> Iterator[Chain]:
    """Yield the chain of every match, in the order of their keys, in three queries a block."""
    ordered, last = matches.order_by("pk").values_list("pk", "public_id"), 0
    while names := dict(ordered.filter(pk__gt=last)[:BLOCK]):
        last = max(names)
        yield from _block(names, with_terms)


def _block(names: dict[int, UUID], with_terms: bool) -> Iterator[Chain]:
    keys = list(names)
    # A range is found and read faster than a list.
    is_dense = keys[-1] - keys[0] < len(keys)
    among = {"pk__range": (keys[0], keys[-1])} if is_dense else {"pk__in": keys}
    columns = ("pk", "status", "awaiting", "version", "terms__digest")
    events = (f"events__{name}" for name in EventRow._fields)
    rows = Match.objects.filter(**among).order_by("pk", "events__seq").values_list(*columns, *events)
    read = [(key, list(group)) for key, group in groupby(list(rows), key=itemgetter(0))]
    # Read after the events, so that the version which the last of them names is there.
    versions = _versions(keys) if with_terms else {}
    for key, group in read:
        _key, status, awaiting, version, digest = group[0][:5]
        yield Chain(
            match_id=names[key],
            status=status,
            awaiting=awaiting,
            version=version,
            terms_digest=digest or "",
            events=tuple(EventRow._make(row[5:]) for row in group if row[5] is not None),
            versions=versions.get(key, ()),
        )


def _versions(keys: list[int]) -> dict[int, tuple[Version, ...]]:
    rows = Terms.objects.filter(match_id__in=keys).order_by("match_id", "number")
    read = rows.values_list("match_id", *Version._fields)
    return {
        key: tuple(Version._make(row[1:]) for row in group) for key, group in groupby(read, key=itemgetter(0))
    }


# --- checking --------------------------------------------------------------------------------------


def check_numbers(chain: Chain) -> Iterator[Violation]:
    """Yield where the numbers 1, 2, 3 … of the events have a gap."""
    if not chain.events:
        yield chain.wrong("no_events")
    expected = 1
    for event in chain.events:
        if event.seq != expected:
            yield chain.wrong("number_missing", event.seq, expected=expected)
        expected = event.seq + 1


def check_changes(chain: Chain) -> Iterator[Violation]:
    """Yield matches that were changed more or fewer times than they have events."""
    if chain.version != len(chain.events):
        yield chain.wrong("change_without_event", changes=chain.version, events=len(chain.events))


def check_hashes(chain: Chain) -> Iterator[Violation]:
    """Yield the events that do not link to the one before, or whose hash is not that of their content."""
    link = ""
    for event in chain.events:
        if event.prev_hash != link:
            yield chain.wrong("broken_link", event.seq)
        if event.hash != event_hash(event, chain.match_id):
            yield chain.wrong("wrong_hash", event.seq)
        link = event.hash


def check_path(chain: Chain) -> Iterator[Violation]:
    """Yield the moves that the table of states does not know, and a state that the events do not lead to."""
    status, awaiting = "", ""
    for event in chain.events:
        yield from _check_move(chain, event, status, awaiting)
        status, awaiting = event.to_status, event.awaiting
    if chain.events and (status, awaiting) != (chain.status, chain.awaiting):
        expected, found = _state(status, awaiting), _state(chain.status, chain.awaiting)
        yield chain.wrong("other_state", chain.events[-1].seq, expected=expected, found=found)


def check_consent(chain: Chain) -> Iterator[Violation]:
    """Yield agreements and approvals that come before both sides said yes to the terms, or never came.

    Counted anew from who offered and who accepted, by the numbers of events and not by clocks.
    """
    agreeing: set[str] = set()
    for event in chain.events:
        if event.action in ("propose", "counter"):
            agreeing = set()
        if event.action in ("propose", "counter", "accept"):
            agreeing |= {event.actor_role} & SIDES
        if event.to_status in (MatchStatus.AGREED, MatchStatus.APPROVED) and agreeing != SIDES:
            missing = ", ".join(sorted(SIDES - agreeing))
            yield chain.wrong("no_consent", event.seq, status=event.to_status, missing=missing)
    approved = any(event.to_status == MatchStatus.APPROVED for event in chain.events)
    if chain.status in APPROVED_ONCE and not approved:
        yield chain.wrong("never_approved", status=chain.status)


def check_terms(chain: Chain) -> Iterator[Violation]:
    """Yield versions of terms that were altered, and events that name none or others than they may.

    Terms change by an offer and by nothing else: those that were agreed stay.
    """
    for version in chain.versions:
        if not is_as_hashed(version):
            yield chain.wrong("terms_altered", number=version.number)
    known, named = {version.digest for version in chain.versions}, ""
    for event in chain.events:
        if event.terms_digest not in known:
            yield chain.wrong("terms_unknown", event.seq)
        elif event.action not in ("propose", "counter") and event.terms_digest != named:
            yield chain.wrong("terms_moved", event.seq)
        named = event.terms_digest
    if chain.events and named != chain.terms_digest:
        yield chain.wrong("terms_exchanged", chain.events[-1].seq)


# By the number of the invariant; the append-only triggers of the fifth are `triggers.trigger_violations`.
CHECKS: dict[int, tuple[Check, ...]] = {
    3: (check_consent,),
    4: (check_numbers, check_path),
    5: (check_changes, check_hashes),
    7: (check_terms,),
}
ALL_CHECKS: tuple[Check, ...] = tuple(check for checks in CHECKS.values() for check in checks)


def is_as_hashed(version: Version) -> bool:
    """Tell whether the digest is that of the canonical text, and the columns say the same as the text."""
    if hashlib.sha256(version.canonical.encode()).hexdigest() != version.digest:
        return False
    columns = {
        "commission_rate": f"{version.commission_rate:.4f}",
        "slot_fee_cents": version.slot_fee_cents,
        "cooperation_mode": version.cooperation_mode,
        "sessions": version.sessions,
    }
    try:
        told = json.loads(version.canonical)
    except ValueError:
        return False
    return isinstance(told, dict) and told | columns == told


def _check_move(chain: Chain, event: EventRow, status: str, awaiting: str) -> Iterator[Violation]:
    if (event.from_status, event.to_status, event.awaiting) != _lead(event, status, awaiting):
        yield chain.wrong(
            "illegal_move",
            event.seq,
            action=event.action,
            role=event.actor_role,
            before=_state(status, awaiting) or "–",
            after=_state(event.to_status, event.awaiting),
        )
    elif transition_of(event.action).needs_reason and not event.reason_code:
        yield chain.wrong("no_reason", event.seq, action=event.action)


def _lead(event: EventRow, status: str, awaiting: str) -> tuple[str, str, str] | None:
    """Return (from, to, awaiting) that the move must have written from that state; None for no legal move."""
    try:
        row, role = transition_of(event.action), Role(event.actor_role)
    except (LookupError, ValueError):
        return None
    if status not in row.sources or role not in row.by:
        return None
    if row.awaited_only and role not in awaited_roles(awaiting):
        return None
    return status, *state_after(event.action, status, awaiting, role)


def _state(status: str, awaiting: str) -> str:
    """Name a state by codes alone, for it is stored: `proposed (anchor)`."""
    return f"{status} ({awaiting})" if awaiting else status
