"""Work whose worker was lost is done again by itself, so that it takes nobody else's with it (layer: core).

A job that ends its process ends those beside it too, and the sweep sends all of them again at once: without
this they would meet each time, until the innocent were given up with the guilty.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# A job that hangs must not keep its whole process from working.
PATIENCE_SECONDS = 60.0


class Company:
    """Lets the threads of a process work beside each other, or one of them alone."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._changed = threading.Condition()
        self._working = 0
        self._waiting_to_be_alone = 0
        self._is_one_alone = False
        self._thread = threading.local()

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """Wait while somebody works or waits to work alone, though not for ever."""
        if getattr(self._thread, "works", False):  # a job that is done within another one, as in a test
            yield
            return
        with self._changed:
            self._changed.wait_for(self._is_open, self._patience)
            self._working += 1
        yield from self._until_done()

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
            self._is_one_alone = True
        yield from self._until_done()

    def _is_open(self) -> bool:
        return not self._waiting_to_be_alone and not self._is_one_alone

    def _until_done(self) -> Iterator[None]:
        self._thread.works = True
        try:
            yield
        finally:
            self._thread.works = False
            with self._changed:
                self._working -= 1
                if not self._working:
                    self._is_one_alone = False
                self._changed.notify_all()


company = Company()
