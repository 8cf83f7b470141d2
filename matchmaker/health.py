"""What a load balancer asks: is it alive, is it ready (how it is doing: matchmaker/metrics)."""

from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs.models import Job, JobState
from jobs.selectors import silent_queues

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
