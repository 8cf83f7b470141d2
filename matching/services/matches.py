"""The moves of a match, each one transaction: rules, guarded update, event, bookings (layer: services)."""

from collections.abc import Collection
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Anchor, ReasonCode, Stall, User
from matching.access import Standing, require_side
from matching.choices import OPEN_STATUSES, Awaiting, MatchStatus, Role, Side
from matching.engine.types import Rule
from matching.models import Match, MatchEvent, Terms
from matching.moves import acting_role, awaited_roles, state_after, transition_of
from matching.policy import ANSWER_WITHIN
from matching.rules import REASON_TEXTS, check_pair, closed_to, shown_to_sides
from matching.scores import stored_score
from matching.services.bookings import release, reserve
from matching.services.events import record_event
from matching.services.quota import count_proposal
from matching.signals import match_moved, pair_changed
from matching.states import SIDES
from matching.terms import TermsDraft, WantedSession, check_terms, sessions_from_json
from matchmaker.core.errors import Conflict, InvalidInput, NotAllowed, NotFound
from matchmaker.core.transitions import move
from matchmaker.core.weeks import TOWN_ZONE

OWN_MATCH = frozenset({Rule.OPEN_MATCH})
# What the match has reserved at acceptance would otherwise speak against its own approval.
OWN_BOOKINGS = frozenset({Rule.OPEN_MATCH, Rule.CAPACITY_FULL})
_OTHER = {Side.STALL: Awaiting.ANCHOR, Side.ANCHOR: Awaiting.STALL}


def propose_match(
    *, actor: User, side: str, stall: Stall, anchor: Anchor, terms: TermsDraft, note: str = ""
) -> Match:
    """Open a match of the pair in the name of `side`, waiting for the other; announce it.

    A proposal that crosses one of the other side with the same terms accepts it. Raises InvalidInput for the
    terms, NotFound when the actor does not act for `side`, Conflict (already_open, not_eligible) and
    TooManyRequests (proposal_quota_used).
    """
    require_side(actor, side, stall=stall, anchor=anchor)
    check_terms(terms, now=timezone.now())
    with transaction.atomic():
        crossed = _open_match(stall, anchor)
        if crossed is None:
            # One open match per pair is the constraint's to keep: the rule would refuse a proposal that
            # crosses one committed since the look above, instead of answering it.
            _require_fit(stall, anchor, proposed_by=side, ignore=OWN_MATCH)
            _require_acceptable(terms, side, stall, anchor)
            try:
                return _open(actor, Side(side), stall, anchor, terms, note)
            except IntegrityError:
                # The other side was a moment faster: the database keeps one open match per pair.
                crossed = _open_match(stall, anchor)
                if crossed is None:
                    raise
        return _cross(crossed, actor=actor, side=side, terms=terms)


def accept_match(*, actor: User, match: Match, terms_digest: str = "", note: str = "") -> Match:
    """Say yes for the awaited side of the actor; reserve hours and capacity once nobody is awaited.

    `terms_digest` names the terms that the actor saw. Raises NotFound, NotAllowed, Conflict (wrong_state,
    not_awaited, terms_changed, deadline_passed, not_eligible, hours_closed, hour_taken, session_full,
    capacity_full); nothing is kept then.
    """
    with transaction.atomic():
        match = _fresh(match)
        role = _role_for("accept", actor, match)
        _require_answerable(match, terms_digest)
        event = _move(match, "accept", actor=actor, role=role, note=note)
        _require_fit(match.stall, match.anchor, ignore=OWN_MATCH)
        _require_open_hours(match)
        if match.status == MatchStatus.AGREED:
            reserve(match)
        _announce(match, event)
    return match


def decline_match(*, actor: User, match: Match, reason_code: str = "", note: str = "") -> Match:
    """Say no for the awaited side that the actor stands on; the pair is hidden for a while."""
    with transaction.atomic():
        match = _fresh(match)
        role = _role_for("decline", actor, match)
        event = _move(match, "decline", actor=actor, role=role, reason_code=reason_code, note=note)
        _announce(match, event)
    return match


def approve_match(*, actor: User, match: Match, reason_code: str = "", note: str = "") -> Match:
    """Approve an agreed match as town staff, every hard rule checked once more in the same transaction.

    Raises NotAllowed (own_match for a member of either side) and Conflict (wrong_state, not_eligible,
    session_past, hours_closed).
    """
    with transaction.atomic():
        match = _fresh(match)
        role = _role_for("approve", actor, match)
        _require_times_to_come(match)
        event = _move(
            match, "approve", actor=actor, role=role, reason_code=reason_code, note=note, approved_by=actor
        )
        _require_fit(match.stall, match.anchor, ignore=OWN_BOOKINGS, for_staff=True)
        _require_open_hours(match)
        _announce(match, event)
    return match


def reject_match(*, actor: User, match: Match, reason_code: str, note: str = "") -> Match:
    """Reject an agreed match as town staff for a reason; hours and capacity are free again."""
    with transaction.atomic():
        match = _fresh(match)
        role = _role_for("reject", actor, match)
        event = _move(match, "reject", actor=actor, role=role, reason_code=reason_code, note=note)
        release(match)
        _announce(match, event)
    return match


# --- who may ---------------------------------------------------------------------------------------


def _role_for(action: str, actor: User, match: Match) -> str:
    """Return as whom `actor` takes `action` now, or raise why it cannot be."""
    standing = Standing.of(actor)
    if not actor.is_active or not standing.may_see(match):
        raise NotFound(code="no_such_match")
    row, roles = transition_of(action), standing.roles_in(match)
    if not roles & row.by:
        raise NotAllowed(_("This move is not yours to make."))
    if match.status not in row.sources:
        raise Conflict(code="wrong_state", status_now=match.status)
    role = acting_role(action, match.awaiting, roles)
    if role is None:
        raise Conflict(_("The other side has to answer."), code="not_awaited", status_now=match.status)
    if role == Role.STAFF and roles & SIDES:
        raise NotAllowed(_("You belong to one of the two sides of this match."), code="own_match")
    return role


# --- what must hold --------------------------------------------------------------------------------


def _require_fit(
    stall: Stall,
    anchor: Anchor,
    *,
    proposed_by: str = "",
    ignore: Collection[Rule] = frozenset(),
    for_staff: bool = False,
) -> None:
    codes = check_pair(stall, anchor, proposed_by=proposed_by, ignore=ignore)
    if not codes:
        return
    shown = codes if for_staff else shown_to_sides(codes)
    texts = "; ".join(str(REASON_TEXTS[code]) for code in shown)
    message = _("This pair cannot be matched now: %(reasons)s.") % {"reasons": texts}
    raise Conflict(message, code="not_eligible", reasons=shown)


def _require_acceptable(terms: TermsDraft, side: str, stall: Stall, anchor: Anchor) -> None:
    """Refuse terms that a rule of the pair forbids, naming the field."""
    fields: dict[str, list[str]] = {}
    too_low = anchor.is_commission_floor and terms.commission_rate < anchor.commission_rate
    if side == Side.STALL and too_low:
        fields["terms.commission_rate"] = [_("Below what this anchor works for.")]
    for closed_side, number, hour in closed_to(stall, anchor, terms.sessions):
        fields.setdefault(f"terms.sessions.{number}.starts_at", []).append(_closed_text(closed_side, hour))
    if fields:
        raise InvalidInput(code="invalid_terms", fields=fields)


def _require_open_hours(match: Match) -> None:
    for side, _number, hour in closed_to(match.stall, match.anchor, _sessions_of(match)):
        message = _closed_text(side, hour)
        raise Conflict(message, code="hours_closed", side=str(side), hour_at=hour.isoformat())


def _closed_text(side: Side, hour: datetime) -> str:
    when = {"hour": timezone.localtime(hour, TOWN_ZONE).strftime("%Y-%m-%d %H:%M")}
    if side == Side.STALL:
        return _("The stall is closed to streams at %(hour)s.") % when
    return _("The anchor is not free at %(hour)s.") % when


def _require_answerable(match: Match, terms_digest: str) -> None:
    if terms_digest and match.terms and terms_digest != match.terms.digest:
        raise Conflict(
            _("The terms have changed since you read them."), code="terms_changed", status_now=match.status
        )
    if match.deadline_at and match.deadline_at <= timezone.now():
        raise Conflict(_("The time for an answer is over."), code="deadline_passed", status_now=match.status)
    _require_times_to_come(match)


def _require_times_to_come(match: Match) -> None:
    now = timezone.now()
    if any(session.starts_at <= now for session in _sessions_of(match)):
        raise Conflict(
            _("The first session should have begun already."), code="session_past", status_now=match.status
        )


def _sessions_of(match: Match) -> list[WantedSession]:
    return sessions_from_json(match.terms.sessions) if match.terms else []


def _require_reason(action: str, reason_code: str) -> None:
    if not reason_code and not transition_of(action).needs_reason:
        return
    known = ReasonCode.objects.filter(purpose=action, is_retired=False).values_list("code", flat=True)
    if reason_code not in set(known):
        message = _("One of: %(codes)s.") % {"codes": ", ".join(known)}
        raise InvalidInput(code="invalid_reason", fields={"reason_code": [message]})


# --- what changes ----------------------------------------------------------------------------------


def _fresh(match: Match) -> Match:
    return Match.objects.select_related("stall", "anchor", "terms").get(pk=match.pk)


def _open_match(stall: Stall, anchor: Anchor) -> Match | None:
    rows = Match.objects.filter(stall=stall, anchor=anchor, status__in=OPEN_STATUSES)
    return rows.select_related("stall", "anchor", "terms").first()


def _open(actor: User, side: Side, stall: Stall, anchor: Anchor, terms: TermsDraft, note: str) -> Match:
    now = timezone.now()
    with transaction.atomic():
        count_proposal(side, stall.pk if side == Side.STALL else anchor.pk)
        match = Match.objects.create(
            stall=stall,
            anchor=anchor,
            status=MatchStatus.PROPOSED,
            awaiting=_OTHER[side],
            proposed_by=side,
            deadline_at=now + ANSWER_WITHIN,
            list_score_hundredths=stored_score(side, stall.pk, anchor.pk),
        )
        match.terms = _write_terms(match, terms, proposed_by=side)
        match.save(update_fields=["terms"])
        event = record_event(
            match, action="propose", from_status="", role=Role(side), actor=actor, at=now, note=note
        )
        _announce(match, event)
    return match


def _write_terms(match: Match, terms: TermsDraft, *, proposed_by: str) -> Terms:
    return Terms.objects.create(
        match=match,
        number=match.versions.count() + 1,
        commission_rate=terms.commission_rate,
        slot_fee_cents=terms.slot_fee_cents,
        cooperation_mode=terms.cooperation_mode,
        sessions=terms.sessions_as_json(),
        canonical=terms.canonical(),
        digest=terms.digest(),
        proposed_by=proposed_by,
    )


def _cross(match: Match, *, actor: User, side: str, terms: TermsDraft) -> Match:
    """Accept the other side's proposal when it says the same; else tell which match is open."""
    is_answer = match.status == MatchStatus.PROPOSED and Role(side) in awaited_roles(match.awaiting)
    if is_answer and match.terms and match.terms.digest == terms.digest():
        return accept_match(actor=actor, match=match)
    raise Conflict(
        _("The two have an open match already."),
        code="already_open",
        match=str(match.public_id),
        status_now=match.status,
    )


def _move(
    match: Match,
    action: str,
    *,
    actor: User | None,
    role: str,
    reason_code: str = "",
    note: str = "",
    **changes: object,
) -> MatchEvent:
    """Perform `action` on `match`, which stays as read or a Conflict is raised, and record its event."""
    _require_reason(action, reason_code)
    before, now = (match.status, match.awaiting), timezone.now()
    status, awaiting = state_after(action, *before, role)
    if status == MatchStatus.AGREED and status != before[0]:
        changes["agreed_at"] = now
    guard = {"awaiting": match.awaiting, "terms_id": match.terms_id}
    move(match, sources=(before[0],), guard=guard, status=status, awaiting=awaiting, **changes)
    return record_event(
        match,
        action=action,
        from_status=before[0],
        role=role,
        actor=actor,
        at=now,
        reason_code=reason_code,
        note=note,
    )


def _announce(match: Match, event: MatchEvent) -> None:
    match_moved.send(sender=Match, match=match, event=event)
    pair_changed.send(sender=Match, stall_id=match.stall_id, anchor_id=match.anchor_id)
