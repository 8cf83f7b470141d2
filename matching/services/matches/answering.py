"""What the two sides say to terms: yes, no, never mind (layer: services)."""

from django.db import transaction

from accounts.models import User
from matching.choices import MatchStatus
from matching.models import Match
from matching.services.bookings import reserve
from matching.services.matches.guards import (
    OWN_MATCH,
    require_answerable,
    require_fit,
    require_open_hours,
    role_for,
)
from matching.services.matches.moving import announce, fresh, perform, take_step
from matchmaker.core import clock


def accept_match(
    *, actor: User, match: Match, terms_digest: str = "", note: str = "", version: int | None = None
) -> Match:
    """Say yes for the awaited side of the actor; reserve hours and capacity once nobody is awaited.

    `terms_digest` and `version` name what the actor saw. Raises NotFound, NotAllowed, Conflict (wrong_state,
    not_awaited, changed_meanwhile, terms_changed, deadline_passed, not_eligible, hours_closed, hour_taken,
    session_full, capacity_full); nothing is kept then.
    """
    now = clock.now()
    with transaction.atomic():
        match = fresh(match, version)
        role = role_for("accept", actor, match)
        require_answerable(match, terms_digest, now)
        event = perform(match, "accept", actor=actor, role=role, now=now, note=note)
        require_fit(match.stall, match.anchor, ignore=OWN_MATCH)
        require_open_hours(match)
        if match.status == MatchStatus.AGREED:
            reserve(match)
        announce(match, event)
    return match


def decline_match(
    *, actor: User, match: Match, reason_code: str = "", note: str = "", version: int | None = None
) -> Match:
    """Say no for the awaited side that the actor stands on; the pair is hidden for a while."""
    return take_step("decline", actor=actor, match=match, reason_code=reason_code, note=note, version=version)


def withdraw_match(
    *, actor: User, match: Match, reason_code: str = "", note: str = "", version: int | None = None
) -> Match:
    """Take a proposal or an agreement back as either side; what was reserved is free again."""
    return take_step(
        "withdraw", actor=actor, match=match, reason_code=reason_code, note=note, version=version
    )
