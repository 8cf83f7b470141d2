"""The town in figures: a few bounded queries, however large it grows."""

import math
import random
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections
from django.db.models import Count, Max, Min, Q
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from jobs.models import Job, JobState
from jobs.selectors import canary_ages
from matching.choices import ModelStatus, Side
from matching.models import DueParty, EngineModel, EngineRun, InvariantCheck, RecommendationList
from matching.services.recommendations.asking import DUE_KIND, REFRESH_KIND
from matchmaker.backups.making import last_made
from matchmaker.core import clock

# Work that has ended is left out of the counts: it is most of the table, and nobody waits for it.
OPEN = (JobState.QUEUED, JobState.RUNNING, JobState.DEAD)
QUANTILES = (0.5, 0.9, 0.99, 1.0)
LATELY, MOST_SAVES, MOST_LISTS = timedelta(minutes=10), 1000, 500


class Town(Collector):
    """Everything that rows and the disk tell, read at the moment of asking."""

    def collect(self) -> Iterator[Metric]:
        yield from _disk()
        try:
            found = [metric for group in GROUPS for metric in group(clock.now())]
        except DatabaseError:
            connections.close_all()
            found = []
        yield Gauge("matchmaker_database_up", "Whether the database answered.", value=bool(found))
        yield from found


def _disk() -> Iterator[Metric]:
    free = shutil.disk_usage(settings.VAR_DIR).free
    yield Gauge("matchmaker_disk_free_bytes", "Room left where var/ lies.", value=free)
    says = "When the last backup was made, wherever on this machine it went; 0 for never."
    yield Gauge("matchmaker_backup_made_timestamp_seconds", says, value=last_made() or 0.0)


def _jobs(now: datetime) -> Iterator[Metric]:
    due, lapsed = Q(state=JobState.QUEUED, not_before__lte=now), Q(lease_until__lt=now)
    rows = list(
        Job.objects.filter(state__in=OPEN)
        .values("queue", "kind", "state")
        .annotate(
            n=Count("id"),
            due=Count("id", filter=due),
            oldest=Min("not_before", filter=due),
            lapsed=Count("id", filter=lapsed & Q(state=JobState.RUNNING)),
        )
        .order_by()
    )
    yield from _counts_of_jobs(rows)
    yield from _waiting(rows, now)
    lost = sum(row["lapsed"] for row in rows)
    yield Gauge("matchmaker_jobs_lapsed", "Running jobs whose worker renews its lease no more.", value=lost)
    newest = Job.objects.aggregate(newest=Max("pk"))["newest"] or 0
    yield Gauge("matchmaker_jobs_last_number", "Number of the newest job; it only grows.", value=newest)


def _counts_of_jobs(rows: Sequence[Any]) -> Iterator[Metric]:
    by_state = {(queue, state.value): 0 for queue in settings.JOBS_QUEUES for state in OPEN}
    kinds = Gauge("matchmaker_jobs_by_kind", "Jobs not done, by kind.", labels=["queue", "kind", "state"])
    for row in rows:
        kinds.add_metric([row["queue"], row["kind"], row["state"]], row["n"])
        key = (row["queue"], row["state"])
        by_state[key] = by_state.get(key, 0) + row["n"]
    counts = Gauge("matchmaker_jobs", "Jobs not done, by queue and state.", labels=["queue", "state"])
    for (queue, state), n in by_state.items():
        counts.add_metric([queue, state], n)
    yield from (counts, kinds)


def _waiting(rows: Sequence[Any], now: datetime) -> Iterator[Metric]:
    depth: dict[str, int] = dict.fromkeys(settings.JOBS_QUEUES, 0)
    waits: dict[str, float] = dict.fromkeys(settings.JOBS_QUEUES, 0.0)
    for row in rows:
        depth[row["queue"]] = depth.get(row["queue"], 0) + row["due"]
        if row["oldest"]:
            age = (now - row["oldest"]).total_seconds()
            waits[row["queue"]] = max(waits.get(row["queue"], 0.0), age)
    longest = max(waits.values())
    says = "How long the job that waits longest has been due."
    yield Gauge("matchmaker_job_oldest_due_seconds", says, value=longest)
    yield _by("matchmaker_queue_due_jobs", "Jobs that could be worked on now.", "queue", depth)
    yield _by("matchmaker_queue_oldest_due_seconds", f"{says[:-1]}, by queue.", "queue", waits)


def _canaries(_now: datetime) -> Iterator[Metric]:
    says = "How long ago a message came through the queue to a worker."
    yield _by("matchmaker_canary_age_seconds", says, "queue", canary_ages())


def _freshness(now: datetime) -> Iterator[Metric]:
    """From the first save that a job answers until its lists were stored; one still open counts until now."""
    ages = []
    for kind in (REFRESH_KIND, DUE_KIND):
        saves = Job.objects.filter(kind=kind, created_at__gte=now - LATELY).order_by("-created_at")
        for saved, stored in saves.values_list("created_at", "finished_at")[:MOST_SAVES]:
            ages.append(max(((stored or now) - saved).total_seconds(), 0.0))
    says = "From a save to its list, saves of the last ten minutes."
    yield _quantiles("matchmaker_freshness_seconds", says, {"": ages})
    yield Gauge("matchmaker_freshness_saves", "How many of them there were.", value=len(ages))
    waiting = DueParty.objects.values("side", "party_id").distinct().count()
    yield Gauge("matchmaker_parties_due", "Parties that wait to share a recomputation.", value=waiting)


def _lists(now: datetime) -> Iterator[Metric]:
    """A window of subjects from a random place on: all of a small town, a sample of a large one."""
    ages: dict[str, list[float]] = {}
    for side in Side.values:
        current = RecommendationList.objects.filter(side=side, superseded_at__isnull=True)
        last = current.aggregate(last=Max("subject_id"))["last"] or 0
        start = random.randint(0, max(last - MOST_LISTS, 0))  # noqa: S311 (a sample, no secret)
        window = current.filter(subject_id__gte=start).order_by("subject_id")
        made = window.values_list("computed_at", flat=True)[:MOST_LISTS]
        ages[side] = [(now - at).total_seconds() for at in made]
    yield _quantiles("matchmaker_list_age_seconds", "Age of the lists that are served (a sample).", ages)
    finished = EngineRun.objects.filter(finished_at__isnull=False).order_by("-pk")
    if at := finished.values_list("finished_at", flat=True).first():
        says = "How long ago everybody's lists were made."
        yield Gauge("matchmaker_rematch_age_seconds", says, value=(now - at).total_seconds())


def _model(now: datetime) -> Iterator[Metric]:
    published = EngineModel.objects.filter(status=ModelStatus.PUBLISHED)
    found = published.values_list("pk", "digest", "published_at").first()
    counts = Gauge("matchmaker_model_published", "Which weights count.", labels=["model", "digest"])
    counts.add_metric([str(found[0]), found[1][:12]] if found else ["prior", ""], 1)
    yield counts
    if found and found[2]:
        age = (now - found[2]).total_seconds()
        yield Gauge("matchmaker_model_age_seconds", "How long it has counted.", value=age)


def _invariants(now: datetime) -> Iterator[Metric]:
    """What the last check found, and how old it is; nothing before the first."""
    check = InvariantCheck.objects.order_by("-pk").first()
    if check is None:
        return
    for field, says in (
        ("violations", "Violations that the last check of invariants found."),
        ("examined", "Rows that the last check of invariants looked at."),
    ):
        figures = {str(row["number"]): row[field] for row in check.results}
        yield _by(f"matchmaker_invariant_{field}", says, "invariant", figures)
    age = (now - check.created_at).total_seconds()
    says = "How long ago the last check of invariants ended."
    yield Gauge("matchmaker_invariants_checked_seconds", says, value=age)


GROUPS: tuple[Callable[[datetime], Iterator[Metric]], ...] = (
    _jobs,
    _canaries,
    _freshness,
    _lists,
    _model,
    _invariants,
)


def _by(name: str, says: str, label: str, figures: Any) -> Metric:
    metric = Gauge(name, says, labels=[label])
    for key, value in figures.items():
        metric.add_metric([key], value)
    return metric


def _quantiles(name: str, says: str, groups: dict[str, list[float]]) -> Metric:
    """One line a quantile; a group without a value has none. A group without a name has no label for it."""
    named = defaultdict(list, groups)
    labels = ["quantile"] if "" in named else ["side", "quantile"]
    metric = Gauge(name, says, labels=labels)
    for group, values in groups.items():
        ordered = sorted(values)
        for quantile in QUANTILES if ordered else ():
            at = max(math.ceil(quantile * len(ordered)) - 1, 0)
            metric.add_metric([*([group] if group else []), f"{quantile:g}"], ordered[at])
    return metric
