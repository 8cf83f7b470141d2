"""Telling people something once, and noting what they have read (layer: services)."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from matchmaker.core.errors import NotFound
from notifications.models import Notice
from notifications.registry import teller_of

KEPT_DAYS = 180


def tell(*, user_ids: Iterable[int], key: str, topic: str, subject_id: UUID, facts: dict[str, Any]) -> None:
    """Give each of these users one notice of the fact that `key` names; who has it already gets no second.

    A job that is repeated, or done by two workers at once, therefore has one effect. `facts` are codes, ids
    and times: names and reasons are put in when the notice is read. Raises LookupError for a topic that
    nobody can put into words.
    """
    teller_of(topic)
    # In one order: two workers that write the same rows in different orders would wait for each other.
    rows = [
        Notice(user_id=user_id, key=key, topic=topic, subject_id=subject_id, facts=facts)
        for user_id in sorted(set(user_ids))
    ]
    Notice.objects.bulk_create(rows, ignore_conflicts=True)


def mark_read(*, actor: User, ids: Iterable[UUID]) -> int:
    """Note that `actor` has read these notices; return how many were unread until now.

    Ids of other people's notices are passed over like those of notices that do not exist or were forgotten.
    """
    return _mark(actor, public_id__in=list(ids))


def mark_read_up_to(*, actor: User, last: UUID) -> int:
    """Note that `actor` has read the notice `last` and all before it; return how many were unread until now.

    Raises NotFound when it is no notice of the actor's.
    """
    newest = Notice.objects.filter(user=actor, public_id=last).values_list("pk", flat=True).first()
    if newest is None:
        raise NotFound(_("There is no such notice."), code="no_such_notice")
    return _mark(actor, pk__lte=newest)


def _mark(actor: User, **which: Any) -> int:
    # Only unread ones: the time of the first reading stays.
    unread = Notice.objects.filter(user=actor, read_at__isnull=True, **which)
    return unread.update(read_at=timezone.now())


def forget_read_notices(*, days: int = KEPT_DAYS) -> int:
    """Delete notices that were read long ago; return how many. What is unread stays."""
    before = timezone.now() - timedelta(days=days)
    return Notice.objects.filter(read_at__lt=before).delete()[0]
