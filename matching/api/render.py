"""Matches as their readers see them (layer: faces)."""

from collections.abc import Sequence
from typing import Any

from accounts.cards import anchor_card, stall_card
from accounts.privacy.masking import AGREED, Seen
from matching.access import Standing
from matching.choices import ACTIVE_STATUSES, MatchStatus, Role, Side
from matching.models import Booking, Match, MatchEvent, Terms
from matching.moves import allowed_actions
from matching.terms_in_words import preview_of

# Both have agreed, and staff did not send them apart.
CONTACT_STATUSES = (*ACTIVE_STATUSES, MatchStatus.COMPLETED)


def match_summary(match: Match, standing: Standing) -> dict[str, Any]:
    """Return a match as one row of a list; needs stall, anchor and terms loaded."""
    roles = standing.roles_in(match)
    score = match.list_score_hundredths
    return {
        "id": match.public_id,
        "status": match.status,
        "awaiting": match.awaiting,
        "side": side_of(match, roles),
        "proposed_by": match.proposed_by,
        "score": None if score is None else score / 100,
        "created_at": match.created_at,
        "updated_at": match.updated_at,
        "origin": match.origin,
        "deadline_at": match.deadline_at,
        "agreed_at": match.agreed_at,
        "ended_at": match.ended_at,
        "stall": stall_card(match.stall),
        "anchor": anchor_card(match.anchor),
        "terms": None if match.terms is None else plain_terms(match.terms),
        "allowed_actions": allowed_actions(match.status, match.awaiting, roles),
    }


def match_detail(
    match: Match, standing: Standing, events: Sequence[MatchEvent], bookings: Sequence[Booking]
) -> dict[str, Any]:
    """Return a match with all that its reader may know."""
    is_staff = reads_as_staff(match, standing)
    summary = match_summary(match, standing)
    if match.terms is not None:
        summary["terms"]["preview"] = preview_of(match.terms)
    return summary | {
        "contact": _contact(match, side_of(match, standing.roles_in(match))),
        "events": [event_row(event, is_staff=is_staff) for event in events],
        "bookings": [_booking(booking) for booking in bookings],
    }


def reads_as_staff(match: Match, standing: Standing) -> bool:
    """Tell whether the reader sees the match as staff and stands on no side of it."""
    return standing.is_viewer and not side_of(match, standing.roles_in(match))


def side_of(match: Match, roles: frozenset[str]) -> str | None:
    """Return the side that the reader stands on; of two the one that has to answer, else the stall."""
    sides = [side for side in Side.values if side in roles]
    return next((side for side in sides if side == match.awaiting), sides[0] if sides else None)


def _contact(match: Match, side: str | None) -> dict[str, str] | None:
    if side is None or match.status not in CONTACT_STATUSES:
        return None
    if side == Side.STALL:
        anchor = Seen(match.anchor, AGREED)
        return {"name": anchor.real_name, "phone": anchor.contact_phone}
    merchant = Seen(match.stall.merchant, AGREED)
    return {"name": merchant.contact_name or merchant.name, "phone": merchant.contact_phone}


def plain_terms(terms: Terms) -> dict[str, Any]:
    """Return one version of terms."""
    return {
        "version": terms.number,
        "commission_rate": terms.commission_rate,
        "slot_fee_cents": terms.slot_fee_cents,
        "cooperation_mode": terms.cooperation_mode,
        "sessions": terms.sessions,
        "digest": terms.digest,
        "proposed_by": terms.proposed_by,
        "created_at": terms.created_at,
    }


def event_row(event: MatchEvent, *, is_staff: bool) -> dict[str, Any]:
    """Return an event; needs its note loaded. Notes of staff are for staff."""
    note = event.note if is_note_shown(event, is_staff=is_staff) else None
    return {
        "seq": event.seq,
        "action": event.action,
        "from_status": event.from_status,
        "to_status": event.to_status,
        "awaiting": event.awaiting,
        "actor_role": event.actor_role,
        "reason_code": event.reason_code,
        "terms_digest": event.terms_digest,
        "note": note.text if note else "",
        "note_erased_at": note.erased_at if note else None,
        "at": event.at,
    }


def is_note_shown(event: MatchEvent, *, is_staff: bool) -> bool:
    """Tell whether the note of `event` is for a reader who is, or is not, of the staff."""
    return event.note is not None and (is_staff or event.actor_role != Role.STAFF)


def _booking(booking: Booking) -> dict[str, Any]:
    outcome = getattr(booking, "outcome", None)
    return {
        "id": booking.public_id,
        "session": booking.session.public_id,
        "starts_at": booking.session.starts_at,
        "ends_at": booking.session.ends_at,
        "mode": booking.session.mode,
        "week_on": booking.week_on,
        "released_at": booking.released_at,
        "outcome": outcome.status if outcome else None,
    }
