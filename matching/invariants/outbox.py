"""Invariants 11 and 12: work that is due gets done, once; keys have one answer (layer: invariants)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, Min, OuterRef, Q

from accounts.models import Anchor, Stall
from jobs.models import IdempotencyKey, Job, JobState
from matching.choices import Side
from matching.invariants.finding import Finding, merged, stream
from matching.invariants.words import What
from matching.models import DueParty, EngineRun, RecommendationList
from matchmaker.core import clock

# The job of the check itself: it is no sign of life of its queue.
CHECK_KIND = "matching.check_invariants"
REMATCH_KEY = "rematch"
# When nothing else goes on, due work is done within this.
QUIET = timedelta(seconds=120)
# However busy the workers are, nothing waits longer.
LONGEST = timedelta(hours=1)
_IDS = ("pk", "kind")


def find_undone_work(finding: Finding) -> None:
    """Report work that waits, was lost, given up or queued twice, and changes without work."""
    finding.look(Job.objects.exclude(state=JobState.DONE).count())
    began = _began()
    for what, rows in (
        (What.JOB_WAITS, _waiting(began)),
        (What.JOB_LOST, Job.objects.filter(state=JobState.RUNNING, lease_until__lt=began - QUIET)),
        (What.JOB_DEAD, _dead()),
    ):
        for job_id, kind in stream(rows.order_by("pk").values_list(*_IDS)):
            finding.report(what, job=job_id, kind=kind)
    queued = Job.objects.filter(state=JobState.QUEUED).values_list("dedupe_key").annotate(n=Count("pk"))
    for key, count in stream(queued.filter(n__gt=1).order_by("dedupe_key")):
        finding.report(What.JOB_TWICE, key=key, rows=count)
    _lists_due(finding)


def _began() -> datetime:
    """When this check began: while it runs it keeps a worker from other work itself."""
    own = Job.objects.filter(kind=CHECK_KIND, state=JobState.RUNNING)
    now = clock.now()
    return min(now, own.aggregate(at=Min("started_at"))["at"] or now)


def _waiting(began: datetime) -> Any:
    """Return work that is due and overdue: in a queue without a sign of life, or for very long."""
    alive = Job.objects.filter(queue=OuterRef("queue")).exclude(kind=CHECK_KIND)
    working = alive.filter(
        Q(state=JobState.RUNNING, lease_until__gte=began)
        | Q(state=JobState.DONE, finished_at__gte=began - QUIET)
    )
    due = Job.objects.filter(state=JobState.QUEUED)
    quiet = due.filter(~Exists(working), not_before__lt=began - QUIET)
    return quiet | due.filter(not_before__lt=began - LONGEST)


def _dead() -> Any:
    """Return work that was given up, until it is tried again or equal work was done later."""
    later = Job.objects.filter(dedupe_key=OuterRef("dedupe_key"), pk__gt=OuterRef("pk"), state=JobState.DONE)
    return Job.objects.filter(~Exists(later), state=JobState.DEAD)


def _lists_due(finding: Finding) -> None:
    """Report parties whose list is older than they are, with nothing queued or running to renew it."""
    if not EngineRun.objects.filter(finished_at__isnull=False).exists():
        return
    open_jobs = Job.objects.filter(state__in=(JobState.QUEUED, JobState.RUNNING))
    pending = set(open_jobs.values_list("dedupe_key", flat=True))
    if REMATCH_KEY in pending:
        return
    waits = Q(batch__isnull=True) | Q(batch__in=open_jobs.values("pk"))
    herd = set(DueParty.objects.filter(waits).values_list("side", "party_id"))
    for side in Side:
        lists = RecommendationList.objects.filter(side=side, superseded_at__isnull=True)
        known = stream(lists.order_by("subject_id", "pk").values_list("subject_id", "subject_version"))
        for party, version, listed in merged(_versions(side), known):
            finding.look()
            is_due = version is not None and (listed is None or listed < version)
            is_asked_for = f"refresh:{side}:{party}" in pending or (side.value, party) in herd
            if is_due and not is_asked_for:
                finding.report(What.LIST_DUE, side=side, party=party, version=version, listed=listed)


def _versions(side: Side) -> Iterator[tuple[int, int]]:
    """Yield every party with its version; a stall's grows with its merchant's too."""
    if side == Side.ANCHOR:
        return stream(Anchor.objects.order_by("pk").values_list("pk", "version"))
    return stream(Stall.objects.order_by("pk").values_list("pk", F("version") + F("merchant__version")))


def find_wrong_keys(finding: Finding) -> None:
    """Report idempotency keys that are there twice, have no answer of a success, or no digest."""
    finding.look(IdempotencyKey.objects.count())
    twice = IdempotencyKey.objects.values_list("user_id", "key").annotate(n=Count("pk")).filter(n__gt=1)
    for user_id, _key, count in stream(twice.order_by("user_id", "key")):
        finding.report(What.KEY_TWICE, user=user_id, rows=count)
    # A key and its answer are one transaction: nobody else ever sees one without the other.
    for what, rows in (
        (What.KEY_UNANSWERED, IdempotencyKey.objects.exclude(status__range=(200, 299))),
        (What.KEY_WITHOUT_DIGEST, IdempotencyKey.objects.exclude(digest__regex=r"^[0-9a-f]{64}$")),
    ):
        for pk, user_id in stream(rows.order_by("pk").values_list("pk", "user_id")):
            finding.report(what, row=pk, user=user_id)
