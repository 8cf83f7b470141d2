"""What OPTIONS answers: the methods, and where the description is (layer: core)."""

from typing import Any

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request


class Methods(BaseMetadata):
    """The methods of an address. All else is in the schema; DRF's own answer runs serializers for it."""

    def determine_metadata(self, request: Request, view: Any) -> dict[str, Any]:
        return {"allow": view.allowed_methods, "schema": "/api/v1/schema/"}
