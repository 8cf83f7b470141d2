"""What staff decide about many matches at once, each in a transaction of its own (layer: services)."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation

from accounts.models import User
from jobs.models import Job
from jobs.services import enqueue
from matching.models import Match, Note
from matching.moves import transition_of
from matching.services.matches import (
    approve_match,
    cancel_match,
    complete_match,
    fail_match,
    reject_match,
)
from matchmaker.core.errors import DomainError

JOB_KIND = "matching.decide_matches"
Progress = Callable[[int, int], None]
_MOVES: dict[str, Callable[..., Match]] = {
    "approve": approve_match,
    "reject": reject_match,
    "cancel": cancel_match,
    "complete": complete_match,
    "fail": fail_match,
}


def request_decisions(
    *, actor: User, matches: Sequence[Match], action: str, reason_code: str, note: str
) -> Job:
    """Write the job that decides these matches in the name of `actor`.

    Its arguments are ids and codes only: the note waits in a row of its own, which can be erased.
    """
    if action not in _MOVES:
        raise ValueError(f"no decision {action!r}")
    with transaction.atomic():
        row = Note.objects.create(text=note, author=actor) if note else None
        return enqueue(
            kind=JOB_KIND,
            key=f"{JOB_KIND}:{uuid.uuid4()}",
            args={
                "actor_id": actor.pk,
                "match_ids": [match.pk for match in matches],
                "action": action,
                "reason_code": reason_code,
                "note_id": row.pk if row else None,
            },
            requested_by=actor,
        )


def decide_matches(
    *,
    actor_id: int,
    match_ids: Sequence[int],
    action: str,
    reason_code: str,
    note_id: int | None,
    progress: Progress,
) -> dict[str, Any]:
    """Decide one match after the other; return how many were, and why the others were refused.

    Repeating it after a lost worker is harmless: a match that is where the decision leads counts as decided.
    """
    actor = User.objects.get(pk=actor_id)
    note = Note.objects.get(pk=note_id).text if note_id else ""
    matches = Match.objects.select_related("stall", "anchor").in_bulk(match_ids)
    refused = []
    with translation.override(actor.language or settings.LANGUAGE_CODE):
        for number, match_id in enumerate(match_ids, start=1):
            error = _decide(actor, matches[match_id], action, reason_code, note)
            if error is not None:
                refused.append({"match": match_id, "code": error.code, "detail": str(error.detail)})
            progress(number, len(match_ids))
    if note_id:
        # Every event has its own copy by now.
        Note.objects.filter(pk=note_id).update(text="", erased_at=timezone.now())
    return {"done": len(match_ids) - len(refused), "refused": refused}


def _decide(actor: User, match: Match, action: str, reason_code: str, note: str) -> DomainError | None:
    if match.status == transition_of(action).target:
        return None
    try:
        _MOVES[action](actor=actor, match=match, reason_code=reason_code, note=note)
    except DomainError as error:
        return error
    return None
