"""One id from the request through the message to the worker's log lines; it names a request, no person."""

import logging
import re
import time
import uuid
from contextvars import ContextVar, Token
from typing import Any

from celery.signals import before_task_publish, task_postrun, task_prerun

logger = logging.getLogger("matchmaker.work")

HEADER = "X-Request-ID"
# A UUID, with or without its dashes (nginx' $request_id): nothing else that a client sends reaches a log.
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
RUN_JOB = "jobs.tasks.run_job"

request_id: ContextVar[str] = ContextVar("matchmaker_request_id", default="")
job_id: ContextVar[int | None] = ContextVar("matchmaker_job_id", default=None)
jobs_woken: ContextVar[list[int] | None] = ContextVar("matchmaker_jobs_woken", default=None)
_under_way: ContextVar[tuple[float, Token[str], Token[int | None]] | None] = ContextVar(
    "matchmaker_task", default=None
)


def id_of(sent: str | None) -> str:
    """The id that a proxy gave the request, else a new one."""
    return sent.lower() if sent and _UUID.fullmatch(sent) else uuid.uuid4().hex


@before_task_publish.connect
def send_along(*, sender: str, headers: dict[str, Any], body: Any, **_: Any) -> None:
    """A message carries the id of the request that sends it, and the request remembers its jobs."""
    if request_id.get():
        headers["request_id"] = request_id.get()
    woken = jobs_woken.get()
    if woken is not None and sender == RUN_JOB:
        woken.extend(body[0][:1])


@task_prerun.connect
def begin(*, task: Any, args: Any, **_: Any) -> None:
    """What this task logs carries the id of the request, and the job's number."""
    number = args[0] if task.name == RUN_JOB and args else None
    tokens = request_id.set(task.request.get("request_id") or ""), job_id.set(number)
    _under_way.set((time.monotonic(), *tokens))


@task_postrun.connect
def end(*, task: Any, state: str | None = None, **_: Any) -> None:
    """One line a job; the ticks of the timetable are told at DEBUG."""
    under_way = _under_way.get()
    if under_way is None:
        return
    began, of_request, of_job = under_way
    fields = {"task": task.name, "state": state, "ms": round(1000 * (time.monotonic() - began), 1)}
    level = logging.INFO if task.name == RUN_JOB else logging.DEBUG
    logger.log(level, "%s: %s", task.name, state, extra={"fields": fields})
    request_id.reset(of_request)
    job_id.reset(of_job)
    _under_way.set(None)
