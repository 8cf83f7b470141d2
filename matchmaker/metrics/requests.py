"""Requests counted: how many, how long, how long in the database, by route and never by address or person.

prometheus_client keeps the counts of every process in files of `var/metrics/` (the settings name the folder
before it is imported), so whichever process is asked tells the sum.
"""

import os
from pathlib import Path

from prometheus_client import Counter, Histogram

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_REQUESTS = Counter("matchmaker_http_requests", "Requests answered.", ["route", "method", "status"])
_SECONDS = Histogram("matchmaker_http_seconds", "How long answers took.", ["route"], buckets=BUCKETS)
_DATABASE = Histogram(
    "matchmaker_http_database_seconds", "Of that, in the database.", ["route"], buckets=BUCKETS
)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def count_request(*, route: str, method: str, status: int, seconds: float, database_seconds: float) -> None:
    """Count one answer; a method that nobody knows is no label of its own."""
    _REQUESTS.labels(route, method if method in METHODS else "other", str(status)).inc()
    _SECONDS.labels(route).observe(seconds)
    _DATABASE.labels(route).observe(database_seconds)


def folder() -> Path:
    """Where the processes of this machine keep their counts."""
    return Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])


def forget_former_processes() -> None:
    """Begin at zero, as counters do when a server starts; else the files of all former processes add up."""
    for counts in folder().glob("*.db"):
        counts.unlink(missing_ok=True)
