"""Interleaved repetition: machines are shared, so a figure is a ratio within one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(jobs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of every job, one round after the other, so that a slow minute hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: round(statistics.median(values), 4) for name, values in seconds.items()}


def spreads(seconds: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Minimum and maximum of each."""
    return {name: [round(min(values), 4), round(max(values), 4)] for name, values in seconds.items()}
