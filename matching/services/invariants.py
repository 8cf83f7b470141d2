"""Running the detectors of invariants and keeping what they found (layer: services)."""

import logging
import time
from collections.abc import Callable, Collection
from typing import Any

from django.db import transaction
from django.utils import translation

from accounts.models import User
from jobs.models import Job
from jobs.services import enqueue
from matching.invariants import DETECTORS, Detector, Finding, What
from matching.invariants.outbox import CHECK_KIND
from matching.models import InvariantCheck
from matchmaker.core.one_view import one_view

__all__ = ["CHECK_KIND", "check_all", "check_some", "request_check"]
logger = logging.getLogger(__name__)

# Checks that are kept, and violations of each invariant that are told one by one.
KEPT = 100
TOLD = 20
Progress = Callable[[int, int], None]


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


def request_check(*, actor: User | None = None) -> Job:
    """Write the job that checks all invariants; who asks while one is queued gets that one."""
    with transaction.atomic():
        return enqueue(kind=CHECK_KIND, key="check_invariants", args={}, requested_by=actor)


def check_all(*, progress: Progress = _silent) -> InvariantCheck:
    """Run every detector and keep what they found; the last hundred checks are kept."""
    results = check_some(progress=progress)
    with transaction.atomic():
        check = InvariantCheck.objects.create(
            violations=sum(result["violations"] for result in results), results=results
        )
        newest = InvariantCheck.objects.order_by("-pk").values_list("pk", flat=True)[:KEPT]
        InvariantCheck.objects.exclude(pk__in=list(newest)).delete()
    return check


def check_some(*, numbers: Collection[int] = (), progress: Progress = _silent) -> list[dict[str, Any]]:
    """Return what the detectors of these invariants (none named: all) found; nothing is kept."""
    chosen = [detector for detector in DETECTORS if not numbers or detector.number in numbers]
    results = []
    progress(0, len(chosen))
    for done, detector in enumerate(chosen, start=1):
        results.append(_result(detector))
        progress(done, len(chosen))
    return results


def _result(detector: Detector) -> dict[str, Any]:
    began = time.monotonic()
    finding = _look(detector)
    if finding.count:
        # A write between two queries looks like a violation, but only once.
        finding = finding.found_again(_look(detector))
    with translation.override("en"):
        name = str(detector.title)
    return {
        "number": detector.number,
        "name": name,
        "examined": finding.examined,
        "violations": finding.count,
        "milliseconds": round(1000 * (time.monotonic() - began)),
        "found": [violation.as_json() for violation in finding.violations[:TOLD]],
    }


def _look(detector: Detector) -> Finding:
    """Run one detector; one that crashes is reported as failing, and the others go on."""
    finding = Finding()
    try:
        with one_view():
            detector.find(finding)
    except Exception as error:  # whatever it is, what it hides is worse
        logger.exception("the detector of invariant %s failed", detector.number)
        finding = Finding(finding.examined)
        # The text of an error may hold what a row holds, so only its kind is kept.
        finding.report(What.DETECTOR_FAILED, error=type(error).__name__)
    return finding
