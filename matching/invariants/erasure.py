"""Invariant 15: of an erased person nothing is left in any table or list (layer: invariants; reads only).

It follows the table of field classes, like the erasure, and none of its code.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from accounts.models import Erasure
from accounts.privacy import TABLES, AtErasure, erased_values, rows_of
from matching.choices import OPEN_STATUSES
from matching.invariants.finding import Finding, stream
from matching.invariants.words import What
from matching.models import Match, RecommendationList
from matchmaker.core import clock

# An erasure is promised to be done by then.
WITHIN = timedelta(seconds=60)
# In these the pseudonym stands for the name.
_NAMED = {
    "accounts.user": ("phone",),
    "accounts.merchant": ("name",),
    "accounts.stall": ("name",),
    "accounts.anchor": ("display_name",),
}
_CHUNK = 400
Owners = Mapping[str, list[int]]


def find_traces_of_the_erased(finding: Finding) -> None:
    """Report erasures that are late, and what tables and lists still hold of the people erased."""
    late = clock.now() - WITHIN
    rows = list(Erasure.objects.filter(created_at__lte=late).order_by("pk"))
    for row in rows:
        finding.look()
        if row.finished_at is None or row.looked_for:
            finding.report(What.ERASURE_UNFINISHED, erasure=row.pk)
    names = {row.pseudonym for row in rows}
    for start in range(0, len(rows), _CHUNK):
        owners = _owners(rows[start : start + _CHUNK])
        for label, table in TABLES.items():
            if table.at_erasure == AtErasure.DELETE:
                _find_rows(label, owners, finding)
            elif table.at_erasure == AtErasure.EMPTY:
                _find_values(label, owners, names, finding)
        _find_shown(owners, finding)


def _owners(rows: list[Erasure]) -> Owners:
    return {
        "user": [row.user_id for row in rows],
        "merchant": [pk for row in rows for pk in row.merchant_ids],
        "stall": [pk for row in rows for pk in row.stall_ids],
        "anchor": [pk for row in rows for pk in row.anchor_ids],
    }


def _find_rows(label: str, owners: Owners, finding: Finding) -> None:
    for pk in stream(rows_of(label, owners).order_by("pk").values_list("pk", flat=True)):
        finding.report(What.ERASED_ROW_LEFT, table=label, row=pk)


def _find_values(label: str, owners: Owners, pseudonyms: set[str], finding: Finding) -> None:
    empty = erased_values(label)
    for pk, *values in stream(rows_of(label, owners).order_by("pk").values_list("pk", *empty)):
        finding.look()
        for (column, nothing), value in zip(empty.items(), values, strict=True):
            is_name = column in _NAMED.get(label, ()) and value in pseudonyms
            if value != nothing and not is_name:
                finding.report(What.ERASED_VALUE_LEFT, table=label, column=column, row=pk)


def _find_shown(owners: Owners, finding: Finding) -> None:
    for side in ("stall", "anchor"):
        lists: Any = RecommendationList.objects.filter(side=side, subject_id__in=owners[side])
        for pk in stream(lists.exclude(partner_ids=b"").order_by("pk").values_list("pk", flat=True)):
            finding.report(What.ERASED_ACTIVE, table="matching.recommendationlist", row=pk)
        held = Match.objects.filter(status__in=OPEN_STATUSES, **{f"{side}__in": owners[side]})
        # One whose sessions are over waits for what it brought.
        coming = held.filter(bookings__released_at=None, bookings__session__ends_at__gt=clock.now())
        waiting = held.exclude(status="approved")
        for pk in stream((coming | waiting).order_by("pk").distinct().values_list("pk", flat=True)):
            finding.report(What.ERASED_ACTIVE, table="matching.match", row=pk)
