"""How much memory each part of the town holds, over time."""

import statistics
import threading
import time

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

        The growth is that of a straight line, in percent of the mean.
        """
        later = self.seen[len(self.seen) // 2 :]
        if len(later) < 3:
            return {}
        times = [at - later[0][0] for at, _ in later]
        told = {}
        for name in later[0][1]:
            sizes = [held[name] for _, held in later]
            slope = statistics.linear_regression(times, sizes).slope
            growth = 100.0 * 3600.0 * slope / max(statistics.mean(sizes), 1.0)
            told[name] = {"mb": round(sizes[-1] / 1024, 1), "percent_per_hour": round(growth, 2)}
        return told

    def _read(self) -> dict[str, int]:
        """Kilobytes of each process with its children, what they share counted once by halves (PSS)."""
        found = {}
        for name, kept in list(self._town.named.items()):
            pids = [kept.pid, *kept.children()] if kept.pid else []
            found[name] = sum(_pss(pid) for pid in pids)
        return found


def _pss(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            return next((int(line.split()[1]) for line in rollup if line.startswith("Pss:")), 0)
    except OSError:
        return 0
