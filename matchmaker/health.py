"""What a load balancer and a monitor ask: is it alive, is it ready, how is it doing."""

import hmac
import ipaddress
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs.models import Job, JobState
from jobs.selectors import canary_ages, silent_queues
from matching.models import InvariantCheck

# Work that nobody has taken for this long means that no worker lives, or none hears.
STALLED_SECONDS = 120


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers; asks nothing else, so that a sick database restarts no web."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when requests can be served: the database answers and has every migration.

    A worker that is away makes no request fail, so it is told and does not turn traffic away.
    """
    try:
        if _has_pending_migrations():
            return _not_ready("migrations")
        stalled = oldest_due_seconds() >= STALLED_SECONDS or silent_queues()
    except DatabaseError:
        connections.close_all()
        return _not_ready("database")
    return JsonResponse({"status": "ok", "workers": "stalled" if stalled else "ok"})


def _not_ready(what: str) -> JsonResponse:
    return JsonResponse({"status": "unavailable", "failing": what}, status=503, headers={"Retry-After": "5"})


_migrated: set[str] = set()


def _has_pending_migrations() -> bool:
    """Read once per process: a running process never gains migrations, and asking costs 20 ms."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    if connection.alias in _migrated:
        return False
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return True
    _migrated.add(connection.alias)
    return False


def oldest_due_seconds() -> float:
    """How long the job that waits longest has been due; 0 when none waits."""
    now = timezone.now()
    due = Job.objects.filter(state=JobState.QUEUED, not_before__lte=now)
    oldest = due.aggregate(at=Min("not_before"))["at"]
    return (now - oldest).total_seconds() if oldest else 0.0


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text: jobs by queue and state, how long work waits, whose worker died."""
    if not _may_read_metrics(request):
        return HttpResponseForbidden("token or loopback address required\n", content_type="text/plain")
    return HttpResponse("\n".join(_lines()) + "\n", content_type="text/plain; version=0.0.4; charset=utf-8")


def _may_read_metrics(request: HttpRequest) -> bool:
    """By token where one is set; else from this machine, and not through a proxy on it."""
    if settings.METRICS_TOKEN:
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(sent.encode(), settings.METRICS_TOKEN.encode())
    if "X-Forwarded-For" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _lines() -> Iterator[str]:
    yield "# HELP matchmaker_jobs Rows of background work by queue and state."
    yield "# TYPE matchmaker_jobs gauge"
    for queue, state, count in Job.objects.values_list("queue", "state").annotate(n=Count("id")).order_by():
        yield f'matchmaker_jobs{{queue="{queue}",state="{state}"}} {count}'
    yield "# HELP matchmaker_job_oldest_due_seconds How long the job that waits longest has been due."
    yield "# TYPE matchmaker_job_oldest_due_seconds gauge"
    yield f"matchmaker_job_oldest_due_seconds {oldest_due_seconds():.3f}"
    lapsed = Job.objects.filter(state=JobState.RUNNING, lease_until__lt=timezone.now()).count()
    yield "# HELP matchmaker_jobs_lapsed Running jobs whose worker no longer renews its lease."
    yield "# TYPE matchmaker_jobs_lapsed gauge"
    yield f"matchmaker_jobs_lapsed {lapsed}"
    yield "# HELP matchmaker_canary_age_seconds How long ago a message came through the queue to a worker."
    yield "# TYPE matchmaker_canary_age_seconds gauge"
    for queue, age in canary_ages().items():
        yield f'matchmaker_canary_age_seconds{{queue="{queue}"}} {age:.3f}'
    yield from _invariants()


def _invariants() -> Iterator[str]:
    """What the last check of invariants found, and how old it is; nothing before the first."""
    check = InvariantCheck.objects.order_by("-pk").first()
    if check is None:
        return
    yield "# HELP matchmaker_invariant_violations Violations that the last check of invariants found."
    yield "# TYPE matchmaker_invariant_violations gauge"
    for row in check.results:
        yield f'matchmaker_invariant_violations{{invariant="{row["number"]}"}} {row["violations"]}'
    yield "# HELP matchmaker_invariant_examined Rows that the last check of invariants looked at."
    yield "# TYPE matchmaker_invariant_examined gauge"
    for row in check.results:
        yield f'matchmaker_invariant_examined{{invariant="{row["number"]}"}} {row["examined"]}'
    age = (timezone.now() - check.created_at).total_seconds()
    yield "# HELP matchmaker_invariants_checked_seconds How long ago the last check of invariants ended."
    yield "# TYPE matchmaker_invariants_checked_seconds gauge"
    yield f"matchmaker_invariants_checked_seconds {age:.0f}"
