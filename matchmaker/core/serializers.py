"""Serializers that refuse what they do not know (layer: core)."""

from datetime import datetime
from difflib import get_close_matches
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from matchmaker.core.errors import InvalidInput
from matchmaker.core.text import unseen_character

FIRST_YEAR, LAST_YEAR = 1970, 2200


class PlainTextField(serializers.CharField):
    """Text without characters that nobody can see; line breaks where `lines` says so."""

    def __init__(self, *, lines: bool = False, **options: Any) -> None:
        self.lines = lines
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        unseen = unseen_character(text, lines=self.lines)
        if unseen:
            message = _("This text holds the invisible character %(code)s; remove it.")
            raise serializers.ValidationError(message % {"code": unseen})
        return text


class MomentField(serializers.DateTimeField):
    """A time; near the ends of the calendar a change of zone and even a comparison would overflow."""

    def enforce_timezone(self, value: datetime) -> Any:
        if not FIRST_YEAR <= value.year <= LAST_YEAR:
            self.fail("overflow")
        return super().enforce_timezone(value)


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer for input: unknown keys are an error, at every level, and nothing is written by it."""

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for field in fields.values():
            _tell_choices(field)
        return fields

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
            raise InvalidInput(fields={"body": [_("Send a JSON object.")]})
        return dict(self.validated_data)


def _tell_choices(field: Any) -> None:
    """Let the refusal of a word name those that are accepted."""
    field = getattr(field, "child", None) or field
    if isinstance(field, serializers.ChoiceField):
        message = _("Choose one of: %(choices)s.") % {"choices": ", ".join(map(str, field.choices))}
        field.error_messages["invalid_choice"] = message.replace("{", "{{").replace("}", "}}")


def _unknown(name: str, known: set[str]) -> str:
    near = get_close_matches(name, known, n=1)
    if near:
        return _("There is no such field. Did you mean %(name)s?") % {"name": near[0]}
    return _("There is no such field.")
