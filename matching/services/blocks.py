"""Blocks: a party that never wants to meet another, nor any stall of it to come (layer: services)."""

from django.db import transaction

from accounts.models import Anchor, Merchant, User
from matching.access import require_member
from matching.choices import Side
from matching.models import Block
from matching.signals import block_changed


def block_party(*, actor: User, side: str, merchant: Merchant, anchor: Anchor) -> tuple[Block, bool]:
    """Keep merchant and anchor apart in the name of `side`, until it takes that back; announce it.

    Returns the block and whether it is new: a repeat changes nothing. What the two have agreed stays as it
    is: a proposal can no longer be accepted, an approved match is theirs to cancel. Raises NotFound when the
    actor does not act for `side`, NotAllowed for a user who is switched off.
    """
    require_member(actor, merchant if Side(side) == Side.STALL else anchor)
    with transaction.atomic():
        block, is_new = Block.objects.get_or_create(
            side=side, merchant=merchant, anchor=anchor, defaults={"actor": actor}
        )
        if is_new:
            _announce(block)
    return block, is_new


def unblock_party(*, actor: User, block: Block) -> bool:
    """Take a block of one of the actor's parties back and announce it; False when it was gone already.

    A block of the other side stays. Raises like `block_party`.
    """
    require_member(actor, block.merchant if block.side == Side.STALL else block.anchor)
    with transaction.atomic():
        deleted, _counts = Block.objects.filter(pk=block.pk).delete()
        if deleted:
            _announce(block)
    return bool(deleted)


def _announce(block: Block) -> None:
    block_changed.send(sender=Block, merchant_id=block.merchant_id, anchor_id=block.anchor_id)
