"""What a merchant, a stall and an anchor may say about themselves (layer: pure)."""

from accounts.validation.forms import (
    ANCHOR_FORM,
    CALENDAR_FORM,
    MERCHANT_FORM,
    STALL_FORM,
    clean_anchor,
    clean_calendar,
    clean_merchant,
    clean_stall,
)
from accounts.validation.hours import day_ranges, week_ranges
from accounts.validation.identity import age_on

__all__ = [
    "ANCHOR_FORM", "CALENDAR_FORM", "MERCHANT_FORM", "STALL_FORM", "age_on", "clean_anchor", "clean_calendar",
    "clean_merchant", "clean_stall", "day_ranges", "week_ranges",
]  # fmt: skip
