"""What OPTIONS answers: the methods, and where the description is (layer: core)."""

from typing import Any

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request

from matchmaker.core.renderers import answer_in_json


class Methods(BaseMetadata):
    """The methods of an address. All else is in the schema; DRF's own answer runs serializers for it."""

    def determine_metadata(self, request: Request, view: Any) -> dict[str, Any]:
        answer_in_json(request)
        return {"allow": view.allowed_methods, "schema": "/api/v1/schema/"}
