"""Setting when stalls and anchors are free: by the week, and on single dates (layer: services)."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import transaction

from accounts.models import Anchor, CalendarException, Stall, User
from accounts.services.rows import check_open, update_row
from accounts.signals import profile_changed
from accounts.validation import clean_calendar


def set_anchor_calendar(
    *, actor: User | None, anchor: Anchor, data: Mapping[str, Any], expected: int | None = None
) -> Anchor:
    """Replace the weekly hours and the dates on which they do not hold.

    Raises InvalidInput, Conflict (archived, changed_meanwhile). Announces `profile_changed`.
    """
    _set_calendar("anchor", anchor, data, actor, expected)
    return anchor


def set_stall_calendar(
    *, actor: User | None, stall: Stall, data: Mapping[str, Any], expected: int | None = None
) -> Stall:
    """Replace the hours for streams by the week and the dates on which they do not hold, holidays included.

    Raises InvalidInput, Conflict (archived, changed_meanwhile). Announces `profile_changed`.
    """
    _set_calendar("stall", stall, data, actor, expected)
    return stall


def _set_calendar(
    side: str, party: Stall | Anchor, data: Mapping[str, Any], actor: User | None, expected: int | None
) -> None:
    check_open(party)
    calendar = clean_calendar(data)
    wanted: dict[date, str] = calendar["exceptions"]
    with transaction.atomic():
        # The version is the ETag of the calendar too, so it rises when only dates differ.
        is_changed = dict(party.exceptions.values_list("on", "hours")) != wanted
        columns = {"availability": calendar["weekly"]}
        if not update_row(party, columns, actor=actor, expected=expected, is_touched=is_changed):
            return
        if is_changed:
            party.exceptions.all().delete()
            CalendarException.objects.bulk_create(
                CalendarException(**{side: party}, on=on, hours=hours) for on, hours in sorted(wanted.items())
            )
        profile_changed.send(sender=type(party), side=side, ids=[party.pk], actor=actor)
