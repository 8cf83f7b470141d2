"""Whether the whole way works: web, database, broker, both queues, a worker's list."""

import contextlib
import itertools
import time
import uuid
from collections.abc import Sequence

from tests.chaos.faults import QUEUES
from tests.chaos.seats import Seat


class Probe:
    """A stall that nobody else edits, and a message through each queue."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._numbers = itertools.count(1)
        self.parts: dict[str, float] = {}  # seconds until each part of the way worked again, the last time

    def recovered(self, patience: float, jobs: Sequence[int] = ()) -> float | None:
        """Seconds until an edit is answered, its list stored, both queues heard and these jobs done.

        None when patience ended first.
        """
        from django.db import DatabaseError, close_old_connections, connection
        from django.utils import timezone

        began, at = time.monotonic(), timezone.now()
        path = f"stalls/{self._seat.stall_id}/"
        self.parts = {}
        seen = self._seat.asker.until_answered("GET", path)
        body = {"moq": 1 + next(self._numbers) % 500}
        headers = {"If_Match": seen.etag, "Idempotency_Key": uuid.uuid4().hex}
        if self._seat.asker.until_answered("PATCH", path, body, **headers).status != 200:
            return None
        self._note("web", began)
        silent, asked = set(QUEUES), 0.0
        while time.monotonic() - began < patience:
            if silent and time.monotonic() - asked > 1.0:
                asked = time.monotonic()
                _call(silent)
            try:
                close_old_connections()
                silent -= _heard(at)
                works = {"queues": not silent, "list": self._has_its_list(), "jobs": _done(jobs)}
                for part, does in works.items():
                    if does:
                        self._note(part, began)
                if all(works.values()):
                    return time.monotonic() - began
            except DatabaseError:
                connection.close()
            time.sleep(0.05)
        return None

    def given_up(self, patience: float, hopeless: Sequence[int]) -> None:
        """Wait until these jobs are dead letters: whom they still end, the next fault would be blamed for."""
        from jobs.models import Job, JobState

        began = time.monotonic()
        alive = Job.objects.filter(pk__in=hopeless).exclude(state=JobState.DEAD)
        while alive.exists() and time.monotonic() - began < patience:
            time.sleep(0.2)

    def _note(self, part: str, began: float) -> None:
        self.parts.setdefault(part, time.monotonic() - began)

    def _has_its_list(self) -> bool:
        """Whether the stored list was computed from the stall as it is."""
        from django.db.models import F

        from accounts.models import Stall
        from matching.models import RecommendationList

        stalls = Stall.objects.filter(public_id=self._seat.stall_id)
        pk, version = stalls.values_list("pk", F("version") + F("merchant__version")).get()
        current = RecommendationList.objects.filter(side="stall", subject_id=pk, superseded_at=None)
        return current.filter(subject_version__gte=version).exists()


def _done(jobs: Sequence[int]) -> bool:
    from jobs.models import Job, JobState

    return Job.objects.filter(pk__in=jobs, state=JobState.DONE).count() == len(jobs)


def _call(queues: set[str]) -> None:
    """Send a canary through each of these; a broker that is away hears of it a second later again."""
    from jobs.tasks import canary

    for queue in queues:
        with contextlib.suppress(Exception):
            canary.apply_async(args=[queue], queue=queue, retry=False)


def _heard(since: object) -> set[str]:
    """The queues through which a canary has come since then."""
    from jobs.models import Canary

    return set(Canary.objects.filter(arrived_at__gt=since).values_list("queue", flat=True))
