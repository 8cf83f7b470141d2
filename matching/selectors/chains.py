"""Whether events, and the terms, are as they were written (layer: selectors)."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import QuerySet

from matching.choices import MatchStatus
from matching.selectors.chain_rows import (
    Chain,
    EventRow,
    MatchChain,
    MatchDayChain,
    OutcomeChain,
    State,
    Version,
    chains_of,
)
from matching.selectors.violations import Violation
from matching.states import SIDES

# What is in one of these was approved.
APPROVED_ONCE = frozenset(
    {MatchStatus.APPROVED, MatchStatus.CANCELLED, MatchStatus.COMPLETED, MatchStatus.FAILED}
)
TELLING = frozenset({"record", "correct", "settle"})
Check = Callable[[Chain], Iterator[Violation]]


def violations(rows: QuerySet[Any], *checks: Check) -> Iterator[Violation]:
    """Yield what `checks` find in the chains of `rows`, which are of one kind."""
    for chain in chains_of(rows, with_terms=check_terms in checks):
        for check in checks:
            yield from check(chain)


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
    """Yield what was changed more or fewer times than it has events."""
    changes, events = chain.row["version"], len(chain.events)
    if changes != events:
        yield chain.wrong("change_without_event", changes=changes, events=events)


def check_hashes(chain: Chain) -> Iterator[Violation]:
    """Yield the events that do not link to the one before, or whose hash is not that of their content."""
    link = ""
    for event in chain.events:
        if event.prev_hash != link:
            yield chain.wrong("broken_link", event.seq)
        if event.hash != chain.hash_of(event):
            yield chain.wrong("wrong_hash", event.seq)
        link = event.hash


def check_path(chain: Chain) -> Iterator[Violation]:
    """Yield the moves that the table of states does not know, and a state that the events do not lead to."""
    state: State = ("", "")
    for event in chain.events:
        yield from _check_move(chain, event, state)
        state = event.to_status, event.awaiting
    if chain.events and state != chain.state:
        yield chain.wrong(
            "other_state", chain.events[-1].seq, expected=_named(state), found=_named(chain.state)
        )


def check_consent(chain: Chain) -> Iterator[Violation]:
    """Yield agreements and approvals that come before both sides said yes to the terms, or never came.

    Counted anew from who offered and who accepted, by the numbers of events and not by clocks.
    """
    if not isinstance(chain, MatchChain):
        return
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
    if chain.row["status"] in APPROVED_ONCE and not approved:
        yield chain.wrong("never_approved", status=chain.row["status"])


def check_terms(chain: Chain) -> Iterator[Violation]:
    """Yield versions of terms that were altered, and events that name none or others than they may.

    Terms change by an offer and by nothing else: those that were agreed stay.
    """
    if not isinstance(chain, MatchChain):
        return
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
    if chain.events and named != (chain.row["terms__digest"] or ""):
        yield chain.wrong("terms_exchanged", chain.events[-1].seq)


def check_figures(chain: Chain) -> Iterator[Violation]:
    """Yield outcomes with other figures than their last event, and moves that changed what they may not."""
    if not isinstance(chain, OutcomeChain):
        return
    stood = None
    for event in chain.events:
        if event.action not in TELLING and event.figures != stood:
            yield chain.wrong("figures_moved", event.seq)
        stood = event.figures
    if chain.events and stood != chain.figures:
        yield chain.wrong("figures_exchanged", chain.events[-1].seq)


def check_result(chain: Chain) -> Iterator[Violation]:
    """Yield match days with another result than their last event names."""
    if isinstance(chain, MatchDayChain) and chain.events and chain.events[-1].digest != chain.row["digest"]:
        yield chain.wrong("result_exchanged", chain.events[-1].seq)


# By the number of the invariant; the append-only triggers of the fifth are `triggers.trigger_violations`.
CHECKS: dict[int, tuple[Check, ...]] = {
    3: (check_consent,),
    4: (check_numbers, check_path),
    5: (check_changes, check_hashes, check_figures, check_result),
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


def _check_move(chain: Chain, event: EventRow, before: State) -> Iterator[Violation]:
    after = event.to_status, event.awaiting
    if event.from_status != before[0] or _lead(chain, event, before) != after:
        yield chain.wrong(
            "illegal_move",
            event.seq,
            action=event.action,
            role=event.actor_role,
            before=_named(before) or "–",
            after=_named(after),
        )
    elif chain.transition(event).needs_reason and not event.reason_code:
        yield chain.wrong("no_reason", event.seq, action=event.action)


def _lead(chain: Chain, event: EventRow, before: State) -> State | None:
    """Return the state that the move must have led to from that one; None for no legal move."""
    try:
        row = chain.transition(event)
        is_legal = before[0] in row.sources and event.actor_role in row.by
        return chain.state_after(event, before) if is_legal else None
    except (LookupError, ValueError):  # no such action, or nobody who could be awaited
        return None


def _named(state: State) -> str:
    """Name a state by codes alone, for it is stored: `proposed (anchor)`."""
    status, awaiting = state
    return f"{status} ({awaiting})" if awaiting else status
