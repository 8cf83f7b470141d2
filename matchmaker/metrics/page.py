"""`/metrics`: Prometheus text for who may read it."""

import hmac
import ipaddress

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from matchmaker.metrics.requests import folder
from matchmaker.metrics.town import Town


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text: queues and jobs, lists, invariants, the model that counts, requests by route."""
    if not _may_read(request):
        return HttpResponseForbidden("token or loopback address required\n", content_type="text/plain")
    registry = CollectorRegistry()
    registry.register(Town())
    MultiProcessCollector(registry, path=str(folder()))  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), content_type="text/plain; version=0.0.4; charset=utf-8")


def _may_read(request: HttpRequest) -> bool:
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
