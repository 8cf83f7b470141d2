"""What the schema of the API says that may be written, and what it says is only read."""

from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator

WRITING = ("post", "put", "patch", "delete")
JSON = "application/json"


@cache
def schema() -> dict[str, Any]:
    return dict(SchemaGenerator().get_schema(request=None, public=True))


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """The schema that a reference leads to."""
    while "$ref" in part:
        part = schema()["components"]["schemas"][part["$ref"].rpartition("/")[2]]
    return part


def names_in(part: Any, seen: set[str] | None = None) -> set[str]:
    """Every name of a property at any depth."""
    seen = set() if seen is None else seen
    if isinstance(part, list):
        return set().union(*(names_in(item, seen) for item in part)) if part else set()
    if not isinstance(part, dict):
        return set()
    if reference := part.get("$ref"):
        if reference in seen:
            return set()
        seen.add(reference)
        return names_in(resolved(part), seen)
    found = set(part.get("properties", {}))
    return found.union(*(names_in(value, seen) for value in part.values())) if part else found


def body_routes() -> dict[tuple[str, str], dict[str, Any]]:
    """Every operation that takes a JSON body, by method and route."""
    found = {}
    for path, item in schema()["paths"].items():
        for method in WRITING:
            content = item.get(method, {}).get("requestBody", {}).get("content", {})
            if JSON in content:
                found[method, path.removeprefix("/api/v1/")] = item[method]
    return found


def writable(operation: dict[str, Any]) -> set[str]:
    """The fields that a client may send."""
    return set(resolved(operation["requestBody"]["content"][JSON]["schema"])["properties"])


def answered(operation: dict[str, Any]) -> set[str]:
    """Every name in a good answer."""
    good = [answer for status, answer in operation["responses"].items() if str(status) < "300"]
    return names_in([answer.get("content", {}).get(JSON, {}).get("schema", {}) for answer in good])
