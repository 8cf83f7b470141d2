"""The moves of an outcome: recorded, corrected, confirmed, disputed, settled (layer: services).

Each is one transaction that first takes the row of the match: so a booking is not released under its outcome,
and of two last outcomes one sees the other and completes the match.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from matching.access import outcome_roles
from matching.choices import MatchStatus, OutcomeStatus, Role
from matching.models import Booking, Match, Outcome
from matching.outcome_moves import outcome_role, outcome_transition
from matching.outcomes import Figures, check_figures
from matching.services.matches import complete_by_outcomes
from matching.services.matches.guards import own_match, require_reason_of
from matching.services.outcome_events import record_outcome_event
from matching.signals import outcome_changed
from matching.states import SIDES
from matchmaker.core import clock
from matchmaker.core.errors import Conflict, InvalidInput, NotAllowed
from matchmaker.core.transitions import move

# A session of such a match took place, or is taken to have.
CARRIED_OUT = (MatchStatus.APPROVED, MatchStatus.COMPLETED)
Values = Mapping[str, Any]


def record_outcome(*, actor: User, booking: Booking, figures: Values, note: str = "") -> Outcome:
    """Record what the booking's session brought, for the side of the actor; announce it.

    The match is completed with its last outcome. Raises InvalidInput (impossible_figures), NotFound,
    NotAllowed, Conflict (wrong_state, session_to_come, booking_released, match_not_approved).
    """
    with transaction.atomic():
        turn = _begin("record", actor, booking)
        return _write(turn, checked(turn.booking, figures), note)


def correct_outcome(
    *, actor: User, booking: Booking, figures: Values, version: int | None = None, note: str = ""
) -> Outcome:
    """Replace the figures of the actor's side, which the other then has to confirm; announce it.

    `version` is the version that the actor saw. Raises as `record_outcome`, and InvalidInput (same_figures),
    Conflict (changed_meanwhile).
    """
    with transaction.atomic():
        turn = _begin("correct", actor, booking, version=version)
        right = checked(turn.booking, figures)
        if right == Figures.of(turn.outcome):
            # Else a dispute could be brushed aside by sending once more what is disputed.
            message = _("These are the figures as they stand.")
            raise InvalidInput(message, code="same_figures", fields={"body": [message]})
        return _write(turn, right, note)


def confirm_outcome(*, actor: User, booking: Booking, version: int | None = None, note: str = "") -> Outcome:
    """Say for the side that did not record the figures that they are right; announce it."""
    with transaction.atomic():
        return _write(_begin("confirm", actor, booking, version=version), None, note)


def dispute_outcome(
    *, actor: User, booking: Booking, reason_code: str, version: int | None = None, note: str = ""
) -> Outcome:
    """Say for the side that did not record the figures that they are wrong, and why; announce it."""
    with transaction.atomic():
        turn = _begin("dispute", actor, booking, version=version)
        require_reason_of(outcome_transition("dispute"), reason_code)
        return _write(turn, None, note, reason_code)


def settle_outcome(
    *,
    actor: User,
    booking: Booking,
    figures: Values | None = None,
    version: int | None = None,
    note: str = "",
) -> Outcome:
    """Fix the figures as town staff: as they stand, or these, which are needed where there are none yet.

    Announces it. Raises as `record_outcome`, NotAllowed (own_match) for a member of either side.
    """
    with transaction.atomic():
        turn = _begin("settle", actor, booking, version=version)
        is_given = bool(figures) or turn.outcome is None
        return _write(turn, checked(turn.booking, figures or {}) if is_given else None, note)


def checked(booking: Booking, figures: Values) -> Figures:
    """Return the figures if the session of this booking can have brought them; else InvalidInput."""
    return check_figures(figures, planned=booking.session.ends_at - booking.session.starts_at)


def outcome_of(booking: Booking) -> Outcome | None:
    """Return the outcome of a booking, which costs no query where it was loaded with it."""
    return getattr(booking, "outcome", None)


def role_in_move(action: str, booking: Booking, roles: frozenset[str], now: datetime) -> str:
    """Return as whom somebody with `roles` takes `action` now, or raise why it cannot be.

    Reads the booking with its match, session and outcome; asks the database nothing.
    """
    outcome, row = outcome_of(booking), outcome_transition(action)
    if not roles & row.by:
        raise NotAllowed(_("This move is not yours to make."))
    if row.by == {Role.STAFF} and roles & SIDES:
        raise own_match()
    if (outcome.status if outcome else "") not in row.sources:
        raise _conflict(booking)
    role = outcome_role(action, outcome.recorded_as if outcome else "", roles)
    if role is None:
        raise _not_theirs(action, booking)
    obstacle = _obstacle(booking, now)
    if obstacle is not None:
        raise obstacle
    return role


def require_move(action: str, actor: User, booking: Booking) -> None:
    """Raise what the move would raise whatever its figures were, as far as it can be known beforehand."""
    role_in_move(action, booking, outcome_roles(actor, booking.match), clock.now())


def can_be_told(booking: Booking, now: datetime) -> bool:
    """Tell whether the session was held for certain, so that its outcome may be recorded and changed."""
    return _obstacle(booking, now) is None


# --- how a move is made ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Turn:
    """A move that may be made: of what, by whom, when."""

    action: str
    actor: User
    role: str
    booking: Booking
    now: datetime

    @property
    def outcome(self) -> Outcome | None:
        return outcome_of(self.booking)


def _begin(action: str, actor: User, booking: Booking, *, version: int | None = None) -> _Turn:
    """Take the row of the match and return the move, or raise why it cannot be."""
    Match.objects.filter(pk=booking.match_id).update(updated_at=(now := clock.now()))
    loaded = Booking.objects.select_related("session", "outcome", "match__stall", "match__anchor")
    booking = loaded.get(pk=booking.pk)
    role = role_in_move(action, booking, outcome_roles(actor, booking.match), now)
    turn = _Turn(action, actor, role, booking, now)
    if version is not None and turn.outcome and turn.outcome.version != version:
        message = _("Somebody changed this meanwhile. Read it again and repeat your change.")
        raise _conflict(booking, message, code="changed_meanwhile")
    return turn


def _write(turn: _Turn, figures: Figures | None, note: str, reason_code: str = "") -> Outcome:
    """Store the move with its event, complete the match with its last outcome, and announce it."""
    outcome, before = turn.outcome, turn.outcome.status if turn.outcome else ""
    changes: dict[str, Any] = {"status": outcome_transition(turn.action).target}
    if figures is not None:
        changes |= asdict(figures) | {"recorded_as": turn.role, "recorded_by": turn.actor}
    if outcome is None:
        # The booking has one outcome: the unique column would refuse a second.
        outcome = Outcome.objects.create(booking=turn.booking, **changes)
    else:
        move(outcome, sources=(before,), guard={"version": outcome.version}, **changes)
    event = record_outcome_event(
        outcome,
        action=turn.action,
        from_status=before,
        role=turn.role,
        actor=turn.actor,
        at=turn.now,
        reason_code=reason_code,
        note=note,
    )
    outcome_changed.send(sender=Outcome, outcome=outcome, event=event)
    if not before:
        _complete_when_all_told(turn)
    return outcome


def _complete_when_all_told(turn: _Turn) -> None:
    match = turn.booking.match
    held = Booking.objects.filter(match=match, released_at__isnull=True)
    if match.status == MatchStatus.APPROVED and not held.filter(outcome__isnull=True).exists():
        complete_by_outcomes(actor=turn.actor, match=match)


# --- what speaks against one -----------------------------------------------------------------------


def _obstacle(booking: Booking, now: datetime) -> Conflict | None:
    """Return what is missing for the session to have been held: not released, approved, over by the clock."""
    if booking.released_at is not None:
        message = _("The booking was released: its session is not counted.")
        return _conflict(booking, message, code="booking_released")
    if booking.match.status not in CARRIED_OUT:
        message = _("Only sessions of an approved or completed match have an outcome.")
        return _conflict(booking, message, code="match_not_approved")
    if booking.session.ends_at > now:
        return _conflict(booking, _("The session is not over yet."), code="session_to_come")
    return None


def _not_theirs(action: str, booking: Booking) -> Conflict:
    if action == "correct":
        message = _("The other side recorded these figures: confirm or dispute them.")
    else:
        message = _("Your side recorded these figures: the other one has to say whether they are right.")
    return _conflict(booking, message, code="not_awaited")


def _conflict(booking: Booking, detail: str = "", *, code: str = "wrong_state") -> Conflict:
    """The refusal of a move that the state does not allow; it says what the states are."""
    outcome = outcome_of(booking)
    return Conflict(
        detail,
        code=code,
        status_now=str(OutcomeStatus(outcome.status)) if outcome else "",
        match_status_now=booking.match.status,
    )
