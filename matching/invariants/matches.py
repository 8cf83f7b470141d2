"""Invariants 2 and 6: one open match of a pair, approvers on neither side (layer: invariants)."""

from django.db.models import Count, Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce

from accounts.models import Membership
from matching.choices import OPEN_STATUSES
from matching.invariants.finding import Finding, stream
from matching.invariants.words import What
from matching.models import Match, MatchEvent


def find_second_matches(finding: Finding) -> None:
    """Report pairs with more than one open match."""
    rows = Match.objects.filter(status__in=OPEN_STATUSES)
    finding.look(rows.count())
    pairs = rows.values_list("stall_id", "anchor_id").annotate(n=Count("pk")).filter(n__gt=1)
    for stall_id, anchor_id, count in stream(pairs.order_by("stall_id", "anchor_id")):
        finding.report(What.TWO_OPEN_MATCHES, stall=stall_id, anchor=anchor_id, open=count)


def find_wrong_approvers(finding: Finding) -> None:
    """Report approvals by a member of a side, and matches that name another approver than their event.

    Memberships of today are the evidence: who joined a side after the approval was no party to it.
    """
    approvals = MatchEvent.objects.filter(action="approve")
    finding.look(approvals.count())
    own = Membership.objects.filter(user_id=OuterRef("actor_id"), created_at__lte=OuterRef("at"))
    side = Q(merchant=OuterRef("match__stall__merchant")) | Q(anchor=OuterRef("match__anchor"))
    for match_id, actor_id in stream(
        approvals.filter(Exists(own.filter(side))).order_by("pk").values_list("match_id", "actor_id")
    ):
        finding.report(What.APPROVER_IS_PARTY, match=match_id, user=actor_id)
    both = approvals.annotate(by=Coalesce("actor_id", 0), named=Coalesce("match__approved_by_id", 0))
    for match_id, actor_id, approver_id in stream(
        both.exclude(by=F("named")).order_by("pk").values_list("match_id", "by", "named")
    ):
        finding.report(What.APPROVER_DIFFERS, match=match_id, user=actor_id, named=approver_id)
