"""News of moves and outcomes: the job that tells of each, and what it tells to whom (layer: services).

The job is written in the transaction of the move, so that a move without news cannot be. Telling may be
repeated, or be cut off between two readers and done again: each of them has one notice in the end.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from jobs.models import Job
from jobs.services import enqueue
from matching.choices import MatchStatus, Role
from matching.models import Match, MatchEvent, OutcomeEvent, Terms
from matching.notices import ESCALATE, MATCH, OUTCOME
from matching.policy import ANSWER_WITHIN
from matching.selectors.readers import (
    Readers,
    readers_of_escalation,
    readers_of_move,
    readers_of_outcome,
)
from matching.terms import sessions_from_json
from notifications.services import tell

MOVE_KIND = "matching.tell_of_move"
ESCALATION_KIND = "matching.tell_of_escalation"
OUTCOME_KIND = "matching.tell_of_outcome"
# Moves that put terms on the table, from which the time for an answer runs.
_OFFERS = ("propose", "counter")


def request_news_of_move(*, event: MatchEvent) -> Job:
    """Write the job that tells of a move; must run in the move's transaction."""
    return enqueue(kind=MOVE_KIND, key=f"{MOVE_KIND}:{event.pk}", args={"event_id": event.pk})


def request_news_of_escalation(*, match: Match) -> Job:
    """Write the job that tells staff of a match which has waited for too long."""
    return enqueue(kind=ESCALATION_KIND, key=f"{ESCALATION_KIND}:{match.pk}", args={"match_id": match.pk})


def request_news_of_outcome(*, event: OutcomeEvent) -> Job:
    """Write the job that tells of what a session brought; must run in the transaction of its record."""
    return enqueue(kind=OUTCOME_KIND, key=f"{OUTCOME_KIND}:{event.pk}", args={"event_id": event.pk})


def tell_of_move(*, event_id: int) -> dict[str, Any]:
    """Give each whom a move concerns its notice; return how many they are."""
    event = MatchEvent.objects.select_related("match__stall").get(pk=event_id)
    match = event.match
    facts = _facts_of(event) | {"awaiting": event.awaiting} | _times_of(match, event)
    return _tell(readers_of_move(event), f"{MATCH}:{match.public_id}:{event.seq}", MATCH, match, facts)


def tell_of_escalation(*, match_id: int) -> dict[str, Any]:
    """Give the staff who may decide a notice that the match waits; return how many they are."""
    match = Match.objects.select_related("stall", "terms").get(pk=match_id)
    facts = {"action": ESCALATE, "by": str(Role.SYSTEM), "first_session_at": _first_session(match.terms)}
    key = f"{MATCH}:{match.public_id}:{ESCALATE}"
    return _tell(readers_of_escalation(match), key, MATCH, match, facts)


def tell_of_outcome(*, event_id: int) -> dict[str, Any]:
    """Give each whom an outcome concerns a notice of what was done to it; return how many they are."""
    rows = OutcomeEvent.objects.select_related("outcome__booking__match__stall", "outcome__booking__session")
    event = rows.get(pk=event_id)
    outcome, booking = event.outcome, event.outcome.booking
    session_at = booking.session.starts_at.isoformat()
    facts = _facts_of(event) | {"outcome": str(outcome.public_id), "session_at": session_at}
    key = f"{OUTCOME}:{outcome.public_id}:{event.seq}"
    return _tell(readers_of_outcome(event), key, OUTCOME, booking.match, facts)


def _tell(readers: Readers, key: str, topic: str, match: Match, facts: dict[str, Any]) -> dict[str, Any]:
    for role in sorted(set(readers.values())):
        user_ids = [user_id for user_id, reads_as in readers.items() if reads_as == role]
        tell(user_ids=user_ids, key=key, topic=topic, subject_id=match.public_id, facts=facts | {"as": role})
    return {"told": len(readers)}


def _facts_of(event: MatchEvent | OutcomeEvent) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "action": event.action,
        "by": event.actor_role,
        "from": event.from_status,
        "to": event.to_status,
        "reason_code": event.reason_code,
    }


def _times_of(match: Match, event: MatchEvent) -> dict[str, str | None]:
    """Return the times that mattered when the move was made, whatever has become of the match since."""
    terms = match.versions.filter(digest=event.terms_digest).first()
    times: dict[str, str | None] = {"first_session_at": _first_session(terms)}
    if event.to_status == MatchStatus.PROPOSED and terms is not None:
        before = match.events.filter(seq__lte=event.seq, action__in=_OFFERS)
        offered_at = before.order_by("-seq").values_list("at", flat=True)[0]
        times["answer_by"] = _earliest([offered_at + ANSWER_WITHIN, *_starts(terms)])
    return times


def _first_session(terms: Terms | None) -> str | None:
    return _earliest(_starts(terms)) if terms is not None else None


def _starts(terms: Terms) -> Iterable[datetime]:
    return [session.starts_at for session in sessions_from_json(terms.sessions)]


def _earliest(moments: Iterable[datetime]) -> str:
    return min(moments).isoformat()
