"""Which suggestions somebody saw, at which rank and score: once per list and pair (layer: services)."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Anchor, Stall, User
from accounts.services.consents import is_measured
from matching.access import require_member
from matching.choices import Side
from matching.models import Impression
from matching.policy import IMPRESSIONS_PER_REQUEST
from matching.scores import Place, list_of, places_in
from matchmaker.core.errors import InvalidInput, NotFound
from matchmaker.core.weeks import TOWN_ZONE


@dataclass(frozen=True)
class Shown:
    """One suggestion that was on the screen; rank and score count only for a list that is not stored."""

    partner_id: int
    rank: int
    score_hundredths: int
    propensity: float = 1.0


def record_impressions(
    *, actor: User, side: str, subject: Stall | Anchor, list_id: uuid.UUID | None, shown: Sequence[Shown]
) -> int:
    """Keep what `subject` was shown; return how many rows are new.

    Of who took the consent to that back, nothing is kept.
    Rank, score and propensity are those of the stored list `list_id`. A list that was computed for one
    request has no id: then the client's count, once a day per pair. Raises NotFound for a list that is not
    the subject's.
    """
    require_member(actor, subject)
    if not is_measured(actor):
        return 0
    if len(shown) > IMPRESSIONS_PER_REQUEST:
        message = _("At most %(most)s suggestions at once.") % {"most": IMPRESSIONS_PER_REQUEST}
        raise InvalidInput(fields={"suggestions": [message]})
    known = _known(side, subject, list_id)
    now = timezone.now()
    with transaction.atomic():
        if list_id is None:
            shown = _not_yet_today(side, subject, shown, now)
        rows = [_row(actor, side, subject, list_id, _as_stored(item, known), now) for item in shown]
        before = _rows_of(side, subject).filter(list_id=list_id).count()
        Impression.objects.bulk_create(rows, ignore_conflicts=True)
        return _rows_of(side, subject).filter(list_id=list_id).count() - before


def _known(side: str, subject: Stall | Anchor, list_id: uuid.UUID | None) -> dict[int, Place] | None:
    """Return the places of the stored list by partner, None without one."""
    if list_id is None:
        return None
    stored = list_of(side, subject.pk, list_id)
    if stored is None:
        raise NotFound(_("There is no such list any more."), code="no_such_list")
    return places_in(stored)


def _as_stored(item: Shown, known: dict[int, Place] | None) -> Shown:
    if known is None:
        return item
    if item.partner_id not in known:
        raise InvalidInput(fields={"suggestions": [_("Not all of them are in this list.")]})
    return Shown(item.partner_id, *known[item.partner_id])


def _rows_of(side: str, subject: Stall | Anchor) -> QuerySet[Impression]:
    return Impression.objects.filter(side=side, **{f"{side}_id": subject.pk})


def _not_yet_today(side: str, subject: Stall | Anchor, shown: Sequence[Shown], now: datetime) -> list[Shown]:
    midnight = now.astimezone(TOWN_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    partner = _partner_key(side)
    today = _rows_of(side, subject).filter(list_id__isnull=True, shown_at__gte=midnight)
    seen = set(
        today.filter(**{f"{partner}__in": [i.partner_id for i in shown]}).values_list(partner, flat=True)
    )
    return [item for item in shown if item.partner_id not in seen]


def _partner_key(side: str) -> str:
    return "anchor_id" if side == Side.STALL else "stall_id"


def _row(
    actor: User, side: str, subject: Stall | Anchor, list_id: uuid.UUID | None, item: Shown, now: datetime
) -> Impression:
    return Impression(
        side=side,
        list_id=list_id,
        rank=item.rank,
        score_hundredths=item.score_hundredths,
        propensity=item.propensity,
        shown_at=now,
        actor=actor,
        **{f"{side}_id": subject.pk, _partner_key(side): item.partner_id},
    )
