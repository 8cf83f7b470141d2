"""Tells the asker which job a request has put into the queue (layer: faces)."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from jobs.services import jobs_asked_for


class AnnounceJob:
    """Middleware: an answer to a change names its job, `Link: </api/v1/jobs/…/>; rel="monitor"`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with jobs_asked_for() as jobs:
            response = self.get_response(request)
        if jobs and response.status_code < 400:
            address = reverse("job", args=[jobs[0].public_id])
            response.headers["Link"] = f'<{address}>; rel="monitor"'
        return response
