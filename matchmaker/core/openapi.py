"""What the OpenAPI schema says of every endpoint without being told (layer: core)."""

from typing import Any

from drf_spectacular.openapi import AutoSchema

PROBLEM_STATUSES = (400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 428, 429, 503)
PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "fields"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable lower_snake name."},
        "detail": {"type": "string", "description": "A sentence in the asker's language."},
        "fields": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    },
}
_KEY = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "schema": {"type": "string", "maxLength": 128},
    "description": "Repeat a write safely: the same key and body give the same answer once more.",
}  # fmt: skip
_IF_MATCH = {
    "name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"},
    "description": "The ETag that was read; 428 without it, 412 when the thing changed meanwhile.",
}  # fmt: skip

_MAY_MATCH = _IF_MATCH | {
    "required": False, "description": "The ETag that was read, if it matters: 412 when it has changed.",
}  # fmt: skip


class ProblemAutoSchema(AutoSchema):
    """Adds problem+json answers, and Idempotency-Key and If-Match where the view takes it."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for status in PROBLEM_STATUSES:
            operation["responses"].setdefault(str(status), {"description": "Problem", "content": content})
        if self.method in ("POST", "PUT", "PATCH") and getattr(self.view, "is_idempotent", False):
            operation.setdefault("parameters", []).append(_KEY)
        if self.method in getattr(self.view, "if_match_methods", ()):
            operation.setdefault("parameters", []).append(_IF_MATCH)
        if self.method in getattr(self.view, "may_match_methods", ()):
            operation.setdefault("parameters", []).append(_MAY_MATCH)
        return operation


def add_problem_schema(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Postprocessing hook: declare Problem and close every request body to unknown fields."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    for name, schema in schemas.items():
        if name.endswith("Request") and schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
    return result
