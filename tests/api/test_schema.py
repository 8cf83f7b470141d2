"""The OpenAPI schema: whole, closed, and true of what the endpoints answer to generated requests."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from matching.tokens import make_suggestion_id
from matchmaker.wsgi import application
from tests.matching.held import told
from tests.matching.market import proposed

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
]  # fmt: skip
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema(django_db_blocker: Any) -> dict[str, Any]:
    with django_db_blocker.unblock():
        loaded = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", application)
    return dict(loaded.raw_schema)


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        yield from ((f"{method} {path}", item[method]) for method in METHODS & set(item))


@pytest.mark.django_db
def test_the_schema_is_generated_without_a_warning():
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=io.StringIO())


def test_every_operation_declares_its_refusals(schema):
    for name, operation in operations(schema):
        refusals = {int(status) for status in operation["responses"] if status >= "400"}
        assert refusals >= {400, 401, 403, 404, 413, 429, 503}, name
        for status in refusals:
            assert list(operation["responses"][str(status)]["content"]) == ["application/problem+json"], name
        assert operation.get("description") or operation.get("summary"), f"{name} says nothing of itself"


def objects_in(part: Any, schema: dict[str, Any], seen: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object schema reachable from `part`, with the name of its component."""
    if isinstance(part, list):
        for item in part:
            yield from objects_in(item, schema, seen)
    if not isinstance(part, dict):
        return
    name = str(part.get("$ref", "")).rpartition("/")[2]
    if name:
        if name not in seen:
            seen.add(name)
            yield from objects_in(schema["components"]["schemas"][name], schema, seen)
        return
    if part.get("type") == "object":
        yield str(part.get("description", ""))[:40], part
    for value in part.values():
        yield from objects_in(value, schema, seen)


def test_every_body_is_closed_to_unknown_fields_at_every_level(schema):
    seen: set[str] = set()
    found = 0
    for name, operation in operations(schema):
        for inner, part in objects_in(operation.get("requestBody", {}).get("content", {}), schema, seen):
            found += 1
            assert part.get("additionalProperties") is False, f"{name}: {inner} {sorted(part)}"
    assert found > 15


@pytest.fixture
def kept_connection() -> Iterator[None]:
    """The application itself is called, and would close the connection that the test's transaction is on."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.mark.django_db
@pytest.mark.usefixtures("kept_connection")
@pytest.mark.parametrize("role", ["merchant_user", "anchor_user", "staff_user"])
def test_generated_requests_get_what_the_schema_says(request, api, stall, anchor, other_anchor, role):
    client = api(request.getfixturevalue(role))
    token = client._credentials["HTTP_X_SESSION_TOKEN"]
    known = {
        "stall_id": str(stall.public_id),
        "booking_id": str(told(stall, anchor).public_id),
        "match_id": str(proposed(stall, anchor).public_id),
        "suggestion_id": make_suggestion_id("stall", stall.public_id, other_anchor.public_id),
    }
    loaded = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", application)
    for result in loaded.get_all_operations():
        operation = result.ok()
        if "/auth/" in operation.path or operation.path.endswith(("/schema/", "/docs/")):
            continue

        @settings(max_examples=4, deadline=None, database=None, derandomize=True,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.path_parameters = {
                name: known.get(name, value) for name, value in (case.path_parameters or {}).items()
            }
            answer = case.call(headers={"X-Session-Token": token, "Accept": "application/json"})
            case.validate_response(answer, checks=CHECKS)

        ask()
