"""One root a day over the heads of all chains, so that a change of the past shows (layer: services)."""

from collections.abc import Iterator
from datetime import date, timedelta
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from matching.digests import root_hash
from matching.models import DailyRoot, RootLeaf
from matchmaker.core import clock
from matchmaker.core.errors import Conflict
from matchmaker.core.weeks import TOWN_ZONE

_DAY = timedelta(days=1)
# The last event of every chain that has grown beyond its last leaf. By numbers and not by times or ids: an
# event that was committed late falls under the next root.
_GROWN = """
INSERT INTO matching_rootleaf (root_id, match_id, seq, hash)
SELECT %s, event.match_id, event.seq, event.hash FROM matching_matchevent event
WHERE NOT EXISTS (
    SELECT 1 FROM matching_matchevent later WHERE later.match_id = event.match_id AND later.seq > event.seq
) AND NOT EXISTS (
    SELECT 1 FROM matching_rootleaf leaf WHERE leaf.match_id = event.match_id AND leaf.seq >= event.seq
)
"""


def close_day(*, on: date | None = None) -> list[DailyRoot]:
    """Write the root of every day of the town up to `on` (yesterday) that has none; return those written.

    Each day is a transaction of its own, linked to the day before; a day without moves gets a root too, so
    that a missing one shows. Doing it twice, or by several workers at once, writes each day once.
    Raises Conflict (day_not_over) for today and days to come.
    """
    yesterday = clock.now().astimezone(TOWN_ZONE).date() - _DAY
    until = yesterday if on is None else on
    if until > yesterday:
        raise Conflict(code="day_not_over", on=until.isoformat())
    written = []
    while (following := _following(until)) is not None:
        root = _close(*following)
        if root is not None:
            written.append(root)
    return written


def _following(until: date) -> tuple[date, str] | None:
    """Return the first day without a root and the root before it; None if the day comes after `until`.

    Both are of one reading, so that they belong together; a new town begins with `until`, after no root.
    """
    last = DailyRoot.objects.order_by("-on").values_list("on", "root").first()
    day, prev_root = (until, "") if last is None else (last[0] + _DAY, last[1])
    return (day, prev_root) if day <= until else None


def _close(day: date, prev_root: str) -> DailyRoot | None:
    """Write the root of `day`; None when another worker has just written that day or after that root."""
    try:
        with transaction.atomic():
            # Unique are the day and the root before: a second worker waits here for the end of the first.
            row = DailyRoot.objects.create(on=day, prev_root=prev_root)
            with connection.cursor() as cursor:
                cursor.execute(_GROWN, [row.pk])
            row.root, row.leaf_count = root_hash(row.prev_root, _leaves_of(row))
            row.save(update_fields=["root", "leaf_count", "updated_at"])
            return row
    except IntegrityError:
        if not DailyRoot.objects.filter(Q(on=day) | Q(prev_root=prev_root)).exists():
            raise
        return None


def _leaves_of(row: DailyRoot) -> Iterator[tuple[UUID, int, str]]:
    rows = RootLeaf.objects.filter(root=row).order_by("match__public_id")
    return rows.values_list("match__public_id", "seq", "hash").iterator(chunk_size=2000)
