"""What happens by itself: proposals and agreements expire, staff are reminded (layer: services).

Beat calls this often; each match is a transaction of its own, so that a killed worker loses nothing and two
that run at once do each move once.
"""

from django.db import transaction

from matching.choices import MatchStatus, Role
from matching.models import Match
from matching.moves import transition_of
from matching.policy import ESCALATED_AFTER
from matching.services.matches.guards import state_conflict
from matching.services.matches.moving import announce, fresh, perform
from matching.signals import match_escalated
from matchmaker.core import clock
from matchmaker.core.errors import Conflict

# So many a tick; the next tick goes on where this one ended.
MOST_AT_ONCE = 500
_REASONS = {MatchStatus.PROPOSED: "expire_unanswered", MatchStatus.AGREED: "expire_unapproved"}


def keep_deadlines() -> dict[str, int]:
    """Expire what nobody answered or approved in time, escalate what waits for staff; return how many."""
    return {"expired": _expire_due(), "escalated": _escalate_due()}


def expire_match(*, match: Match) -> Match:
    """End a match whose deadline has passed; what was reserved is free again.

    Raises Conflict (wrong_state; not_due while there is time).
    """
    with transaction.atomic():
        match, now = fresh(match), clock.now()
        if match.status not in transition_of("expire").sources:
            raise state_conflict(match)
        if match.deadline_at is None or match.deadline_at > now:
            raise state_conflict(match, code="not_due")
        event = perform(
            match,
            "expire",
            actor=None,
            role=Role.SYSTEM,
            now=now,
            reason_code=_REASONS[MatchStatus(match.status)],
        )
        announce(match, event)
    return match


def escalate_match(*, match: Match) -> bool:
    """Mark an agreed match as waiting too long and announce it; False when it was, or no longer waits."""
    with transaction.atomic():
        now = clock.now()
        waits = Match.objects.filter(pk=match.pk, status=MatchStatus.AGREED, escalated_at__isnull=True)
        if not waits.filter(agreed_at__lte=now - ESCALATED_AFTER).update(escalated_at=now):
            return False
        match_escalated.send(sender=Match, match=fresh(match))
    return True


def _expire_due() -> int:
    due = Match.objects.filter(status__in=list(_REASONS), deadline_at__lte=clock.sql_now())
    expired = 0
    for match in list(due.order_by("deadline_at")[:MOST_AT_ONCE]):
        try:
            expire_match(match=match)
        except Conflict:
            continue  # somebody moved it a moment ago
        expired += 1
    return expired


def _escalate_due() -> int:
    late = clock.now() - ESCALATED_AFTER
    due = Match.objects.filter(status=MatchStatus.AGREED, escalated_at__isnull=True, agreed_at__lte=late)
    return sum(escalate_match(match=match) for match in list(due.order_by("agreed_at")[:MOST_AT_ONCE]))
