"""Fields that the serializers of matching share (layer: faces)."""

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.validation.fields import Bad
from accounts.validation.values import MAX_CENTS, rate

# What a bigint column holds; beyond it a query would fail instead of the field.
BIGINT_MAX = 2**63 - 1
MOST_CODES = 100


class RateField(serializers.DecimalField):
    """A share in [0, 1]; a string in answers, so that no digit is lost."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", "A share from 0 to 1 with at most four decimals: 0.20 is 20 %.")
        super().__init__(max_digits=5, decimal_places=4, min_value=0, max_value=1, **options)

    def to_internal_value(self, data: Any) -> Decimal:
        try:
            return rate(data)
        except Bad as bad:
            raise serializers.ValidationError(bad.parts[""]) from bad


class CentsField(serializers.IntegerField):
    """Money."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", "Cents of CNY.")
        super().__init__(min_value=0, max_value=MAX_CENTS, **options)


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class CommaField(serializers.Field[list[Any], Any, Any, Any]):
    """A list in a query parameter: `a,b,c`; each item checked by `child`."""

    def __init__(self, *, child: serializers.Field[Any, Any, Any, Any] | None = None, **options: Any) -> None:
        self.child = child or serializers.CharField(max_length=64)
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> list[Any]:
        items = [item.strip() for item in str(data).split(",") if item.strip()]
        if len(items) > MOST_CODES:
            raise serializers.ValidationError(_("At most %(most)s values.") % {"most": MOST_CODES})
        return [self.child.run_validation(item) for item in dict.fromkeys(items)]

    def to_representation(self, value: Any) -> Any:
        return value
