"""Whom a move concerns, and as whom each of them reads of it (layer: selectors)."""

from django.contrib.auth.backends import ModelBackend
from django.db.models import Q

from accounts.models import Membership
from matching.access import DECIDE
from matching.choices import Awaiting, MatchStatus, OutcomeStatus, Role
from matching.models import Match, MatchEvent, OutcomeEvent

SETTLE = "matching.change_outcome"
Readers = dict[int, str]


def readers_of_move(event: MatchEvent) -> Readers:
    """Return who is told of a move, by user id: both sides but the mover; deciders once it waits for them."""
    told = _sides(event.match, event, awaiting=event.awaiting)
    if event.to_status == MatchStatus.AGREED:
        told |= _staff(DECIDE, event.match)
    return told


def readers_of_escalation(match: Match) -> Readers:
    """Return the staff who may decide about a match that has waited for too long."""
    return _staff(DECIDE, match)


def readers_of_outcome(event: OutcomeEvent) -> Readers:
    """Return who is told of what a session brought: both sides but the actor; staff once it is disputed."""
    match = event.outcome.booking.match
    told = _sides(match, event)
    if event.to_status == OutcomeStatus.DISPUTED:
        told |= _staff(SETTLE, match)
    return told


def _sides(match: Match, event: MatchEvent | OutcomeEvent, *, awaiting: str = Awaiting.NOBODY) -> Readers:
    stall, anchor = _members(match)
    told = dict.fromkeys(stall, str(Role.STALL)) | dict.fromkeys(anchor, str(Role.ANCHOR))
    told |= dict.fromkeys(stall & anchor, _nearer(event.actor_role, awaiting))
    # What the system does is news to everybody, also to who recorded what made it do so.
    if event.actor_role != Role.SYSTEM and event.actor_id is not None:
        told.pop(event.actor_id, None)
    return told


def _nearer(mover: str, awaiting: str) -> str:
    """Return as which side somebody on both reads: the one that has to answer, else the one that is told."""
    if awaiting in (Awaiting.STALL, Awaiting.ANCHOR):
        return awaiting
    return str(Role.ANCHOR if mover == Role.STALL else Role.STALL)


def _members(match: Match) -> tuple[set[int], set[int]]:
    """Return who acts for the stall and who for the anchor, but for users who are switched off; one query."""
    of_sides = Q(merchant=match.stall.merchant_id) | Q(anchor=match.anchor_id)
    rows = Membership.objects.filter(of_sides, user__is_active=True).values_list("user_id", "merchant_id")
    found = list(rows)
    return {user for user, merchant in found if merchant}, {user for user, merchant in found if not merchant}


def _staff(permission: str, match: Match) -> Readers:
    """Return the staff with that permission who belong to neither side."""
    able = ModelBackend().with_perm(permission).filter(is_staff=True)
    sides = Membership.objects.filter(Q(merchant=match.stall.merchant_id) | Q(anchor=match.anchor_id))
    ids = able.exclude(pk__in=sides.values("user_id")).values_list("pk", flat=True)
    return dict.fromkeys(ids, str(Role.STAFF))
