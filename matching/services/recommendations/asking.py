"""Asking for lists: which jobs a change writes, and how a herd of changes shares few (layer: services)."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from jobs.models import Job, JobState
from jobs.services import enqueue
from matching.models import DueParty

QUEUE = "compute"
# More changed parties at once than this, and everybody is matched anew.
REMATCH_ABOVE = 200
# So many changes may have a job of their own within so long; who comes then shares one with all who come.
HERD_FROM, HERD_WITHIN = 4, timedelta(seconds=5)

REFRESH_KIND, DUE_KIND = "matching.refresh_party", "matching.refresh_due"
DUE_KEY, REMATCH_KEY = "refresh:due", "rematch"


def request_refresh(*, side: str, ids: Sequence[int], actor: Any = None) -> list[Job]:
    """Write the jobs that bring these parties' lists up to date; one rematch when they are many."""
    if len(ids) > REMATCH_ABOVE:
        return [request_rematch(actor=actor)]
    wanted = sorted(set(ids))
    if wanted and _is_herd():
        return [_request_due(side, wanted)]
    return [_request_party(side, party_id, actor) for party_id in wanted]


def _is_herd() -> bool:
    """Whether so many single jobs were written lately, or others share one already."""
    if Job.objects.filter(dedupe_key=DUE_KEY, state=JobState.QUEUED).exists():
        return True
    lately = Job.objects.filter(kind=REFRESH_KIND, created_at__gte=timezone.now() - HERD_WITHIN)
    return lately[:HERD_FROM].count() >= HERD_FROM


def _request_party(side: str, party_id: int, actor: Any) -> Job:
    return enqueue(
        kind=REFRESH_KIND,
        key=f"refresh:{side}:{party_id}",
        args={"side": side, "party_id": party_id},
        queue=QUEUE,
        requested_by=actor,
    )


def _request_due(side: str, ids: Sequence[int]) -> Job:
    """Note the parties as due and return the job that will see to all who are.

    The queued job is not touched: its row's lock would let a herd's transactions wait for each other. One
    that a worker takes in this very moment misses the parties; the sweep then asks again (`ask_for_due`).
    """
    DueParty.objects.bulk_create([DueParty(side=side, party_id=party_id) for party_id in ids])
    queued = Job.objects.filter(dedupe_key=DUE_KEY, state=JobState.QUEUED).first()
    return queued or request_due()


def request_due() -> Job:
    """Write the job that brings the lists of all due parties up to date."""
    return enqueue(kind=DUE_KIND, key=DUE_KEY, args={}, queue=QUEUE)


def ask_for_due() -> Job | None:
    """Ask again for due parties whom no job waits for."""
    if not DueParty.objects.exists():
        return None
    if Job.objects.filter(dedupe_key=DUE_KEY, state__in=(JobState.QUEUED, JobState.RUNNING)).exists():
        return None
    return request_due()


def request_patch(changed: Mapping[str, Sequence[int]]) -> Job:
    """Write the job that brings the lists of the partners of these parties (ids by side) up to date."""
    named = [f"{side}:{party_id}" for side in sorted(changed) for party_id in changed[side]]
    # Equal keys join, and a job that joins leaves what it names behind: so only for the very same parties.
    rest = hashlib.sha256(",".join(named).encode()).hexdigest()[:16]
    key = f"patch:{named[0]}" if len(named) == 1 else f"patch:{named[0]}:and:{len(named)}:{rest}"
    args = {"changed": {side: list(ids) for side, ids in changed.items()}}
    return enqueue(kind="matching.patch_partners", key=key, args=args, queue=QUEUE)


def request_refresh_between(*, merchant_id: int, anchor_id: int) -> Job:
    """Write the one job that brings the lists of an anchor and of all stalls of a merchant up to date."""
    return enqueue(
        kind="matching.refresh_between",
        key=f"between:{merchant_id}:{anchor_id}",
        args={"merchant_id": merchant_id, "anchor_id": anchor_id},
        queue=QUEUE,
    )


def request_rematch(*, actor: Any = None) -> Job:
    """Write the job that computes everybody's lists anew."""
    return enqueue(kind="matching.rematch", key=REMATCH_KEY, args={}, queue=QUEUE, requested_by=actor)


def running_rematch() -> Job | None:
    """Return the rematch that a worker is at, to be watched instead of asking for a second beside it.

    Only for who has changed nothing: it ends with jobs for what changed since it began, but may be past that.
    """
    return Job.objects.filter(dedupe_key=REMATCH_KEY, state=JobState.RUNNING).order_by("pk").last()
