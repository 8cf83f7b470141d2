"""The fields of each kind of profile and the rules between them (layer: pure)."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from accounts.choices import AGE_BANDS, CITY_TIERS, GENDERS, CooperationMode, Platform, StreamingPermit
from accounts.codes import ReferenceBook, ReferenceItem
from accounts.validation import values as v
from accounts.validation.fields import Columns, Context, Field, Form, Rule
from accounts.validation.hours import exceptions, weekly_hours
from accounts.validation.identity import age_rule, credit_code, id_number, id_rule, licence_end
from accounts.validation.references import code_of, codes_of
from accounts.validation.shares import (
    MAX_FOLLOWERS,
    platform_accounts,
    price_shares,
    shares_of,
    spread_accounts,
)
from matchmaker.core.money import yuan
from matchmaker.core.weeks import town_today

MAX_COUNT = 10_000_000
AUDIENCE = {
    "audience_age": Field(shares_of(AGE_BANDS)),
    "audience_gender": Field(shares_of(GENDERS)),
    "audience_city_tier": Field(shares_of(CITY_TIERS)),
}


def _zone_id(item: ReferenceItem | None) -> dict[str, Any]:
    return {"zone_id": item and item.id}


def _region_id(item: ReferenceItem | None) -> dict[str, Any]:
    return {"region_id": item and item.id}


def _licence(value: Any, context: Context) -> Any:
    return licence_end(v.day(value, context), context.today)


def _band_rule(view: Columns, context: Context) -> Mapping[str, str]:
    low, high = view["price_min_cents"], view["price_max_cents"]
    if low is None or high is None or low <= high:
        return {}
    message = _(
        "The lowest price (%(low)s) is above the highest (%(high)s); did you mean them the other way round?"
    )
    return {"price_min_cents": message % {"low": yuan(low), "high": yuan(high)}}


MERCHANT_FORM = Form({
    "name": Field(v.text(120, least=1), required=True),
    "credit_code": Field(credit_code, required=True),
    "licence_expires_on": Field(_licence, nullable=True),
    "contact_name": Field(v.text(60)),
    "contact_phone": Field(v.phone),
    "is_personalised": Field(v.boolean),
})  # fmt: skip

STALL_FORM = Form(
    {
        "name": Field(v.card_name(120), required=True),
        "zone": Field(code_of("zones"), required=True, spread=_zone_id),
        "floor": Field(v.integer(-5, 99), required=True),
        "number": Field(v.stall_number, required=True),
        "description": Field(v.text(2000, lines=True)),
        "categories": Field(codes_of("categories", most=10, least=1), required=True),
        "styles": Field(codes_of("styles", most=10)),
        "price_min_cents": Field(v.cents(1), required=True),
        "price_max_cents": Field(v.cents(1), required=True),
        "moq": Field(v.integer(1, 1_000_000)),
        "stock_depth": Field(v.integer(0, MAX_COUNT)),
        "restock_days": Field(v.integer(0, 365)),
        "return_rate": Field(v.rate, nullable=True),
        "commission_rate": Field(v.rate, required=True),
        "slot_fee_cents": Field(v.cents()),
        "cooperation_modes": Field(v.some_of(CooperationMode.values, least=1)),
        "platforms": Field(v.some_of(Platform.values)),
        "languages": Field(codes_of("languages", most=20)),
        "followers_wanted_min": Field(v.integer(0, MAX_FOLLOWERS), nullable=True),
        **AUDIENCE,
        "availability": Field(weekly_hours),
        "hosts_at_once": Field(v.integer(1, 50)),
        "streaming_permit": Field(v.one_of(StreamingPermit.values)),
        "weekly_capacity": Field(v.integer(0, 168)),
    },
    rules=(Rule(("price_min_cents", "price_max_cents"), _band_rule),),
)

ANCHOR_FORM = Form(
    {
        "display_name": Field(v.card_name(60), required=True),
        "real_name": Field(v.text(60)),
        "id_number": Field(id_number),
        "birth_date": Field(v.day, required=True),
        "guardian_consent_on": Field(v.day, nullable=True),
        "contact_phone": Field(v.phone),
        "bio": Field(v.text(2000, lines=True)),
        "region": Field(code_of("regions"), nullable=True, spread=_region_id),
        "categories": Field(codes_of("categories", most=20, least=1), required=True),
        "styles": Field(codes_of("styles", most=20)),
        "languages": Field(codes_of("languages", most=20)),
        "platforms": Field(platform_accounts, required=True, spread=spread_accounts),
        "price_shares": Field(price_shares),
        **AUDIENCE,
        "commission_rate": Field(v.rate, required=True),
        "is_commission_floor": Field(v.boolean),
        "slot_fee_cents": Field(v.cents()),
        "moq_max": Field(v.integer(1, 1_000_000), nullable=True),
        "stock_depth_min": Field(v.integer(0, MAX_COUNT), nullable=True),
        "restock_days_max": Field(v.integer(0, 365), nullable=True),
        "return_rate_max": Field(v.rate, nullable=True),
        "cooperation_modes": Field(v.some_of(CooperationMode.values, least=1)),
        "weekly_capacity": Field(v.integer(0, 168)),
        "availability": Field(weekly_hours),
        "is_on_site": Field(v.boolean),
        "is_personalised": Field(v.boolean),
    },
    rules=(Rule(("birth_date", "guardian_consent_on"), age_rule), Rule(("id_number", "birth_date"), id_rule)),
)

CALENDAR_FORM = Form({
    "weekly": Field(weekly_hours, required=True),
    "exceptions": Field(exceptions),
})  # fmt: skip


def _clean(
    form: Form, data: Mapping[str, Any], reference: ReferenceBook, partial: bool, current: object | None
) -> dict[str, Any]:
    context = Context(book=reference, today=town_today())
    return form.clean(data, context, partial=partial, current=current)


def clean_merchant(
    data: Mapping[str, Any], reference: ReferenceBook, *, partial: bool = False, current: object | None = None
) -> dict[str, Any]:
    """Return a merchant's columns, or raise InvalidInput with every problem."""
    return _clean(MERCHANT_FORM, data, reference, partial, current)


def clean_stall(
    data: Mapping[str, Any], reference: ReferenceBook, *, partial: bool = False, current: object | None = None
) -> dict[str, Any]:
    """Return a stall's columns (`zone_id` for the zone's code), or raise InvalidInput with every problem."""
    return _clean(STALL_FORM, data, reference, partial, current)


def clean_anchor(
    data: Mapping[str, Any], reference: ReferenceBook, *, partial: bool = False, current: object | None = None
) -> dict[str, Any]:
    """Return an anchor's columns and perhaps `id_number`, or raise InvalidInput with every problem."""
    return _clean(ANCHOR_FORM, data, reference, partial, current)


def clean_calendar(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return {weekly: 168 characters, exceptions: {date: 24 characters}}, or raise InvalidInput."""
    return {"exceptions": {}} | _clean(CALENDAR_FORM, data, ReferenceBook(), False, None)
