"""One run: a town, clients, faults, quiet, and the report."""

import os
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.chaos.clients import Asker, Client, Journal, Seat, Tally
from tests.chaos.cluster import Cluster, cluster
from tests.chaos.faults import FAULTS
from tests.chaos.probe import Probe
from tests.chaos.reconcile import reconcile

REST_SECONDS = 1.0
# What a new stall takes over from the one that its client has.
_LIKE = (
    "zone",
    "categories",
    "styles",
    "price_min_cents",
    "price_max_cents",
    "commission_rate",
    "cooperation_modes",
    "moq",
    "stock_depth",
)


@dataclass(frozen=True)
class Plan:
    """What is to be done; `python -m tests.chaos --help` tells each."""

    minutes: float = 3.0
    seed: int = 1
    clients: int = 6
    pause: float = 0.1
    only: Sequence[str] = ()
    no_faults: bool = False
    stalls: int = 20
    anchors: int = 60
    lossy: str = ""
    quiet: float = 120.0

    @property
    def faults(self) -> list[str]:
        unknown = set(self.only) - set(FAULTS)
        if unknown:
            raise SystemExit(f"--only: no fault {sorted(unknown)}; known: {', '.join(FAULTS)}")
        return [] if self.no_faults else list(self.only or FAULTS)


@dataclass
class Observed:
    """What the run saw."""

    recoveries: dict[str, list[float]] = field(default_factory=dict)
    counts: dict[str, int] = field(
        default_factory=dict
    )  # what a fault did, where that is more than one thing
    failed: list[str] = field(default_factory=list)  # faults that could not be injected
    not_recovered: list[str] = field(default_factory=list)
    memory: list[tuple[float, dict[str, int]]] = field(default_factory=list)


def run(plan: Plan) -> dict[str, Any]:
    """Return the report; `ok` says whether nothing was lost, double, undone or violated."""
    os.environ["CHAOS_LOSSY"] = plan.lossy
    faults = plan.faults
    wsgi = "tests.chaos.lossy" if plan.lossy else "matchmaker.wsgi"
    with cluster(stalls=plan.stalls, anchors=plan.anchors, wsgi=wsgi) as town:
        try:
            return _run(town, plan, faults)
        except BaseException:
            sys.stderr.write(town.logs())
            raise


def _run(town: Cluster, plan: Plan, faults: list[str]) -> dict[str, Any]:
    _set_up_django(town)
    tally, journal = Tally(), Journal(town.folder / "journal.jsonl")
    seats = _seats(town, tally, plan.clients + 1)
    probe = Probe(seats.pop())
    if not plan.lossy:  # which may never do what the probe waits for
        probe.recovered(90.0)
    tally.seconds.clear()
    for seat in seats:
        journal.write(kind="began", what="edit", about=seat.stall_id, version=seat.version)
    clients = [Client(number, seat, journal, plan.seed, plan.pause) for number, seat in enumerate(seats)]
    for client in clients:
        client.start()
    seen = Observed()
    _hurt(town, plan, faults, probe, seen)
    for client in clients:
        client.over.set()
    for client in clients:
        client.join()
    drained = _drained(plan.quiet)
    return _report(plan, seen, tally, journal, clients, drained)


def _set_up_django(town: Cluster) -> None:
    os.environ.update({name: town.env[name] for name in town.env if os.environ.get(name) != town.env[name]})
    import django

    django.setup()


def _seats(town: Cluster, tally: Tally, wanted: int) -> list[Seat]:
    """Stalls of different merchants with a full list, each with a token for its owner."""
    from django.utils import timezone

    from accounts.choices import Scope
    from accounts.models import Membership, Stall
    from accounts.services.access import issue_api_token
    from matching.rules import own_reasons

    seats: dict[int, Seat] = {}
    for stall in Stall.objects.select_related("merchant").order_by("pk"):
        member = Membership.objects.filter(merchant=stall.merchant_id).first()
        if member is None or own_reasons(stall) or member.user_id in seats or len(seats) == wanted:
            continue
        _row, token = issue_api_token(
            actor=member.user,
            user=member.user,
            name="chaos",
            scopes=[scope.value for scope in Scope],
            expires_at=timezone.now() + timedelta(days=1),
        )
        asker = Asker(town.port, token, tally)
        known = asker.until_answered("GET", f"stalls/{stall.public_id}/").body
        kept = ("zone", "categories", "styles", "price_min_cents", "price_max_cents", "commission_rate")
        like = {
            name: known[name]
            for name in (*kept, "cooperation_modes", "moq", "stock_depth")
            if known.get(name)
        }
        seats[member.user_id] = Seat(asker, str(stall.public_id), like, stall.version)
    if len(seats) < wanted:
        raise SystemExit(f"--clients: {wanted} merchants needed, the town has {len(seats)}; raise --stalls")
    return list(seats.values())


def _hurt(town: Cluster, plan: Plan, faults: list[str], probe: Probe, seen: Observed) -> None:
    """Each fault in an order of the seed, again and again until the time is over; each at least once."""
    from django.db import connection

    rng = random.Random(plan.seed)  # noqa: S311
    ends = time.monotonic() + 60.0 * plan.minutes
    todo: list[str] = []
    rounds = 0
    while time.monotonic() < ends or (faults and rounds == 0) or (rounds == 1 and todo):
        seen.memory.append((time.monotonic(), _memory(town)))
        if not faults:
            time.sleep(min(5.0, max(0.1, ends - time.monotonic())))
            continue
        if not todo:
            todo, rounds = rng.sample(faults, len(faults)), rounds + 1
        name = todo.pop()
        time.sleep(rng.uniform(0.2, REST_SECONDS))
        try:
            seen.counts[name] = seen.counts.get(name, 0) + FAULTS[name](town, rng)
        except Exception as error:  # the town is in pieces already: told, and gone on with
            seen.failed.append(f"{name}: {error!r}")
            connection.close()
            continue
        recovery = probe.recovered(90.0)
        sys.stderr.write(f"{name}: {recovery} s\n")
        if recovery is None:
            seen.not_recovered.append(name)
        else:
            seen.recoveries.setdefault(name, []).append(recovery)


def _memory(town: Cluster) -> dict[str, int]:
    """Kilobytes of each process with its children."""
    found = {}
    for name, kept in town.named.items():
        pids = [kept.pid, *kept.children()] if kept.pid else []
        found[name] = sum(_rss(pid) for pid in pids)
    return found


def _rss(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmRSS")), 0)
    except OSError:
        return 0


def _drained(patience: float) -> dict[str, Any]:
    """Wait until no work is left; tell how long it took and what was left."""
    from jobs.models import Job, JobState

    began = time.monotonic()
    left = Job.objects.filter(state__in=[JobState.QUEUED, JobState.RUNNING])
    while left.exists() and time.monotonic() - began < patience:
        time.sleep(0.1)
    return {
        "seconds": round(time.monotonic() - began, 1),
        "left": list(left.values_list("kind", flat=True)),
        "dead": list(Job.objects.filter(state=JobState.DEAD).values_list("kind", "error")),
        "jobs": Job.objects.count(),
    }


def _report(
    plan: Plan,
    seen: Observed,
    tally: Tally,
    journal: Journal,
    clients: list[Client],
    drained: dict[str, Any],
) -> dict[str, Any]:
    from matching.services.invariants import check_some

    compared = reconcile(journal.lines)
    violated = {
        str(line["number"]): line["found"][:5] or line["violations"]
        for line in check_some()
        if line["violations"]
    }
    failures = [repr(client.error) for client in clients if client.error]
    wrong = sum(compared[kind]["count"] for kind in ("lost", "double", "never_sent", "undone"))
    broken = drained["left"] or drained["dead"] or violated or failures or seen.not_recovered
    return {
        "ok": not wrong and not broken,
        "plan": vars(plan),
        "load_average": os.getloadavg(),
        # How often, how much was done, and the seconds from the end of the fault until all works again.
        "faults": {
            name: {"done": seen.counts[name], **_spread(times)}
            for name, times in sorted(seen.recoveries.items())
        },
        "faults_that_failed": seen.failed,
        "not_recovered": seen.not_recovered,
        "journal": compared,
        "requests": _requests(tally),
        "drained": drained,
        "invariants_violated": violated,
        "clients_failed": failures,
        "memory_slope_percent_per_hour": _slopes(seen.memory) if plan.no_faults else None,
    }


def _spread(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    numbers = {"p50": statistics.median(ordered), "p99": p99, "max": ordered[-1]}
    return {"times": len(times), **{name: round(value, 3) for name, value in numbers.items()}}


def _requests(tally: Tally) -> dict[str, Any]:
    kinds = {"read": ("GET",), "write": ("POST", "PATCH")}
    seconds = {
        kind: _spread([took for method, took in tally.seconds if method in methods] or [0.0])
        for kind, methods in kinds.items()
    }
    return {
        "by_status": {str(status): times for status, times in sorted(tally.answered.items())},
        "cut_off": tally.broken,
        "503_without_retry_after": tally.without_retry_after,
        "seconds": seconds,
    }


def _slopes(memory: list[tuple[float, dict[str, int]]]) -> dict[str, float]:
    """Growth of each process by a straight line through its later half, in percent of its mean an hour."""
    later = memory[len(memory) // 2 :]
    if len(later) < 3:
        return {}
    times = [at - later[0][0] for at, _ in later]
    found = {}
    for name in later[0][1]:
        sizes = [held[name] for _, held in later]
        slope = statistics.linear_regression(times, sizes).slope
        found[name] = round(100.0 * 3600.0 * slope / max(statistics.mean(sizes), 1.0), 2)
    return found
