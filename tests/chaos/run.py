"""One run: a town, clients, faults, quiet, and what was seen of it."""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.asking import Journal, Tally
from tests.chaos.clients import Client
from tests.chaos.cluster import Cluster, cluster
from tests.chaos.deliveries import deliver
from tests.chaos.faults import FAULTS
from tests.chaos.memory import Memory
from tests.chaos.probe import Probe
from tests.chaos.report import report
from tests.chaos.seats import take_seats

REST_SECONDS = 1.0
HEAL_SECONDS = 90.0
# Sessions that every client can tell the outcome of.
HELD = 12


@dataclass(frozen=True)
class Plan:
    """What is to be done; `python -m tests.chaos --help` tells each."""

    minutes: float = 3.0
    seed: int = 1
    clients: int = 6
    pause: float = 0.1
    only: Sequence[str] = ()
    no_faults: bool = False
    apart: bool = False
    deliveries: int = 0
    stalls: int = 20
    anchors: int = 60
    lossy: str = ""
    quiet: float = 120.0

    @property
    def faults(self) -> dict[str, int]:
        """Each fault, and how many times it is to be done at least."""
        wanted = dict.fromkeys(FAULTS, 1) if not self.only else {}
        for word in self.only:
            name, _equals, times = word.partition("=")
            wanted[name] = int(times or 1)
        if unknown := set(wanted) - set(FAULTS):
            raise SystemExit(f"--only: no fault {sorted(unknown)}; known: {', '.join(FAULTS)}")
        return {} if self.no_faults else wanted


@dataclass
class Observed:
    """What the run saw."""

    recoveries: dict[str, list[float]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    spans: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # while each was done
    failed: list[str] = field(default_factory=list)  # faults that could not be injected
    wrong: list[str] = field(default_factory=list)  # answers to the one who injects
    not_recovered: list[str] = field(default_factory=list)
    jobs: list[int] = field(default_factory=list)  # with one effect each
    hopeless: list[int] = field(default_factory=list)
    deliveries: dict[str, Any] | None = None


def run(plan: Plan) -> dict[str, Any]:
    """Return the report; `ok` says whether nothing was lost, double, undone or violated."""
    faults = plan.faults
    with cluster(stalls=plan.stalls, anchors=plan.anchors, lossy=plan.lossy) as town:
        try:
            return _run(town, plan, faults)
        except BaseException:
            sys.stderr.write(town.logs())
            raise


def _run(town: Cluster, plan: Plan, faults: dict[str, int]) -> dict[str, Any]:
    town.set_up_django()
    tally, journal = Tally(), Journal(town.folder / "journal.jsonl")
    seats = take_seats(town, tally, plan.clients + 2, held=HELD)
    probe = Probe(seats.stalls[plan.clients + 1])
    if not plan.lossy:  # which may never do what the probe waits for
        probe.recovered(HEAL_SECONDS)
    tally.asked.clear()
    for seat in seats.stalls:
        journal.write(kind="began", what="edit", about=seat.stall_id, version=seat.version)
    hand, *clients = (Client(n, seats, journal, plan.seed, plan.pause) for n in range(plan.clients + 1))
    for client in clients:
        client.start()
    seen, memory = Observed(), Memory(town)
    memory.start()
    _hurt(town, plan, faults, hand, probe, seen)
    for client in clients:
        client.over.set()
    for client in clients:
        client.join()
    memory.end()
    if plan.deliveries:
        seen.deliveries = deliver(plan.deliveries, hand.rng)
    return report(plan, seen, tally, journal, clients, memory)


def _hurt(
    town: Cluster, plan: Plan, faults: dict[str, int], hand: Client, probe: Probe, seen: Observed
) -> None:
    """Each fault in an order of the seed, until the time is over and each was done as often as wanted."""
    ends = time.monotonic() + 60.0 * plan.minutes
    todo: list[str] = []
    while not faults and time.monotonic() < ends:
        time.sleep(min(1.0, max(0.1, ends - time.monotonic())))
    while faults:
        missing = [name for name, times in faults.items() if seen.counts[name] < times]
        if not missing and time.monotonic() >= ends:
            return
        if not todo:
            todo = hand.rng.sample(missing or list(faults), len(missing or faults))
        name = todo.pop()
        time.sleep(hand.rng.uniform(0.2, REST_SECONDS))
        _do(town, plan, name, hand, probe, seen)


def _do(town: Cluster, plan: Plan, name: str, hand: Client, probe: Probe, seen: Observed) -> None:
    from django.db import connection

    began = time.monotonic()
    try:
        hurt = FAULTS[name](town, hand)
    except AssertionError as error:  # what the hand was answered, which nobody may be
        seen.wrong.append(f"{name}: {error}")
        return
    except Exception as error:  # the town is in pieces already: told, and gone on with
        seen.failed.append(f"{name}: {error!r}")
        connection.close()
        if len(seen.failed) > 20:
            raise
        return
    seen.jobs += hurt.jobs
    seen.hopeless += hurt.hopeless
    if not hurt.times:  # there was nobody to propose to, or nothing at work any more
        probe.recovered(HEAL_SECONDS, hurt.jobs)
        return
    seen.counts[name] += hurt.times
    seen.spans.setdefault(name, []).append((began, time.monotonic()))
    jobs = [*hurt.jobs, *hurt.redone]
    seconds = hurt.seconds if hurt.seconds is not None else probe.recovered(HEAL_SECONDS, jobs)
    told = "never" if seconds is None else f"{seconds:.2f} s"
    parts = "" if hurt.seconds is not None else ", ".join(f"{p} {s:.1f}" for p, s in probe.parts.items())
    sys.stderr.write(f"{name} {seen.counts[name]}: {told} ({parts}), load {os.getloadavg()[0]:.1f}\n")
    if plan.apart:
        probe.given_up(HEAL_SECONDS, hurt.hopeless)
    if seconds is None:
        seen.not_recovered.append(name)
    else:
        seen.recoveries.setdefault(name, []).append(seconds)
