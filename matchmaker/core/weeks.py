"""Weeks and hours of the town: a week starts Monday 00:00 Asia/Shanghai (layer: core)."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

TOWN_ZONE = ZoneInfo("Asia/Shanghai")
HOURS_A_WEEK = 168
HORIZON_WEEKS = 4


def town_today() -> date:
    """Return today's date in the town."""
    return timezone.now().astimezone(TOWN_ZONE).date()


def week_of(moment: datetime) -> date:
    """Return the Monday of the town's week that `moment` (aware) falls in."""
    day = moment.astimezone(TOWN_ZONE).date()
    return day - timedelta(days=day.weekday())


def coming_weeks(moment: datetime, count: int = HORIZON_WEEKS) -> list[date]:
    """Return the Mondays of this and the following weeks, `count` in all."""
    first = week_of(moment)
    return [first + timedelta(weeks=n) for n in range(count)]


def hour_of_week(moment: datetime) -> int:
    """Return 0 for Monday 00:00 … 167 for Sunday 23:00 in the town."""
    local = moment.astimezone(TOWN_ZONE)
    return local.weekday() * 24 + local.hour


def hours_between(starts_at: datetime, ends_at: datetime) -> list[datetime]:
    """Return the whole hours that [starts_at, ends_at) covers."""
    count = int((ends_at - starts_at).total_seconds() // 3600)
    return [starts_at + timedelta(hours=n) for n in range(count)]
