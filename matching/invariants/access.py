"""Invariant 14: a blocked user holds no token and makes no move (layer: invariants)."""

from datetime import timedelta
from typing import Any

from django.db.models import Model, OuterRef, Subquery

from accounts.models import ApiToken, DeviceToken, User
from matching.invariants.finding import Finding, stream
from matching.invariants.words import What
from matching.models import MatchEvent, OutcomeEvent, Reaction
from matchmaker.core import clock

# A move and a block in the same moment, dated by two clocks.
MARGIN = timedelta(minutes=1)
# What somebody did, by whom and when.
ACTS: tuple[tuple[type[Model], str, str], ...] = (
    (MatchEvent, "actor_id", "at"),
    (OutcomeEvent, "actor_id", "at"),
    (Reaction, "actor_id", "updated_at"),
)


def find_acts_of_the_disabled(finding: Finding) -> None:
    """Report tokens of blocked users that would count, and what they did after the block.

    When somebody was blocked is not stored, but it was before the user's row was last changed.
    """
    finding.look(User.objects.filter(is_active=False).count())
    for kind in (DeviceToken, ApiToken):
        tokens: Any = kind._default_manager.filter(user__is_active=False, revoked_at__isnull=True)
        for pk, user_id in stream(
            tokens.filter(expires_at__gt=clock.now()).order_by("pk").values_list("pk", "user_id")
        ):
            finding.report(What.TOKEN_OF_DISABLED, table=kind._meta.db_table, row=pk, user=user_id)
    for model, actor, at in ACTS:
        blocked = User.objects.filter(pk=OuterRef(actor), is_active=False)
        acts = model._default_manager.annotate(blocked_by=Subquery(blocked.values("updated_at")))
        late = acts.filter(**{f"{actor}__in": User.objects.filter(is_active=False).values("pk")})
        for pk, user_id, moment, blocked_by in stream(
            late.order_by("pk").values_list("pk", actor, at, "blocked_by")
        ):
            finding.look()
            if moment > blocked_by + MARGIN:
                finding.report(What.MOVE_OF_DISABLED, table=model._meta.db_table, row=pk, user=user_id)
