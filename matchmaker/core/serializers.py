"""Serializers that refuse what they do not know (layer: core)."""

from difflib import get_close_matches
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from matchmaker.core.errors import InvalidInput


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer for input: unknown keys are an error, at every level, and nothing is written by it."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            self._refuse_unknown(set(data))
        return super().to_internal_value(data)

    def _refuse_unknown(self, names: set[str]) -> None:
        writable = {name for name, field in self.fields.items() if not field.read_only}
        unknown = sorted(names - writable)
        if unknown:
            raise serializers.ValidationError({name: [_unknown(name, writable)] for name in unknown})

    def checked(self) -> dict[str, Any]:
        """Return the validated values; raise with the fields at fault."""
        self.is_valid(raise_exception=True)
        if not isinstance(self.validated_data, dict):
            raise InvalidInput(_("Send a JSON object."))
        return dict(self.validated_data)


def _unknown(name: str, known: set[str]) -> str:
    near = get_close_matches(name, known, n=1)
    if near:
        return _("There is no such field. Did you mean %(name)s?") % {"name": near[0]}
    return _("There is no such field.")
