"""One event row per move, numbered and hash-chained per match (layer: services)."""

from datetime import datetime

from accounts.models import User
from matching.digests import event_hash
from matching.models import Match, MatchEvent, Note


def record_event(
    match: Match,
    *,
    action: str,
    from_status: str,
    role: str,
    actor: User | None,
    at: datetime,
    reason_code: str = "",
    note: str = "",
) -> MatchEvent:
    """Append the event of a move that `match` has just made; the next number and link of its chain.

    Needs the row lock that the move's UPDATE (or the INSERT of a new match) holds until the end of the
    transaction: without it two events could take one number, which the unique (match, seq) then refuses.
    """
    last = MatchEvent.objects.filter(match=match).order_by("-seq").first()
    event = MatchEvent(
        match=match,
        seq=last.seq + 1 if last else 1,
        action=action,
        from_status=from_status,
        to_status=match.status,
        awaiting=match.awaiting,
        terms_digest=match.terms.digest if match.terms else "",
        actor_id=actor.pk if actor else None,
        actor_role=role,
        reason_code=reason_code,
        at=at,
        prev_hash=last.hash if last else "",
        note=Note.objects.create(text=note, author=actor) if note else None,
    )
    event.hash = hash_of(event, match)
    event.save(force_insert=True)
    return event


def hash_of(event: MatchEvent, match: Match) -> str:
    """Return the link of `event` in the chain of `match`."""
    return event_hash(event, match.public_id)
