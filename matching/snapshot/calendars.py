"""The dates on which weekly hours do not hold, for proposals, moves and the queue (layer: snapshot)."""

from collections.abc import Collection, Mapping
from datetime import date

from django.db.models import Q

from accounts.models import CalendarException, Holiday
from matching.choices import Side

# Free hours (24 characters) by date, of every party by (side, id).
ExceptionDates = Mapping[tuple[str, int], Mapping[date, str]]


def read_exceptions(
    stall_ids: Collection[int], anchor_ids: Collection[int], days: Collection[date]
) -> ExceptionDates:
    """Return the exceptions of these parties on these days; two queries.

    A holiday is an exception of every stall that has none of its own for that date, and of no anchor.
    """
    holidays = dict(Holiday.objects.filter(on__in=days).values_list("on", "hours"))
    found = {(str(Side.STALL), pk): dict(holidays) for pk in stall_ids}
    found |= {(str(Side.ANCHOR), pk): {} for pk in anchor_ids}
    parties = Q(stall__in=stall_ids) | Q(anchor__in=anchor_ids)
    for row in CalendarException.objects.filter(parties, on__in=days):
        party = (Side.STALL, row.stall_id) if row.stall_id else (Side.ANCHOR, row.anchor_id)
        found[party][row.on] = row.hours  # type: ignore[index]
    return found
