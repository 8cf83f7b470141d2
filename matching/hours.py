"""Is a party free at given hours, by its weekly hours and its exceptions by date (layer: pure)."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from matchmaker.core.weeks import TOWN_ZONE, hour_of_week


def days_of(hours: Iterable[datetime]) -> set[date]:
    """Return the dates in the town that `hours` fall on."""
    return {hour.astimezone(TOWN_ZONE).date() for hour in hours}


def closed_hours(
    availability: str, exceptions: Mapping[date, str], hours: Iterable[datetime]
) -> list[datetime]:
    """Return those of `hours` at which the party is not free.

    A party that said nothing is open at all hours; a week of zeros was said, and counts.
    """
    return [hour for hour in hours if not _is_free(availability, exceptions, hour)]


def _is_free(availability: str, exceptions: Mapping[date, str], hour: datetime) -> bool:
    local = hour.astimezone(TOWN_ZONE)
    day = exceptions.get(local.date())
    return (day[local.hour] if day is not None else availability[hour_of_week(hour)]) == "1"
