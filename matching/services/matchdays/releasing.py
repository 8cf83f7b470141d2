"""Releasing a solved match day: one proposal to both sides for each pair (layer: services)."""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation

from accounts.models import User
from jobs.models import Job
from jobs.services import enqueue
from matching.choices import MatchDayStatus, Origin
from matching.models import MatchDay, MatchDayPair
from matching.services.matchdays.moving import require_staff, take_step
from matching.services.matchdays.offers import offer_of
from matching.services.matchdays.solving import require_solved
from matching.services.matchdays.still_free import require_still_free
from matching.services.matchdays.town import Progress
from matching.services.matches import propose_to_both
from matching.services.recommendations import QUEUE
from matchmaker.core.errors import Conflict, DomainError

RELEASE_KIND = "matching.release_match_day"
# Pairs that are read at once; each is proposed in a transaction of its own.
CHUNK = 200


def request_release(*, actor: User, day: MatchDay, version: int | None = None) -> Job:
    """Write the job that proposes every pair of a solved day to both its sides.

    `version` is the one that the actor saw. Raises NotAllowed, Conflict (wrong_state for a day that is not
    solved, was changed since, or is released already).
    """
    require_staff(actor)
    day.refresh_from_db()
    require_solved(day)
    with transaction.atomic():
        take_step("release", day=day, actor=actor, version=day.version if version is None else version)
        return enqueue(
            kind=RELEASE_KIND,
            key=f"matchday:{day.pk}:release",
            args={"day_id": day.pk, "actor_id": actor.pk},
            queue=QUEUE,
            requested_by=actor,
        )


def release_match_day(*, day_id: int, actor_id: int, progress: Progress) -> dict[str, Any]:
    """Propose every pair of a day that is being released, all rules checked again; return what came of it.

    A pair that no longer passes keeps the reason and is told. Repeating it after a lost worker is harmless: a
    pair and its match are written together, and one that has its match is passed over.
    """
    day, actor = MatchDay.objects.get(pk=day_id), User.objects.get(pk=actor_id)
    if day.status == MatchDayStatus.RELEASED:
        return dict(day.report.get("released", {}))
    if day.status != MatchDayStatus.RELEASING:
        raise Conflict(code="wrong_state", status_now=day.status)
    waiting = list(day.pairs.filter(is_solved=True).order_by("pk").values_list("pk", flat=True))
    with translation.override(actor.language or settings.LANGUAGE_CODE):
        for start in range(0, len(waiting), CHUNK):
            pairs = MatchDayPair.objects.select_related("stall__merchant", "anchor").filter(match=None)
            for pair in pairs.filter(pk__in=waiting[start : start + CHUNK]).order_by("pk"):
                _propose(day, pair, actor)
            progress(min(start + CHUNK, len(waiting)), len(waiting))
        return _finish(day)


def _propose(day: MatchDay, pair: MatchDayPair, actor: User) -> None:
    """Propose one pair to both sides, or note on it why that cannot be."""
    if pair.starts_at is None:
        raise ValueError(f"pair {pair.pk} was brought together without an hour")
    fault_code = fault = ""
    try:
        require_still_free(day, pair, pair.starts_at)
        with transaction.atomic():
            pair.match = propose_to_both(
                actor=actor,
                stall=pair.stall,
                anchor=pair.anchor,
                terms=offer_of(day, pair.stall, pair.anchor, pair.starts_at),
                origin=Origin.MATCH_DAY,
            )
            pair.fault_code = pair.fault = ""
            pair.save(update_fields=["match", "fault_code", "fault", "updated_at"])
    except DomainError as error:
        fault_code, fault = error.code, _said(error)
    if fault_code:
        MatchDayPair.objects.filter(pk=pair.pk, match=None).update(
            fault_code=fault_code[:48], fault=fault, updated_at=timezone.now()
        )


def _said(error: DomainError) -> str:
    """Return the sentence of a refusal with what is at fault in its fields."""
    fields = [str(text) for texts in error.fields.values() for text in texts]
    return " ".join([str(error.detail), *dict.fromkeys(fields)])


def _finish(day: MatchDay) -> dict[str, Any]:
    """End the release with its report: how many were proposed, and which pairs no longer pass."""
    solved = day.pairs.filter(is_solved=True)
    refused = solved.filter(match=None).order_by("stall_id", "anchor_id")
    told = {
        "proposed": solved.filter(match__isnull=False).count(),
        "refused": [
            {"stall": pair.stall_id, "anchor": pair.anchor_id, "code": pair.fault_code, "detail": pair.fault}
            for pair in refused
        ],
    }
    with transaction.atomic():
        take_step(
            "finish", day=day, actor=None, released_at=timezone.now(), report=day.report | {"released": told}
        )
    return told
