"""Weekly hours and dates off: what people write against what is stored (layer: pure).

People write whole-hour ranges by day, `{"mon": ["09:00-12:00", "20:00-02:00"]}`; a day left out is closed
and a range past midnight goes on the next morning. Stored are 168 characters, Monday 00:00 first.
"""

import re
from datetime import date
from functools import partial
from typing import Any

from django.utils.translation import gettext as _

from accounts.validation.fields import Bad, Context, collect
from accounts.validation.values import day, listed

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALWAYS = "1" * 168
_RANGE = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")
MAX_EXCEPTIONS = 400
MAX_EXCEPTION_DAYS = 731


def _range(value: Any) -> tuple[int, int]:
    """Return (first hour, hours) of one range."""
    found = _RANGE.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found or found[2] != "00" or found[4] != "00":
        raise Bad(_('Give whole hours such as "09:00-12:00".'))
    start, end = int(found[1]), int(found[3])
    if start > 23 or end > 24 or start == end:
        raise Bad(
            _("Hours go from 00:00 to 24:00; this range is empty or outside: %(value)s.") % {"value": value}
        )
    return start, (end - start if end > start else end + 24 - start)


def _ranges(value: Any) -> list[tuple[int, int]]:
    return [_range(item) for item in listed(value, 24)]


def weekly_hours(value: Any, context: Context) -> str:
    """Return the 168 characters of a week given by days."""
    if isinstance(value, str) and len(value) == 168 and not set(value) - {"0", "1"}:
        return value
    if not isinstance(value, dict):
        raise Bad(_('Give hours by day, such as {"mon": ["09:00-18:00"]}.'))
    unknown = [str(key)[:40] for key in value if key not in DAYS]
    if unknown:
        raise Bad(_("%(unknown)s is not among: %(keys)s.") % {
            "unknown": ", ".join(unknown), "keys": ", ".join(DAYS),
        })  # fmt: skip
    days = [name for name in DAYS if name in value]
    ranges = collect([(name, partial(_ranges, value[name])) for name in days])
    week = ["0"] * 168
    for name, spans in zip(days, ranges, strict=True):
        for start, count in spans:
            first = DAYS.index(name) * 24 + start
            for hour in range(first, first + count):
                week[hour % 168] = "1"
    return "".join(week)


def day_ranges(hours: str) -> list[str]:
    """Return 24 characters as whole-hour ranges; the inverse of what people write."""
    spans = [(found.start(), found.end()) for found in re.finditer("1+", hours)]
    return [f"{start:02}:00-{end:02}:00" for start, end in spans]


def week_ranges(availability: str) -> dict[str, list[str]]:
    """Return 168 characters as ranges by day; closed days have an empty list."""
    return {name: day_ranges(availability[n * 24 : n * 24 + 24]) for n, name in enumerate(DAYS)}


def near_day(value: Any, context: Context) -> date:
    """Return a date for which hours of its own may be set."""
    on = day(value, context)
    if abs((on - context.today).days) > MAX_EXCEPTION_DAYS:
        raise Bad(_("Give a date within two years of today."))
    return on


def date_hours(value: Any) -> str:
    """Return the 24 characters of one date given by ranges; none is closed all day."""
    spans = _ranges(value)
    if any(start + count > 24 for start, count in spans):
        raise Bad(_("Hours of a single date end at 24:00; put the rest on the next date."))
    free = {hour for start, count in spans for hour in range(start, start + count)}
    return "".join("1" if hour in free else "0" for hour in range(24))


def _exception(item: Any, context: Context) -> tuple[date, str]:
    if not isinstance(item, dict) or set(item) != {"on", "hours"}:
        raise Bad(
            _('Give an object with a date and its free hours, such as {"on": "2026-10-01", "hours": []}.')
        )
    on, hours = collect([
        ("on", lambda: near_day(item["on"], context)),
        ("hours", lambda: date_hours(item["hours"])),
    ])  # fmt: skip
    return on, hours


def exceptions(value: Any, context: Context) -> dict[date, str]:
    """Return the free hours (24 characters) by date on which the week does not hold."""
    given = listed(value, MAX_EXCEPTIONS)
    pairs = collect([(str(n), partial(_exception, item, context)) for n, item in enumerate(given)])
    by_date = dict(pairs)
    if len(by_date) < len(pairs):
        raise Bad(_("A date is listed twice."))
    return by_date
