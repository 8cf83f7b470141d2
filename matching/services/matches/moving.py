"""The one way in which a match moves: guarded update, release, event, announcement (layer: services)."""

from collections.abc import Callable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import Anchor, Stall, User
from matching.choices import ACTIVE_STATUSES, OPEN_STATUSES, MatchStatus
from matching.models import Match, MatchEvent, Terms
from matching.moves import state_after, transition_of
from matching.policy import ANSWER_WITHIN
from matching.services.bookings import release
from matching.services.events import record_event
from matching.services.matches.guards import (
    require_reason,
    role_for,
    state_conflict,
    wanted_sessions,
)
from matching.signals import match_moved, pair_changed
from matching.terms import TermsDraft
from matchmaker.core import clock
from matchmaker.core.errors import Conflict
from matchmaker.core.transitions import move


def fresh(match: Match, version: int | None = None) -> Match:
    """Return the match as its row is now, with stall, anchor and terms.

    Raises Conflict (changed_meanwhile) when the actor saw another `version`.
    """
    row = Match.objects.select_related("stall", "anchor", "terms").get(pk=match.pk)
    if version is not None and row.version != version:
        message = _("Somebody moved this match meanwhile. Read it again.")
        raise state_conflict(row, message, code="changed_meanwhile")
    return row


def open_match_of(stall: Stall, anchor: Anchor) -> Match | None:
    """Return the open match of the pair with stall, anchor and terms; the database keeps at most one."""
    rows = Match.objects.filter(stall=stall, anchor=anchor, status__in=OPEN_STATUSES)
    return rows.select_related("stall", "anchor", "terms").first()


def take_step(
    action: str,
    *,
    actor: User,
    match: Match,
    reason_code: str,
    note: str,
    version: int | None = None,
    check: Callable[[Match, str, datetime], None] | None = None,
) -> Match:
    """Make a move that nothing but its guards and `check(match, role, now)` can refuse; announce it.

    `version` is the one that the actor saw. Raises NotFound, NotAllowed, InvalidInput (invalid_reason),
    Conflict (wrong_state, not_awaited, changed_meanwhile).
    """
    now = clock.now()
    with transaction.atomic():
        match = fresh(match, version)
        role = role_for(action, actor, match)
        if check is not None:
            check(match, role, now)
        event = perform(match, action, actor=actor, role=role, now=now, reason_code=reason_code, note=note)
        announce(match, event)
    return match


def perform(
    match: Match,
    action: str,
    *,
    actor: User | None,
    role: str,
    now: datetime,
    reason_code: str = "",
    note: str = "",
    **changes: object,
) -> MatchEvent:
    """Perform `action` on `match`, which stays as it was read or a Conflict is raised, and record its event.

    What the move releases is free again when it returns. Must run in the transaction of the whole move.
    """
    require_reason(action, reason_code)
    before = match.status
    status, awaiting = state_after(action, before, match.awaiting, role)
    changes |= _times_of(match, before, status, now)
    guard = {"version": match.version}
    try:
        move(match, sources=(before,), guard=guard, status=status, awaiting=awaiting, **changes)
    except Conflict:
        raise state_conflict(fresh(match)) from None
    if transition_of(action).releases and before in ACTIVE_STATUSES:
        release(match)
    return record_event(
        match,
        action=action,
        from_status=before,
        role=role,
        actor=actor,
        at=now,
        reason_code=reason_code,
        note=note,
    )


def _times_of(match: Match, before: str, status: str, now: datetime) -> dict[str, object]:
    """Return when the match agreed, ended and expires, as far as the new state changes it."""
    if status == before:
        return {}
    if status == MatchStatus.AGREED:
        return {"agreed_at": now, "deadline_at": min(s.starts_at for s in wanted_sessions(match))}
    if status in OPEN_STATUSES:
        return {"deadline_at": None}
    return {"ended_at": now, "deadline_at": None}


def answer_until(terms: TermsDraft, now: datetime) -> datetime:
    """Return when a proposal of these terms expires: in three days, or when its first session would begin."""
    return min(now + ANSWER_WITHIN, *(session.starts_at for session in terms.sessions))


def write_terms(match: Match, terms: TermsDraft, *, proposed_by: str) -> Terms:
    """Append a version of terms; Conflict when somebody else appended one in the same moment."""
    number = match.versions.count() + 1
    try:
        with transaction.atomic():
            return Terms.objects.create(
                match=match,
                number=number,
                commission_rate=terms.commission_rate,
                slot_fee_cents=terms.slot_fee_cents,
                cooperation_mode=terms.cooperation_mode,
                sessions=terms.sessions_as_json(),
                canonical=terms.canonical(),
                digest=terms.digest(),
                proposed_by=proposed_by,
            )
    except IntegrityError:
        raise state_conflict(fresh(match)) from None


def announce(match: Match, event: MatchEvent) -> None:
    """Tell the other apps of the move, within its transaction."""
    match_moved.send(sender=Match, match=match, event=event)
    pair_changed.send(sender=Match, stall_id=match.stall_id, anchor_id=match.anchor_id)
