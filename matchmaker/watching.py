"""The outermost middleware: gives every request its id, counts it, and writes one line that names nobody."""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse

from matchmaker import correlation
from matchmaker.metrics.requests import count_request

logger = logging.getLogger("matchmaker.access")


class _DatabaseTime:
    """Adds up what a request's queries take."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.queries = 0

    def __call__(self, execute: Callable[..., Any], *args: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*args)
        finally:
            self.seconds += time.perf_counter() - began
            self.queries += 1


class Watch:
    """Takes or makes the request's id, and tells route, status and times when it is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began, spent = time.perf_counter(), _DatabaseTime()
        own_id = correlation.id_of(request.headers.get(correlation.HEADER))
        of_request, woken = correlation.request_id.set(own_id), list[int]()
        of_jobs = correlation.jobs_woken.set(woken)
        try:
            with connection.execute_wrapper(spent):
                response = self.get_response(request)
            response.headers[correlation.HEADER] = own_id
            _tell(request, response, time.perf_counter() - began, spent, woken)
        finally:
            correlation.jobs_woken.reset(of_jobs)
            correlation.request_id.reset(of_request)
        return response


def route_of(request: HttpRequest) -> str:
    """The name of the route; an address, which may hold what a caller typed, is never told."""
    if request.resolver_match is not None:
        return request.resolver_match.view_name
    return "static" if request.path.startswith(settings.STATIC_URL) else "none"


def _tell(
    request: HttpRequest, response: HttpResponse, seconds: float, spent: _DatabaseTime, woken: list[int]
) -> None:
    route, method, status = route_of(request), request.method or "", response.status_code
    count_request(route=route, method=method, status=status, seconds=seconds, database_seconds=spent.seconds)
    if not settings.ACCESS_LOG:
        return
    fields: dict[str, Any] = {"route": route, "method": method, "status": status}
    fields |= {"ms": round(1000 * seconds, 1), "db_ms": round(1000 * spent.seconds, 1)}
    fields |= {"queries": spent.queries} | ({"jobs": woken} if woken else {})
    logger.info("%s %s %s", method, route, status, extra={"fields": fields})
