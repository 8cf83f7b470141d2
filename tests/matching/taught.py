"""A town that has decided for weeks, by a taste that the prior does not have."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.utils import timezone

from accounts.models import Anchor, Stall
from matching.models import Reaction
from matching.services.history import PastMatch, PastMove, record_history
from matching.terms import TermsDraft, WantedSession
from tests.factories import AnchorFactory, MerchantFactory, StallFactory

FIGURES = {
    "gmv_cents": 100_000, "refunded_cents": 0, "cancelled_cents": 0, "orders": 10, "orders_cancelled": 0,
    "orders_returned": 0, "buyers": 10, "views": 900, "viewers": 500, "duration_seconds": 7200,
}  # fmt: skip
KINDS = (["dress"], ["jeans"])


def at(days_ago: float, hour: int = 20) -> datetime:
    moment = timezone.localtime() - timedelta(days=days_ago)
    return moment.replace(hour=hour, minute=0, second=0, microsecond=0)


def past_match(
    stall: Stall, anchor: Anchor, days_ago: int, story: Iterable[str], proposer: str = "stall", hour: int = 20
) -> PastMatch:
    """A match whose session was that many days ago, with a move every ten hours from 60 hours before it."""
    other = "anchor" if proposer == "stall" else "stall"
    roles = {"propose": proposer, "withdraw": proposer, "accept": other, "decline": other}
    starts_at = at(days_ago, hour)
    actions = list(story)
    moves = [
        PastMove(
            action,
            roles.get(action, "staff"),
            starts_at + timedelta(hours=3 if action in ("complete", "fail") else -60 + 10 * number),
            "fail_stall_no_show" if action == "fail" else "",
        )
        for number, action in enumerate(actions)
    ]
    wanted = WantedSession(starts_at, starts_at + timedelta(hours=2), "exclusive", 1)
    return PastMatch(
        stall=stall,
        anchor=anchor,
        terms=TermsDraft(Decimal("0.2"), 0, "creator_broadcast", (wanted,)),
        moves=tuple(moves),
        outcomes=(FIGURES,) if actions[-1] == "complete" else (),
    )


def record(*matches: PastMatch) -> None:
    record_history(actor=None, matches=matches)


def reacted(side: str, stall: Stall, anchor: Anchor, kind: str, days_ago: float) -> Reaction:
    row = Reaction.objects.create(side=side, stall=stall, anchor=anchor, kind=kind)
    Reaction.objects.filter(pk=row.pk).update(updated_at=at(days_ago))
    return row


def opinionated_town(stalls: int = 40, anchors: int = 80, weeks: int = 12, **fields: Any) -> None:
    """Everybody answered everybody, and four in five times liked who sells something else."""
    rng = np.random.default_rng(7)
    merchant = MerchantFactory.create()
    left = [StallFactory.create(merchant=merchant, categories=KINDS[n % 2], **fields) for n in range(stalls)]
    right = [AnchorFactory.create(categories=KINDS[n % 2]) for n in range(anchors)]
    rows = [
        Reaction(side=side, stall=stall, anchor=anchor, kind=_taste(rng, stall, anchor))
        for side in ("stall", "anchor")
        for stall in left
        for anchor in right
    ]
    Reaction.objects.bulk_create(rows)
    week = rng.integers(0, weeks, len(rows))
    for number in range(weeks):
        ids = [row.pk for row, own in zip(rows, week, strict=True) if own == number]
        Reaction.objects.filter(pk__in=ids).update(updated_at=at(7 * number + 1))


def _taste(rng: np.random.Generator, stall: Stall, anchor: Anchor) -> str:
    likes = (stall.categories != anchor.categories) == (rng.random() < 0.8)
    return "like" if likes else "pass"
