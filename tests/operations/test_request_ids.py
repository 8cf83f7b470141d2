"""One id from the request to the worker's log line, and lines that name nobody."""

import json
import logging
import uuid
from io import StringIO
from typing import Any

import pytest
from celery.app.trace import build_tracer
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Stall, User
from jobs.models import Job
from jobs.services import publish
from jobs.tasks import load_handlers
from matchmaker import correlation
from matchmaker.celery import app
from matchmaker.logs import JSONFormatter, TextFormatter
from tests import scanner

GIVEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def lines(settings: Any) -> Any:
    """What is logged meanwhile, as the JSON lines of production."""
    settings.ACCESS_LOG = True
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The messages that would be sent, as they are on their way: headers and body."""
    sent: list[dict[str, Any]] = []

    def publish(self: Any, body: Any, *, headers: Any, **_options: Any) -> None:
        sent.append({"headers": headers, "body": body})

    monkeypatch.setattr("kombu.Producer.publish", publish)
    return sent


def receive(message: dict[str, Any]) -> None:
    """Run the task as a worker does that got this message, in this very thread."""
    load_handlers()
    name = message["headers"]["task"]
    args, kwargs, _embedded = message["body"]
    tracer = build_tracer(name, app.tasks[name], app=app, hostname="test")
    request = {**message["headers"], "args": args, "kwargs": kwargs, "is_eager": False}
    tracer(message["headers"]["id"], args, kwargs, request)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (GIVEN, True),
        (str(uuid.UUID(GIVEN)), True),
        ("13912345678", False),
        ("a" * 33, False),
        ("x\r\ny", False),
        ("张三", False),
        ("", False),
        (None, False),
    ],
)
def test_whose_id_is_taken(sent: str | None, kept: bool) -> None:
    own = correlation.id_of(sent)
    assert (own == sent) is kept
    assert kept or uuid.UUID(own).hex == own


def test_an_answer_carries_the_id(client: Client) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": GIVEN})["X-Request-ID"] == GIVEN
    first, second = client.get("/healthz"), client.get("/healthz")
    assert first["X-Request-ID"] != second["X-Request-ID"]
    assert correlation.request_id.get() == ""


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_from_the_request_to_the_line_of_the_worker(
    api: Any, merchant_user: User, stall: Stall, messages: list[dict[str, Any]], lines: Any
) -> None:
    client: APIClient = api(merchant_user)
    answer = client.patch(
        f"/api/v1/stalls/{stall.public_id}/", {"moq": 9}, HTTP_X_REQUEST_ID=GIVEN, HTTP_IF_MATCH="*"
    )
    assert answer.status_code == 200, answer.content
    job = Job.objects.latest("pk")
    (message,) = (m for m in messages if m["body"][0] == [job.pk])
    assert message["headers"]["request_id"] == GIVEN
    (access,) = (line for line in lines() if line["logger"] == "matchmaker.access")
    assert (access["request_id"], access["status"], access["method"]) == (GIVEN, 200, "PATCH")
    assert access["jobs"] == [job.pk] and access["queries"] > 0 and access["ms"] >= access["db_ms"] > 0

    receive(message)

    job.refresh_from_db()
    assert job.state == "done"
    (worked,) = (line for line in lines() if line["logger"] == "matchmaker.work")
    assert (worked["request_id"], worked["job"], worked["state"]) == (GIVEN, job.pk, "SUCCESS")
    assert (correlation.request_id.get(), correlation.job_id.get()) == ("", None)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_goes_wrong_in_a_job_carries_the_id_too(messages: list[dict[str, Any]], lines: Any) -> None:
    job = Job.objects.create(kind="nobody.knows", dedupe_key="k", not_before=timezone.now())
    token = correlation.request_id.set(GIVEN)
    publish(job.pk, "default")
    correlation.request_id.reset(token)
    receive(messages[0])
    failed = [line for line in lines() if "exception" in line]
    assert failed and {line["request_id"] for line in failed} == {GIVEN}
    assert {line["job"] for line in failed} == {job.pk}


@pytest.mark.django_db
def test_a_line_names_nobody(client: Client, lines: Any) -> None:
    client.get("/13912345678/?phone=13912345678&name=张三", headers={"User-Agent": "李四"})
    (line,) = (line for line in lines() if line["logger"] == "matchmaker.access")
    assert set(line) == {
        *("at", "level", "logger", "message", "request_id"),
        *("route", "method", "status", "ms", "db_ms", "queries"),
    }
    assert line["route"] == "none"
    told = json.dumps(line, ensure_ascii=False)
    assert not [word for word in ("139", "张三", "李四", "127.0.0.1") if word in told.replace(line["at"], "")]
    scanner.leaks.clear()  # it was this test that put a number into an address


def test_a_line_for_eyes_has_it_at_its_end() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "done", (), None)
    record.fields = {"ms": 3}
    token = correlation.request_id.set(GIVEN)
    line = TextFormatter().format(record)
    correlation.request_id.reset(token)
    assert line.endswith(f"INFO x: done request_id={GIVEN} ms=3")
