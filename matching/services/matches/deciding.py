"""What becomes of an agreed match: approved, rejected, completed, cancelled, failed (layer: services)."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from matching.choices import Role
from matching.models import Match
from matching.services.matches.guards import (
    OWN_BOOKINGS,
    require_begun,
    require_fit,
    require_not_begun,
    require_open_hours,
    require_over,
    require_times_to_come,
    role_for,
)
from matching.services.matches.moving import announce, fresh, perform, take_step
from matching.states import SIDES
from matchmaker.core import clock


def approve_match(
    *, actor: User, match: Match, reason_code: str = "", note: str = "", version: int | None = None
) -> Match:
    """Approve an agreed match as town staff, every hard rule checked once more in the same transaction.

    Raises NotAllowed (own_match for a member of either side) and Conflict (wrong_state, not_eligible,
    session_past, hours_closed).
    """
    now = clock.now()
    with transaction.atomic():
        match = fresh(match, version)
        role = role_for("approve", actor, match)
        require_times_to_come(match, now)
        event = perform(
            match,
            "approve",
            actor=actor,
            role=role,
            now=now,
            reason_code=reason_code,
            note=note,
            approved_by=actor,
        )
        require_fit(match.stall, match.anchor, ignore=OWN_BOOKINGS, for_staff=True)
        require_open_hours(match)
        announce(match, event)
    return match


def reject_match(
    *, actor: User, match: Match, reason_code: str, note: str = "", version: int | None = None
) -> Match:
    """Reject an agreed match as town staff for a reason; hours and capacity are free again."""
    return take_step("reject", actor=actor, match=match, reason_code=reason_code, note=note, version=version)


def cancel_match(
    *, actor: User, match: Match, reason_code: str, note: str = "", version: int | None = None
) -> Match:
    """Call off an approved match for a reason; hours and capacity are free again.

    A side may until the first session begins (Conflict session_begun), staff also later.
    """
    return take_step(
        "cancel",
        actor=actor,
        match=match,
        reason_code=reason_code,
        note=note,
        version=version,
        check=_may_cancel,
    )


def complete_match(
    *, actor: User, match: Match, reason_code: str = "", note: str = "", version: int | None = None
) -> Match:
    """Note as town staff that all sessions of an approved match took place.

    Raises Conflict (wrong_state; session_to_come until the last one is over).
    """
    return take_step(
        "complete",
        actor=actor,
        match=match,
        reason_code=reason_code,
        note=note,
        version=version,
        check=_is_over,
    )


def complete_by_outcomes(*, actor: User | None, match: Match) -> Match:
    """Complete an approved match whose every session has an outcome; must run in that transaction.

    The system makes the move; `actor` recorded the last outcome.
    """
    match = fresh(match)
    event = perform(match, "complete", actor=actor, role=Role.SYSTEM, now=clock.now())
    announce(match, event)
    return match


def fail_match(
    *, actor: User, match: Match, reason_code: str, note: str = "", version: int | None = None
) -> Match:
    """Note as town staff why an approved match did not take place; hours and capacity are free again.

    Raises Conflict (wrong_state; session_to_come before the first one has begun).
    """
    return take_step(
        "fail",
        actor=actor,
        match=match,
        reason_code=reason_code,
        note=note,
        version=version,
        check=_has_begun,
    )


def _may_cancel(match: Match, role: str, now: datetime) -> None:
    if role in SIDES:
        require_not_begun(match, now)


def _is_over(match: Match, _role: str, now: datetime) -> None:
    require_over(match, now)


def _has_begun(match: Match, _role: str, now: datetime) -> None:
    require_begun(match, now)
