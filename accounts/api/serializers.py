"""The shapes of profiles in the API: of answers, and of requests for the schema (layer: faces).

Requests are checked by `accounts.validation`, in one pass over all fields, because a message that names what
would be right needs the reference data and the other fields. A test holds both to the same names.
"""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.choices import (
    AGE_BANDS,
    CITY_TIERS,
    GENDERS,
    PRICE_BINS,
    CooperationMode,
    Platform,
    StreamingPermit,
    VerificationStatus,
)
from accounts.selectors import reference
from accounts.validation.hours import ALWAYS, DAYS, day_ranges, week_ranges
from matchmaker.core.serializers import StrictSerializer

RATE_HELP = "A share from 0 to 1 with at most four decimals: 0.20 is 20 %."
CENTS_HELP = "Cents of CNY."


def _shares(keys: tuple[str, ...]) -> dict[str, Any]:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "type": "object",
        "properties": {key: share for key in keys},
        "additionalProperties": False,
        "description": "Shares that sum to 1; {} is unknown or no wish.",
    }


_SPAN = {"type": "string", "pattern": r"^\d{1,2}:00-\d{1,2}:00$", "example": "09:00-12:00"}
_HOURS = {
    "type": "object",
    "properties": {day: {"type": "array", "items": _SPAN} for day in DAYS},
    "additionalProperties": False,
    "description": "Whole hours by day, town time. A day left out is closed; 20:00-02:00 ends the next day.",
}


@extend_schema_field(_HOURS)
class WeekField(serializers.Field[Any, Any, Any, Any]):
    """Weekly hours as ranges by day."""

    def to_representation(self, value: str) -> dict[str, list[str]]:
        return week_ranges(value)


@extend_schema_field(
    {"type": "array", "items": _SPAN, "description": "Free hours of this date; none is a day off."}
)
class DayField(serializers.Field[Any, Any, Any, Any]):
    """Hours of one date as ranges."""

    def to_representation(self, value: str) -> list[str]:
        return day_ranges(value)


@extend_schema_field(_shares(AGE_BANDS))
class AgeShares(serializers.JSONField):
    """Shares by age band."""


@extend_schema_field(_shares(GENDERS))
class GenderShares(serializers.JSONField):
    """Shares by gender."""


@extend_schema_field(_shares(CITY_TIERS))
class CityTierShares(serializers.JSONField):
    """Shares by city tier."""


class ReferenceCode(serializers.CharField):
    """A foreign key to reference data as its code, without a query."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.kind = kind
        super().__init__(**options)

    def get_attribute(self, instance: Any) -> str | None:
        item = getattr(reference(), self.kind).by_id.get(getattr(instance, f"{self.field_name}_id"))
        return item.code if item else None


class RateField(serializers.DecimalField):
    """A share in [0, 1]; a string in answers, so that no digit is lost."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_digits=5, decimal_places=4, min_value=0, max_value=1, **{"help_text": RATE_HELP} | options
        )


def _codes(**options: Any) -> serializers.ListField:
    return serializers.ListField(child=serializers.CharField(), **options)


def _several(choices: Any, **options: Any) -> serializers.ListField:
    return serializers.ListField(child=serializers.ChoiceField(choices.choices), **options)


def _cents(**options: Any) -> serializers.IntegerField:
    settings: dict[str, Any] = {"min_value": 0, "help_text": CENTS_HELP} | options
    return serializers.IntegerField(**settings)


class VerifiedSerializer(StrictSerializer):
    """What every party sees of its own verification."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    verification = serializers.ChoiceField(VerificationStatus.choices, read_only=True)
    verified_until = serializers.DateField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


class MerchantSerializer(VerifiedSerializer):
    """A merchant as its own users see it."""

    name = serializers.CharField(max_length=120)
    credit_code = serializers.CharField(max_length=18, help_text="Unified social credit code, GB 32100-2015.")
    licence_expires_on = serializers.DateField(
        required=False, allow_null=True, help_text="Last day of the business licence; null has no end (长期)."
    )
    contact_name = serializers.CharField(max_length=60, required=False, allow_blank=True)
    contact_phone = serializers.CharField(max_length=32, required=False, allow_blank=True)
    is_personalised = serializers.BooleanField(required=False, default=True)


class StallSerializer(StrictSerializer):
    """A stall as its merchant sees it."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    merchant = serializers.UUIDField(source="merchant.public_id", read_only=True)
    name = serializers.CharField(max_length=120)
    zone = ReferenceCode("zones", help_text="A code of /zones/.")
    floor = serializers.IntegerField(min_value=-5, max_value=99)
    number = serializers.CharField(max_length=16)
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    categories = _codes(min_length=1, max_length=10, help_text="Codes of /categories/.")
    styles = _codes(required=False, max_length=10, help_text="Codes of /styles/.")
    price_min_cents = _cents(min_value=1, help_text="Lowest price on air, cents of CNY.")
    price_max_cents = _cents(min_value=1, help_text="Highest price on air, cents of CNY.")
    moq = serializers.IntegerField(min_value=1, required=False, help_text="Pieces per style.")
    stock_depth = serializers.IntegerField(min_value=0, required=False, help_text="Pieces behind a style.")
    restock_days = serializers.IntegerField(min_value=0, max_value=365, required=False)
    return_rate = RateField(required=False, allow_null=True)
    commission_rate = RateField()
    slot_fee_cents = _cents(required=False)
    cooperation_modes = _several(CooperationMode, required=False)
    platforms = _several(Platform, required=False, help_text="Platforms wanted; none is no wish.")
    languages = _codes(required=False, help_text="Codes of /languages/; none is no wish.")
    followers_wanted_min = serializers.IntegerField(min_value=0, required=False, allow_null=True)
    audience_age = AgeShares(required=False)
    audience_gender = GenderShares(required=False)
    audience_city_tier = CityTierShares(required=False)
    availability = WeekField(required=False)
    hosts_at_once = serializers.IntegerField(min_value=1, max_value=50, required=False)
    streaming_permit = serializers.ChoiceField(StreamingPermit.choices, required=False)
    weekly_capacity = serializers.IntegerField(min_value=0, max_value=168, required=False)
    archived_at = serializers.DateTimeField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


class PlatformAccountSerializer(StrictSerializer):
    """One account of an anchor on one platform."""

    platform = serializers.ChoiceField(Platform.choices)
    handle = serializers.CharField(max_length=60, required=False, allow_blank=True)
    followers = serializers.IntegerField(min_value=0)
    average_viewers = serializers.IntegerField(
        min_value=0, required=False, help_text="Mean concurrent viewers."
    )


class AnchorSerializer(VerifiedSerializer):
    """An anchor as she and her agents see it; of the ID number only the last four come back."""

    display_name = serializers.CharField(max_length=60)
    real_name = serializers.CharField(max_length=60, required=False, allow_blank=True)
    id_number = serializers.CharField(write_only=True, required=False, help_text="Kept as a keyed hash.")
    id_last4 = serializers.CharField(read_only=True)
    birth_date = serializers.DateField(help_text="At least 16 years ago.")
    guardian_consent_on = serializers.DateField(
        required=False, allow_null=True, help_text="Needed at 16 and 17: since when the consent is on file."
    )
    contact_phone = serializers.CharField(max_length=32, required=False, allow_blank=True)
    bio = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    region = ReferenceCode("regions", required=False, allow_null=True, help_text="A code of /regions/.")
    categories = _codes(min_length=1, max_length=20, help_text="Codes of /categories/.")
    styles = _codes(required=False, max_length=20, help_text="Codes of /styles/.")
    languages = _codes(required=False, max_length=20, help_text="Codes of /languages/.")
    platforms = PlatformAccountSerializer(many=True)
    followers = serializers.IntegerField(read_only=True, help_text="Sum over the platforms.")
    average_viewers = serializers.IntegerField(read_only=True, help_text="Largest over the platforms.")
    price_shares = serializers.ListField(
        child=serializers.FloatField(min_value=0, max_value=1),
        required=False,
        min_length=PRICE_BINS,
        max_length=PRICE_BINS,
        help_text="Share of pieces sold in each of the /price-bins/. Sums to 1; [] is unknown.",
    )
    audience_age = AgeShares(required=False)
    audience_gender = GenderShares(required=False)
    audience_city_tier = CityTierShares(required=False)
    commission_rate = RateField()
    is_commission_floor = serializers.BooleanField(required=False, help_text="Never works for less.")
    slot_fee_cents = _cents(required=False)
    moq_max = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    stock_depth_min = serializers.IntegerField(min_value=0, required=False, allow_null=True)
    restock_days_max = serializers.IntegerField(min_value=0, max_value=365, required=False, allow_null=True)
    return_rate_max = RateField(required=False, allow_null=True)
    cooperation_modes = _several(CooperationMode, required=False)
    weekly_capacity = serializers.IntegerField(min_value=0, max_value=168, required=False)
    availability = WeekField(required=False)
    is_on_site = serializers.BooleanField(required=False)
    is_personalised = serializers.BooleanField(required=False)


class CalendarDateSerializer(StrictSerializer):
    """One date on which the weekly hours do not hold."""

    on = serializers.DateField()
    hours = DayField()


class CalendarSerializer(StrictSerializer):
    """When a party is free for streams: hours by the week, and the dates on which they do not hold."""

    weekly = WeekField()
    exceptions = CalendarDateSerializer(many=True, required=False)


class ReferenceSerializer(serializers.Serializer[Any]):
    """One reference code with its names; `name` is in the asker's language."""

    code = serializers.CharField()
    name = serializers.CharField()
    name_zh = serializers.CharField()
    name_en = serializers.CharField()
    parent = serializers.CharField(  # type: ignore[assignment]
        help_text="Department of a category, area of a region; else empty."
    )


class HolidaySerializer(serializers.Serializer[Any]):
    """One date on which the town keeps other hours; `name` is in the asker's language."""

    on = serializers.DateField()
    name = serializers.CharField()
    name_zh = serializers.CharField()
    name_en = serializers.CharField()
    hours = DayField()


class PriceBinSerializer(serializers.Serializer[Any]):
    """One price bin of `price_shares`."""

    bin = serializers.IntegerField()
    low_cents = serializers.IntegerField()
    high_cents = serializers.IntegerField()


class ImportRowSerializer(serializers.Serializer[Any]):
    """What became of one row of a file."""

    row = serializers.IntegerField(help_text="Line of the file as a spreadsheet counts, the header being 1.")
    status = serializers.ChoiceField(["created", "updated", "unchanged", "invalid"])
    id = serializers.UUIDField(allow_null=True)
    fields = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))  # type: ignore[assignment]


class ImportSerializer(serializers.Serializer[Any]):
    """The report of an import; all rows were stored, or none was."""

    is_dry_run = serializers.BooleanField()
    is_repeat = serializers.BooleanField(
        help_text="This very file was imported before; nothing was done again."
    )
    encoding = serializers.CharField()
    counts = serializers.DictField(child=serializers.IntegerField())
    rows = ImportRowSerializer(many=True)


def calendar_answer(availability: str, dates: Mapping[Any, str]) -> dict[str, Any]:
    """Return a calendar as `CalendarSerializer` describes it."""
    exceptions = [{"on": on.isoformat(), "hours": day_ranges(hours)} for on, hours in sorted(dates.items())]
    return {"weekly": week_ranges(availability or ALWAYS), "exceptions": exceptions}
