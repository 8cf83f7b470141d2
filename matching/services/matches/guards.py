"""What every move asks first: who may, do rules and calendars allow it, is there time (layer: services)."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Anchor, ReasonCode, Stall, User
from matching.access import roles_for
from matching.choices import Role, Side
from matching.engine.types import Rule
from matching.models import Match
from matching.moves import acting_role, transition_of
from matching.rules import REASON_TEXTS, check_pair, closed_to, shown_to_sides
from matching.states import SIDES
from matching.terms import TermsDraft, WantedSession, sessions_from_json
from matchmaker.core.errors import Conflict, InvalidInput, NotAllowed
from matchmaker.core.transitions import Transition
from matchmaker.core.weeks import TOWN_ZONE

OWN_MATCH = frozenset({Rule.OPEN_MATCH})
# What the match has reserved at acceptance would otherwise speak against its own approval.
OWN_BOOKINGS = frozenset({Rule.OPEN_MATCH, Rule.CAPACITY_FULL})


def role_for(action: str, actor: User, match: Match) -> str:
    """Return as whom `actor` takes `action` now, or raise why it cannot be."""
    roles, row = roles_for(action, actor, match), transition_of(action)
    if match.status not in row.sources:
        raise state_conflict(match)
    role = acting_role(action, match.awaiting, roles)
    if role is None:
        raise state_conflict(match, _("The other side has to answer."), code="not_awaited")
    if role == Role.STAFF and roles & SIDES:
        raise own_match()
    return role


def own_match() -> NotAllowed:
    """The refusal of a staff move by somebody who acts for one of the sides."""
    return NotAllowed(_("You belong to one of the two sides of this match."), code="own_match")


def state_conflict(match: Match, /, detail: str = "", *, code: str = "wrong_state", **extra: Any) -> Conflict:
    """The refusal of a move that the match's state does not allow; it says what the state is."""
    return Conflict(detail, code=code, status_now=match.status, awaiting_now=match.awaiting, **extra)


# --- rules -----------------------------------------------------------------------------------------


def require_fit(
    stall: Stall,
    anchor: Anchor,
    *,
    proposed_by: str = "",
    ignore: Collection[Rule] = frozenset(),
    for_staff: bool = False,
) -> None:
    """Raise Conflict (not_eligible) with every hard rule that speaks against the pair as it stands now."""
    codes = check_pair(stall, anchor, proposed_by=proposed_by, ignore=ignore)
    if not codes:
        return
    shown = codes if for_staff else shown_to_sides(codes)
    texts = "; ".join(str(REASON_TEXTS[code]) for code in shown)
    message = _("This pair cannot be matched now: %(reasons)s.") % {"reasons": texts}
    raise Conflict(message, code="not_eligible", reasons=shown)


def require_acceptable(terms: TermsDraft, role: str, stall: Stall, anchor: Anchor) -> None:
    """Refuse terms that a rule of the pair forbids, naming the field; an anchor may go below its floor."""
    fields: dict[str, list[str]] = {}
    too_low = anchor.is_commission_floor and terms.commission_rate < anchor.commission_rate
    if role != Role.ANCHOR and too_low:
        fields["terms.commission_rate"] = [_("Below what this anchor works for.")]
    for closed_side, number, hour in closed_to(stall, anchor, terms.sessions):
        fields.setdefault(f"terms.sessions.{number}.starts_at", []).append(_closed_text(closed_side, hour))
    if fields:
        raise InvalidInput(code="invalid_terms", fields=fields)


def require_open_hours(match: Match) -> None:
    """Raise Conflict (hours_closed) for the first hour at which a calendar is closed to the match."""
    for side, _number, hour in closed_to(match.stall, match.anchor, wanted_sessions(match)):
        message = _closed_text(side, hour)
        raise Conflict(message, code="hours_closed", side=str(side), hour_at=hour.isoformat())


def _closed_text(side: Side, hour: datetime) -> str:
    when = {"hour": timezone.localtime(hour, TOWN_ZONE).strftime("%Y-%m-%d %H:%M")}
    if side == Side.STALL:
        return _("The stall is closed to streams at %(hour)s.") % when
    return _("The anchor is not free at %(hour)s.") % when


def require_reason(action: str, reason_code: str) -> None:
    """Raise InvalidInput for a code that is no reason of this move, or where one is missing."""
    require_reason_of(transition_of(action), reason_code)


def require_reason_of(row: Transition, reason_code: str) -> None:
    """Raise InvalidInput for a code whose purpose is not this row's action, or where it needs one."""
    if not reason_code and not row.needs_reason:
        return
    known = ReasonCode.objects.filter(purpose=row.action, is_retired=False).values_list("code", flat=True)
    if reason_code not in set(known):
        message = _("One of: %(codes)s.") % {"codes": ", ".join(known)}
        raise InvalidInput(code="invalid_reason", fields={"reason_code": [message]})


# --- time ------------------------------------------------------------------------------------------


def require_answerable(match: Match, terms_digest: str, now: datetime) -> None:
    """Raise Conflict when other terms were read than stand (terms_changed), or it is too late to answer."""
    if terms_digest and match.terms and terms_digest != match.terms.digest:
        raise state_conflict(match, _("The terms have changed since you read them."), code="terms_changed")
    require_times_to_come(match, now)
    if match.deadline_at and match.deadline_at <= now:
        raise state_conflict(match, _("The time for an answer is over."), code="deadline_passed")


def require_times_to_come(match: Match, now: datetime) -> None:
    """Raise Conflict (session_past) once a wanted session should have begun."""
    if any(session.starts_at <= now for session in wanted_sessions(match)):
        raise state_conflict(match, _("The first session should have begun already."), code="session_past")


def require_begun(match: Match, now: datetime) -> None:
    """Raise Conflict (session_to_come) while no session of the match has begun."""
    if not any(starts_at <= now for starts_at, _ends_at in _booked_times(match)):
        raise state_conflict(match, _("The first session is still to come."), code="session_to_come")


def require_not_begun(match: Match, now: datetime) -> None:
    """Raise Conflict (session_begun) once a session of the match has begun."""
    if any(starts_at <= now for starts_at, _ends_at in _booked_times(match)):
        message = _("A session has begun: record what it brought, or ask town staff.")
        raise state_conflict(match, message, code="session_begun")


def require_over(match: Match, now: datetime) -> None:
    """Raise Conflict (session_to_come) until all sessions of the match are over."""
    if any(ends_at > now for _starts_at, ends_at in _booked_times(match)):
        raise state_conflict(match, _("Not all sessions are over yet."), code="session_to_come")


def _booked_times(match: Match) -> Iterable[tuple[datetime, datetime]]:
    booked = match.bookings.filter(released_at__isnull=True)
    return list(booked.values_list("session__starts_at", "session__ends_at"))


def wanted_sessions(match: Match) -> list[WantedSession]:
    """Return the sessions that the present terms of the match want."""
    return sessions_from_json(match.terms.sessions) if match.terms else []
