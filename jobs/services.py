"""Writing, claiming and ending jobs: every change is one conditional UPDATE (layer: services)."""

import logging
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import IntegrityError, models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from jobs.breaker import Breaker
from jobs.holders import is_gone, this_process
from jobs.models import Canary, IdempotencyKey, Job, JobState
from matchmaker.core import clock
from matchmaker.core.errors import Conflict, NotAllowed

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
RETRY_BASE_SECONDS = 2
# Being killed once is no sign of guilt: workers are restarted.
SUSPECT_AFTER = 2
# A message that was sent for nothing is followed by another after a quarter of the time that the job is late,
# within these bounds (seconds): a queue that nobody works on must not fill up with copies.
RESEND_LONGEST = 30.0
SWEPT_AT_ONCE = 500
# A lease has ended when its end is before now.
_INSTANT = timedelta(milliseconds=1)


def enqueue(
    *,
    kind: str,
    key: str,
    args: dict[str, Any],
    queue: str = "default",
    requested_by: Any = None,
    not_before: datetime | None = None,
) -> Job:
    """Write the job into the running transaction, or join the one that is queued under `key`.

    Joining is an UPDATE of the queued row: its lock makes a worker's claim wait until this transaction has
    committed, so the work can never run on the state before it. A worker is woken after the commit.
    """
    not_before = not_before or clock.now()
    while True:
        joined = _join(key, requested_by)
        if joined is not None:
            return _noted(joined)
        try:
            with transaction.atomic():
                job = Job.objects.create(
                    kind=kind,
                    dedupe_key=key,
                    args=args,
                    queue=queue,
                    requested_by=requested_by,
                    not_before=not_before,
                )
        except IntegrityError:
            continue  # somebody else's row for this key was committed first: join it
        wake(job)
        return _noted(job)


def _join(key: str, requested_by: Any) -> Job | None:
    queued = Job.objects.filter(dedupe_key=key, state=JobState.QUEUED)
    asker = {} if requested_by is None else {"requested_by": requested_by}
    if not queued.update(requests=F("requests") + 1, updated_at=timezone.now(), **asker):
        return None
    return queued.first()


_asked_for: ContextVar[list[Job] | None] = ContextVar("jobs_asked_for", default=None)


@contextmanager
def jobs_asked_for() -> Iterator[list[Job]]:
    """Collect the jobs of somebody that are written or joined within the block."""
    jobs: list[Job] = []
    token = _asked_for.set(jobs)
    try:
        yield jobs
    finally:
        _asked_for.reset(token)


def _noted(job: Job) -> Job:
    jobs = _asked_for.get()
    if jobs is not None and job.requested_by_id is not None:
        jobs.append(job)
    return job


def wake(job: Job) -> None:
    """Send the message that wakes a worker once the running transaction has committed."""
    job_id, queue = job.pk, job.queue

    def send() -> None:
        publish(job_id, queue)

    transaction.on_commit(send, robust=True)


_breaker = Breaker()


def publish(job_id: int, queue: str) -> bool:
    """Send one wake-up message; a broker that is down is logged and left to the sweep.

    After a try that hung, none is made for a while: a request thread is held up once, not each time.
    """
    from matchmaker.celery import app  # the wiring imports every room; a top-level import would be a circle

    pause = settings.PUBLISH_PAUSE_SECONDS
    if not _breaker.may_try(pause=pause):
        return False
    started, worked = time.monotonic(), False
    try:
        app.send_task("jobs.tasks.run_job", args=[job_id], queue=queue)
        worked = True
    except Exception as error:  # any transport raises its own kind; the row is safe and the sweep sends again
        logger.warning("wake-up for job %s not sent: %r", job_id, error)
    _breaker.note(worked=worked, took=time.monotonic() - started, pause=pause)
    return worked


def claim(job_id: int) -> Job | None:
    """Take the job for this worker, or return None when it is not due, done, or somebody else's."""
    now = clock.now()
    token = uuid.uuid4()
    due = Q(state=JobState.QUEUED, not_before__lte=now) | Q(state=JobState.RUNNING, lease_until__lt=now)
    taken = Job.objects.filter(due, pk=job_id, attempts__lt=MAX_ATTEMPTS).update(
        state=JobState.RUNNING,
        attempts=F("attempts") + 1,
        lease_until=now + lease(),
        lease_token=token,
        holder=this_process(),
        started_at=now,
        updated_at=now,
    )
    # By the token: who was away for longer than the lease finds that another worker has it by now.
    return Job.objects.filter(pk=job_id, lease_token=token).first() if taken else None


def is_suspect(job_id: int) -> bool:
    """Whether two workers or more that had this job are gone; perhaps the job was the reason."""
    lost = Job.objects.filter(pk=job_id, state=JobState.RUNNING, lease_until__lt=clock.sql_now())
    return lost.filter(attempts__gte=SUSPECT_AFTER).exists()


def claim_alike(job: Job, *, most: int = 100) -> list[Job]:
    """Take the other jobs of the same kind that are due, oldest first."""
    due = Job.objects.filter(kind=job.kind, state=JobState.QUEUED, not_before__lte=clock.sql_now())
    ids = list(due.order_by("pk").values_list("pk", flat=True)[:most])
    return [taken for job_id in ids if (taken := claim(job_id)) is not None]


def lease() -> timedelta:
    """How long a job belongs to a worker that does not renew it."""
    return timedelta(seconds=settings.JOBS_LEASE_SECONDS)


def _held(job: Job) -> models.QuerySet[Job]:
    return Job.objects.filter(pk=job.pk, state=JobState.RUNNING, lease_token=job.lease_token)


def renew(job: Job) -> bool:
    """Extend the lease; False when it was lost to another worker."""
    return _held(job).update(lease_until=clock.now() + lease()) == 1


def record_progress(job: Job, *, done: int, total: int) -> None:
    """Store how far the work is."""
    _held(job).update(done_units=done, total_units=total)


def finish(job: Job, *, result: dict[str, Any]) -> bool:
    """Mark the job done; False when the lease was lost, then the other worker's result counts."""
    now = timezone.now()
    return (
        _held(job).update(state=JobState.DONE, result=result, finished_at=now, updated_at=now, error="") == 1
    )


def fail(job: Job, *, error: str) -> None:
    """Put the job back with a growing delay, or give it up after the last attempt.

    When an equal job was queued meanwhile, that one does the work and this one ends.
    """
    now = timezone.now()
    if job.attempts >= MAX_ATTEMPTS:
        _held(job).update(state=JobState.DEAD, error=error, finished_at=now, updated_at=now)
        return
    delay = timedelta(seconds=RETRY_BASE_SECONDS * 2 ** (job.attempts - 1))
    try:
        with transaction.atomic():
            _held(job).update(state=JobState.QUEUED, error=error, not_before=now + delay, updated_at=now)
    except IntegrityError:
        _held(job).update(
            state=JobState.DONE, result={"joined": True}, error=error, finished_at=now, updated_at=now
        )


def retry(job: Job, *, actor: Any) -> None:
    """Give a dead job its attempts back, write down who did it, and wake a worker.

    Raises NotAllowed without the permission to change jobs; Conflict when it is not dead, or when an equal
    one is queued already.
    """
    if not actor.has_perm("jobs.change_job"):
        raise NotAllowed()
    now = clock.now()
    dead = Job.objects.filter(pk=job.pk, state=JobState.DEAD)
    try:
        with transaction.atomic():
            revived = dead.update(
                state=JobState.QUEUED, attempts=0, not_before=now, finished_at=None, updated_at=now
            )
            if revived:
                row = Job.objects.filter(pk=job.pk)  # not `job`: the log names it as a job on whatever page
                LogEntry.objects.log_actions(actor.pk, row, CHANGE, _("Tried again."))
                wake(job)
    except IntegrityError as error:
        raise Conflict(_("An equal job is queued already."), code="already_queued") from error
    if not revived:
        raise Conflict(_("Only a job that was given up can be tried again."), code="wrong_state")


def sweep() -> dict[str, int]:
    """Repair what messages lost: wake due and lapsed jobs, give up those out of attempts."""
    now = clock.now()
    _end_leases_of_the_dead(now)
    lapsed = Q(state=JobState.RUNNING, lease_until__lt=now)
    given_up = Job.objects.filter(lapsed, attempts__gte=MAX_ATTEMPTS).update(
        state=JobState.DEAD, error="worker lost", finished_at=now, updated_at=now
    )
    late = now - timedelta(seconds=settings.JOBS_SWEEP_AFTER_SECONDS)
    # No message is on its way for one that was tried before and waits for its next turn.
    waiting = Q(not_before__lte=late) | Q(not_before__lte=now, attempts__gt=0)
    due = Job.objects.filter(lapsed | Q(waiting, state=JobState.QUEUED))
    sent = 0
    for queue in settings.JOBS_QUEUES:
        # Those first that were not sent for the longest, so that none is kept back by others that stay due.
        rows = due.filter(queue=queue).order_by(F("sent_at").asc(nulls_first=True), "pk")[:SWEPT_AT_ONCE]
        sent += _send_again([job for job in rows if _is_to_be_sent(job, now)], now)
    return {"sent": sent, "given_up": given_up}


def _end_leases_of_the_dead(now: datetime) -> None:
    """Let nobody wait for a process of this machine that was killed, or only after more than one was."""
    held = Job.objects.filter(state=JobState.RUNNING, lease_until__gte=now).exclude(holder="")
    jobs = list(held.only("pk", "holder", "attempts", "lease_token"))
    gone = {holder for holder in {job.holder for job in jobs} if is_gone(holder)}
    for job in jobs:
        if job.holder in gone:
            until = now + timedelta(seconds=RETRY_BASE_SECONDS * (job.attempts - 1)) - _INSTANT
            _held(job).filter(lease_until__gt=until).update(lease_until=until)


def _is_to_be_sent(job: Job, now: datetime) -> bool:
    since = job.not_before if job.state == JobState.QUEUED else job.lease_until or now
    if job.sent_at is None or job.sent_at < since:  # nothing was sent for this turn
        return True
    late = (now - since).total_seconds()
    pause: float = min(max(late / 4, settings.JOBS_SWEEP_AFTER_SECONDS), RESEND_LONGEST)
    return (now - job.sent_at).total_seconds() >= pause


def _send_again(jobs: Iterable[Job], now: datetime) -> int:
    sent = []
    for job in jobs:
        if not publish(job.pk, job.queue):
            break  # the broker is down; the next sweep tries again
        sent.append(job.pk)
    Job.objects.filter(pk__in=sent).update(sent_at=now)
    return len(sent)


def forget_old(*, days: int = 30) -> int:
    """Delete what ended long ago; return how many rows went."""
    before = timezone.now() - timedelta(days=days)
    return Job.objects.filter(state=JobState.DONE, finished_at__lt=before).delete()[0]


def forget_old_answers(*, days: int = 30) -> int:
    """Delete the answers that nobody asks for again by their key any more; return how many."""
    return IdempotencyKey.objects.filter(updated_at__lt=timezone.now() - timedelta(days=days)).delete()[0]


def note_canary(*, queue: str, worker: str) -> None:
    """Write down that a message has just come through this queue."""
    arrived = {"arrived_at": clock.now(), "worker": worker[:160]}
    if not Canary.objects.filter(queue=queue).update(**arrived):
        Canary.objects.get_or_create(queue=queue, defaults=arrived)
