"""A barrier and the hands that wait at it: threads that keep their database connections between rounds."""

import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import connection

from matchmaker.core.errors import DomainError

Call = Callable[[], Any]
MOST_HANDS = 64
# A long run may share its cores for a while.
PATIENCE_SECONDS = 600


class Arena:
    """Runs calls at the same moment and tells what became of each: "ok" or the code of its refusal."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(MOST_HANDS)

    def meet(self, calls: Sequence[Call]) -> Counter[str]:
        """Release all calls from one barrier; any other error than a refusal is raised here."""
        barrier = threading.Barrier(len(calls))

        def run(call: Call) -> str:
            barrier.wait(PATIENCE_SECONDS)
            try:
                call()
            except DomainError as error:
                return error.code
            return "ok"

        return Counter(self._pool.map(run, calls))

    def close(self) -> None:
        """End the threads with their connections: each takes part in one last meeting."""
        threads = len(self._pool._threads)
        if threads:
            self.meet([_close_connection] * threads)
        self._pool.shutdown()


def _close_connection() -> None:
    connection.close()  # that of the thread that asks


@contextmanager
def arena() -> Iterator[Arena]:
    """An arena in which Python changes threads a hundred times as often as usual."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00005)
    opened = Arena()
    try:
        yield opened
    finally:
        opened.close()
        sys.setswitchinterval(interval)


def contenders(number: int, rng: random.Random) -> int:
    """How many hands round `number` has: mostly a few, every hundredth time all 64."""
    for every, hands in ((100, 64), (50, 32), (20, 16), (10, 8)):
        if number % every == every - 1:
            return hands
    return rng.choice((2, 2, 2, 3, 4))
