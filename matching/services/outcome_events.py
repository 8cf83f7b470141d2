"""One event row per move of an outcome, numbered and hash-chained per outcome (layer: services)."""

from dataclasses import asdict
from datetime import datetime

from accounts.models import User
from matching.digests import outcome_event_hash
from matching.models import Note, Outcome, OutcomeEvent
from matching.outcomes import Figures


def record_outcome_event(
    outcome: Outcome,
    *,
    action: str,
    from_status: str,
    role: str,
    actor: User | None,
    at: datetime,
    reason_code: str = "",
    note: str = "",
) -> OutcomeEvent:
    """Append the event of a move that `outcome` has just made, with its figures as they now stand.

    Needs the row lock that the move's UPDATE (or the INSERT of a new outcome) holds, as `record_event` does.
    """
    last = OutcomeEvent.objects.filter(outcome=outcome).order_by("-seq").first()
    event = event_row(outcome, action=action, from_status=from_status, role=role, actor=actor, at=at)
    event.reason_code = reason_code
    if last:
        event.seq, event.prev_hash = last.seq + 1, last.hash
    if note:
        event.note = Note.objects.create(text=note, author=actor)
    event.hash = hash_of_outcome_event(event, outcome)
    event.save(force_insert=True)
    return event


def event_row(
    outcome: Outcome, *, action: str, from_status: str, role: str, actor: User | None, at: datetime
) -> OutcomeEvent:
    """Return the first event of a chain, linked and not stored, of a move that `outcome` has made."""
    event = OutcomeEvent(
        outcome=outcome,
        seq=1,
        action=action,
        from_status=from_status,
        to_status=outcome.status,
        figures=asdict(Figures.of(outcome)),
        actor_id=actor.pk if actor else None,
        actor_role=role,
        at=at,
    )
    event.hash = hash_of_outcome_event(event, outcome)
    return event


def hash_of_outcome_event(event: OutcomeEvent, outcome: Outcome) -> str:
    """Return the link of an outcome's event in its chain."""
    return outcome_event_hash(event, outcome.public_id)
