"""Work whose worker was lost twice is done again by itself, so that it takes no other with it (layer: pure).

A job that ends its process ends those beside it too, and the sweep sends all of them again at once: without
this they would meet each time, until the innocent were given up with the guilty.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# A job that hangs or lasts must not keep its whole process from working.
PATIENCE_SECONDS = 15.0


class Company:
    """Lets the threads of a process work beside each other, or one of them alone."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._changed = threading.Condition()
        self._working = 0
        self._waiting_to_be_alone = 0
        self._alone = 0
        self._thread = threading.local()
        self._here: set[int] = set()

    @contextmanager
    def once(self, job_id: int) -> Iterator[bool]:
        """Whether no other thread of this process is at this job or waits to be: a copy need not wait too."""
        with self._changed:
            is_first = job_id not in self._here
            self._here.add(job_id)
        try:
            yield is_first
        finally:
            if is_first:
                with self._changed:
                    self._here.discard(job_id)

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """Wait while somebody works or waits to work alone, though not for ever."""
        if getattr(self._thread, "works", False):  # a job that is done within another one, as in a test
            yield
            return
        with self._changed:
            self._changed.wait_for(self._is_open, self._patience)
            self._working += 1
        try:
            yield from self._within()
        finally:
            self._leave(alone=False)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody works any more, though not for ever, and let nobody begin meanwhile."""
        if getattr(self._thread, "works", False):
            yield
            return
        with self._changed:
            self._waiting_to_be_alone += 1
            self._changed.wait_for(lambda: not self._working, self._patience)
            self._waiting_to_be_alone -= 1
            self._working += 1
            self._alone += 1
        try:
            yield from self._within()
        finally:
            self._leave(alone=True)

    def _is_open(self) -> bool:
        return not self._waiting_to_be_alone and not self._alone

    def _within(self) -> Iterator[None]:
        self._thread.works = True
        try:
            yield
        finally:
            self._thread.works = False

    def _leave(self, *, alone: bool) -> None:
        with self._changed:
            self._working -= 1
            self._alone -= alone
            self._changed.notify_all()


company = Company()
