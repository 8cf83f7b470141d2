"""The blocks that a user's parties hold against others (layer: selectors)."""

from django.db.models import Prefetch, Q, QuerySet

from accounts.models import Stall, User
from matching.access import Standing
from matching.choices import Side
from matching.models import Block


def blocks_of(user: User) -> QuerySet[Block]:
    """Return the blocks that the parties of `user` hold, never those that others hold against them."""
    standing = Standing.of(user)
    own = Q(side=Side.STALL, merchant__in=standing.merchant_ids) | Q(
        side=Side.ANCHOR, anchor__in=standing.anchor_ids
    )
    stalls = (
        Stall.objects.filter(archived_at__isnull=True).only("name", "public_id", "merchant").order_by("pk")
    )
    rows = Block.objects.filter(own).select_related("merchant", "anchor")
    return rows.prefetch_related(Prefetch("merchant__stalls", queryset=stalls))
