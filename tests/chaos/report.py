"""What one run says: counts, seconds, what was lost (layer: the harness's last word)."""

import os
import statistics
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tests.chaos.asking import Journal, Tally
from tests.chaos.clients import Client
from tests.chaos.deliveries import effects_of
from tests.chaos.memory import Memory
from tests.chaos.reconcile import reconcile

if TYPE_CHECKING:
    from tests.chaos.run import Observed, Plan

WRITES = ("POST", "PATCH", "PUT")
# What no fault may take longer than, in seconds; what is reached stands in docs/faults.md. While Redis or the
# way to it is broken, nobody who writes may wait for it or be refused for it.
RECOVERED_WITHIN, WRITTEN_WITHIN = 45.0, 2.0
WITHOUT_REDIS = ("redis_killed", "redis_hung", "redis_flushed", "connections_reset", "connections_slow")


def report(
    plan: "Plan", seen: "Observed", tally: Tally, journal: Journal, clients: Sequence[Client], memory: Memory
) -> dict[str, Any]:
    """Wait until the town is quiet, compare, and tell; `ok` when nothing is wrong."""
    from matching.services.invariants import check_some

    drained = _drained(plan.quiet, seen.hopeless)
    compared = reconcile(journal.lines)
    effects = effects_of(seen.jobs)
    # A dead letter is a violation that staff have to see; these are wanted.
    wanted = {11: drained["given_up_as_it_should"]}
    violated = {
        str(line["number"]): line["found"][:5] or line["violations"]
        for line in check_some()
        if line["violations"] != wanted.get(line["number"], 0)
    }
    felt = {
        name: {
            "done": seen.counts[name],
            **spread(times),
            "meanwhile": _meanwhile(tally, seen.spans[name]),
        }
        for name, times in sorted(seen.recoveries.items())
    }
    failures = [repr(client.error) for client in clients if client.error]
    faulty = [
        *(compared[kind]["count"] for kind in ("lost", "double", "never_sent", "undone")),
        *_faults_of(effects),
        *_faults_of(seen.deliveries or {}),
        drained["left"],
        drained["dead"],
        drained["not_dead"],
        violated,
        failures,
        too_slow := _too_slow(felt),
        seen.not_recovered,
        seen.failed,
        seen.wrong,
        tally.without_retry_after,
        [status for status in tally.answered if status >= 500 and status != 503],
        (seen.deliveries or {}).get("messages_left"),
        not compared["acknowledged"] and not plan.deliveries,
        compared["killed_at_commit"].get("before", {}).get("had_committed"),
        _not_committed(compared["killed_at_commit"].get("after", {})),
    ]
    return {
        "ok": not any(faulty),
        "plan": vars(plan),
        "load_average": os.getloadavg(),
        # How often, how much was done, and the seconds from the end of the fault until all works again.
        "faults": felt,
        "too_slow": too_slow,
        "faults_that_failed": seen.failed,
        "wrong_answers": seen.wrong,
        "not_recovered": seen.not_recovered,
        "journal": compared,
        "jobs_hurt": {"jobs": len(seen.jobs), **effects},
        "deliveries": seen.deliveries,
        "requests": _requests(tally),
        "drained": drained,
        "invariants_violated": violated,
        "clients_failed": failures,
        "memory": memory.told(),
    }


def spread(times: Iterable[float]) -> dict[str, float]:
    """How many, the median, the 99th of a hundred and the most."""
    ordered = sorted(times)
    if not ordered:
        return {"times": 0}
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    numbers = {"p50": statistics.median(ordered), "p99": p99, "max": ordered[-1]}
    return {"times": len(ordered), **{name: round(value, 3) for name, value in numbers.items()}}


def _too_slow(felt: dict[str, dict[str, Any]]) -> list[str]:
    """What was felt for too long, and writes that waited or failed while only Redis was away."""
    found = [f"{name}: {told['max']} s" for name, told in felt.items() if told["max"] > RECOVERED_WITHIN]
    for name in WITHOUT_REDIS:
        meanwhile = felt.get(name, {}).get("meanwhile", {"failed": 0, "writes": {}})
        if meanwhile["failed"] or meanwhile["writes"].get("p99", 0.0) > WRITTEN_WITHIN:
            found.append(f"writes beside {name}: {meanwhile}")
    return found


def _not_committed(killed: dict[str, int]) -> int:
    """Writes whose web was killed after the COMMIT and which were not there."""
    return killed.get("writes", 0) - killed.get("had_committed", 0)


def _faults_of(effects: dict[str, Any]) -> list[Any]:
    return [effects.get(name) for name in ("without_effect", "with_more")]


def _drained(patience: float, hopeless: Sequence[int]) -> dict[str, Any]:
    """Wait until no work is left; tell how long it took, what was left, and what was given up."""
    from jobs.models import Job, JobState

    began = time.monotonic()
    left = Job.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING])
    while left.exists() and time.monotonic() - began < patience:
        time.sleep(0.1)
    dead = Job.objects.filter(state=JobState.DEAD)
    return {
        "seconds": round(time.monotonic() - began, 1),
        "left": list(left.values_list("kind", flat=True)),
        "dead": list(dead.exclude(pk__in=hopeless).values_list("kind", "error")),
        "given_up_as_it_should": dead.filter(pk__in=hopeless).count(),
        "not_dead": len(hopeless) - dead.filter(pk__in=hopeless).count(),
        "jobs": Job.objects.count(),
    }


def _meanwhile(tally: Tally, spans: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Writes that were under way while the fault was being done: how long each took, and how many failed."""
    writes = [
        asked
        for asked in tally.asked
        if asked.method in WRITES
        and any(began <= asked.at and asked.at - asked.seconds <= ended for began, ended in spans)
    ]
    return {
        "writes": spread(asked.seconds for asked in writes),
        "failed": sum(w.status >= 500 for w in writes),
    }


def _requests(tally: Tally) -> dict[str, Any]:
    kinds = {"read": ("GET",), "write": WRITES}
    return {
        "by_status": {str(status): times for status, times in sorted(tally.answered.items())},
        "cut_off": tally.broken,
        "503_without_retry_after": tally.without_retry_after,
        "seconds": {
            kind: spread(asked.seconds for asked in tally.asked if asked.method in methods)
            for kind, methods in kinds.items()
        },
    }
