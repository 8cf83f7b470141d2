"""The OpenAPI schema: whole and closed. That the endpoints keep to it is for tests/fuzz to say."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command

from matchmaker.wsgi import application

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
