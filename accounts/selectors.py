"""What may be read of users' parties and of the town's reference data (layer: selectors)."""

import time
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.codes import Codes, ReferenceBook, ReferenceItem
from accounts.models import (
    Anchor,
    CalendarException,
    Category,
    Erasure,
    Holiday,
    Language,
    LicencePhoto,
    Merchant,
    Reference,
    Region,
    Stall,
    Style,
    User,
    Zone,
)
from matchmaker.core.errors import NotFound

# Reference data changes by migration or by staff; a minute late is no harm, a query per card would be.
REFERENCE_TTL_SECONDS = 60.0
_PARENTS = {Category: "department", Region: "area"}
_book: tuple[float, ReferenceBook] | None = None


def reference() -> ReferenceBook:
    """All reference codes, cached in this process for a minute."""
    global _book
    now = time.monotonic()
    if _book is None or now - _book[0] > REFERENCE_TTL_SECONDS:
        _book = (now, read_reference())
    return _book[1]


def forget_reference() -> None:
    """Let the next `reference()` read the database: after staff changed it, and between tests."""
    global _book
    _book = None


def read_reference() -> ReferenceBook:
    """All reference codes as they are in the database now."""
    return ReferenceBook(
        categories=_codes(Category), styles=_codes(Style), zones=_codes(Zone), regions=_codes(Region),
        languages=_codes(Language),
    )  # fmt: skip


def _codes(model: type[Reference]) -> Codes:
    parent = _PARENTS.get(model)
    return Codes(
        ReferenceItem(
            id=row.pk,
            code=row.code,
            name_zh=row.name_zh,
            name_en=row.name_en,
            parent=getattr(row, parent) if parent else "",
            is_retired=row.is_retired,
        )
        for row in model.objects.all()  # type: ignore[attr-defined]
    )


def merchants_of(user: User) -> QuerySet[Merchant]:
    """The merchants that this user acts for."""
    return Merchant.objects.filter(memberships__user=user, archived_at__isnull=True)


def anchors_of(user: User) -> QuerySet[Anchor]:
    """The anchors that this user acts for."""
    return Anchor.objects.filter(memberships__user=user, archived_at__isnull=True)


def stalls_of(merchant: Merchant) -> QuerySet[Stall]:
    """The merchant's stalls that are not archived."""
    return merchant.stalls.filter(archived_at__isnull=True).select_related("merchant")


def own_stall(user: User, public_id: UUID | str) -> Stall:
    """One stall of a merchant that the user acts for, archived ones too; NotFound for everybody else."""
    mine = Stall.objects.filter(merchant__memberships__user=user, merchant__archived_at__isnull=True)
    stall = mine.filter(public_id=public_id).select_related("merchant").first()
    if stall is None:
        raise NotFound(_("There is no such stall."), code="no_stall")
    return stall


def calendar_of(party: Stall | Anchor) -> Iterable[CalendarException]:
    """The dates on which the weekly hours of a stall or an anchor do not hold, in order."""
    return party.exceptions.order_by("on")


def holidays_from(first: date, last: date | None = None) -> QuerySet[Holiday]:
    """The dates from `first` to `last` (None: no end) on which the town keeps other hours, in order."""
    rows = Holiday.objects.filter(on__gte=first).order_by("on")
    return rows if last is None else rows.filter(on__lte=last)


def told_erasures() -> Iterator[dict[str, Any]]:
    """Return who was erased, by ids alone."""
    rows = Erasure.objects.order_by("pk").values_list(
        "user__public_id", "anchor_ids", "pseudonym", "created_at"
    )
    for user, anchor_ids, pseudonym, at in rows.iterator():
        anchors = Anchor.objects.filter(pk__in=anchor_ids).order_by("pk").values_list("public_id", flat=True)
        yield {
            "user": str(user),
            "anchors": [str(anchor) for anchor in anchors],
            "pseudonym": pseudonym,
            "at": at.isoformat(timespec="seconds"),
        }


def licence_photo_of(merchant: Merchant) -> LicencePhoto | None:
    """What is known of the photo of the merchant's licence, without the picture."""
    return LicencePhoto.objects.filter(merchant=merchant).defer("content").first()


def shown_licence_photo(merchant: Merchant) -> LicencePhoto:
    """The photo of the merchant's licence with the picture; NotFound without one."""
    photo = LicencePhoto.objects.filter(merchant=merchant).first()
    if photo is None:
        raise NotFound()
    return photo
