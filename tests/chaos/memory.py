"""How much memory each part of the town holds, over time."""

import statistics
import threading
import time
from collections.abc import Sequence

from tests.chaos.cluster import Cluster

EVERY_SECONDS = 5.0


class Memory(threading.Thread):
    """Reads it every few seconds until it is told to stop."""

    def __init__(self, town: Cluster) -> None:
        super().__init__(daemon=True, name="memory")
        self._town = town
        self._over = threading.Event()
        self.seen: list[tuple[float, dict[str, int]]] = []

    def run(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            self.seen.append((time.monotonic(), self._read()))

    def end(self) -> None:
        """Stop reading."""
        self._over.set()
        self.join()

    def told(self) -> dict[str, dict[str, float]]:
        """Of each part: megabytes at the end, and the growth of the later half in percent an hour.

        The growth is that of a straight line through the least of each minute, in percent of their mean, with
        its standard error: what a job holds for a moment is no growth, and what leaks is in the least too.
        """
        if not self.seen:
            return {}
        minutes = _minutes(self.seen[len(self.seen) // 2 :])
        told = {name: {"mb": round(size / 1024, 1)} for name, size in self.seen[-1][1].items()}
        if len(minutes) >= 3:  # fewer show no line
            for name, shown in told.items():
                growth, error = _line([min(held[name] for held in minute) for minute in minutes])
                shown |= {"percent_per_hour": round(growth, 2), "standard_error": round(error, 2)}
        return told

    def _read(self) -> dict[str, int]:
        """Kilobytes of each process with its children, what they share counted once by halves (PSS)."""
        found = {}
        for name, kept in list(self._town.named.items()):
            pids = [kept.pid, *kept.children()] if kept.pid else []
            found[name] = sum(_pss(pid) for pid in pids)
        return found


def _minutes(seen: Sequence[tuple[float, dict[str, int]]]) -> list[list[dict[str, int]]]:
    """The readings of each whole minute."""
    found: list[list[dict[str, int]]] = []
    for at, held in seen:
        minute = int((at - seen[0][0]) // 60)
        while len(found) <= minute:
            found.append([])
        found[minute].append(held)
    return [readings for readings in found[:-1] if readings]


def _line(sizes: Sequence[int]) -> tuple[float, float]:
    """The slope of the least-squares line through one size a minute, and its standard error, in %/h."""
    count, mean = len(sizes), max(statistics.mean(sizes), 1.0)
    minutes = range(count)
    slope, intercept = statistics.linear_regression(minutes, sizes)
    squares = sum((size - intercept - slope * at) ** 2 for at, size in zip(minutes, sizes, strict=True))
    spread = sum((at - (count - 1) / 2) ** 2 for at in minutes)
    error = (squares / (count - 2) / spread) ** 0.5
    return 6000.0 * slope / mean, 6000.0 * error / mean


def _pss(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            return next((int(line.split()[1]) for line in rollup if line.startswith("Pss:")), 0)
    except OSError:
        return 0
