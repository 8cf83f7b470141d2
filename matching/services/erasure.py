"""What an erasure means for matches, contracts, lists and the kept market (layer: services)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Q

from accounts.choices import PartyKind
from accounts.models import Erasure, LegalRecord
from accounts.services.scrubbing import forget_answers
from jobs.models import Job
from jobs.services import enqueue
from matching.choices import OPEN_STATUSES, MatchStatus, Role
from matching.models import Booking, Match, Note, RecommendationList
from matching.services.matches.moving import announce, fresh, perform
from matching.services.recommendations import request_refresh
from matching.snapshot.erased import forget_erased
from matchmaker.core import clock
from matchmaker.core.errors import Conflict

FORGET_KIND = "matching.forget_person"
_TRIES = 3


def request_forgetting(*, erasure: Erasure) -> Job:
    """Write the job that ends what the erased parties had open."""
    return enqueue(kind=FORGET_KIND, key=f"forget:{erasure.pk}", args={"erasure_id": erasure.pk})


def forget_person(*, erasure_id: int) -> dict[str, Any]:
    """End open matches, keep apart which contracts there were, drop lists and the kept market; repeatable."""
    row = Erasure.objects.get(pk=erasure_id)
    ended = sum(_leave(match, row) for match in _matches_of(row).filter(status__in=OPEN_STATUSES))
    with transaction.atomic():
        _keep_contracts(row)
        now = clock.now()
        Note.objects.filter(author=row.user_id, erased_at=None).update(text="", erased_at=now, updated_at=now)
        matches, bookings = _matches_of(row), Booking.objects.filter(match__in=_matches_of(row))
        ids = [*matches.values_list("public_id", flat=True), *bookings.values_list("public_id", flat=True)]
        answers = forget_answers(list(map(str, ids)))
        # A stall's list names anchors, an anchor's stalls.
        dropped = _drop_lists("stall", row.stall_ids, row.anchor_ids)
        dropped += _drop_lists("anchor", row.anchor_ids, row.stall_ids)
    forget_erased()
    return {"ended": ended, "lists": dropped, "answers": answers}


def _matches_of(row: Erasure) -> Any:
    mine = Q(stall__in=row.stall_ids) | Q(anchor__in=row.anchor_ids)
    return Match.objects.filter(mine).order_by("pk")


def _leave(match: Match, row: Erasure) -> bool:
    """Withdraw from a match, or cancel it when it is approved and a session is still to come."""
    for _ in range(_TRIES):
        with transaction.atomic():
            current = fresh(match)
            if current.status not in OPEN_STATUSES:
                return False
            now = clock.now()
            role = Role.STALL if current.stall_id in row.stall_ids else Role.ANCHOR
            action, reason = "withdraw", "withdraw_other"
            if current.status == MatchStatus.APPROVED:
                action, reason = "cancel", "cancel_other"
                if not current.bookings.filter(released_at=None, session__ends_at__gt=now).exists():
                    return False  # it took place: what it brought is still to be told
            try:
                # By nobody: the person is shut out, and what happens after that must not look like an act.
                with transaction.atomic():
                    event = perform(current, action, actor=None, role=role, now=now, reason_code=reason)
            except Conflict:
                continue  # the other side moved at the same moment
            announce(current, event)
            return True
    raise Conflict(code="changed_meanwhile")


def _keep_contracts(row: Erasure) -> None:
    """Write into each legal record what was agreed; a party without a contract needs none."""
    for record in LegalRecord.objects.filter(pseudonym=row.pseudonym):
        side = {"stall__merchant": record.party_id}
        if record.kind == PartyKind.ANCHOR:
            side = {"anchor": record.party_id}
        agreed = Match.objects.filter(agreed_at__isnull=False, **side).select_related("terms").order_by("pk")
        record.contracts = [
            {
                "match": str(match.public_id),
                "terms": match.terms.digest if match.terms else "",
                "agreed_at": match.agreed_at.isoformat() if match.agreed_at else "",
            }
            for match in agreed
        ]
        if record.contracts:
            record.save()
        else:
            record.delete()


def _drop_lists(side: str, ids: Sequence[int], partner_ids: Sequence[int]) -> int:
    """Delete all lists of these parties and superseded ones that name their partners; return how many.

    Every party has a list: the one that is asked for here is empty, for who is archived is matched to nobody.
    """
    old = RecommendationList.objects.filter(side=side, superseded_at__isnull=False)
    holding = [
        pk
        for pk, packed in old.values_list("pk", "partner_ids").iterator()
        if np.isin(np.frombuffer(packed, dtype="<i8"), partner_ids).any()
    ]
    gone = RecommendationList.objects.filter(Q(side=side, subject_id__in=ids) | Q(pk__in=holding))
    if ids:
        request_refresh(side=side, ids=ids)
    return gone.delete()[0]
