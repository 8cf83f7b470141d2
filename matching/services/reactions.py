"""Explicit answers to suggestions: like, pass, never; each side has one per pair (layer: services)."""

from datetime import datetime

from django.db import transaction

from accounts.models import Anchor, Stall, User
from matching.access import require_side
from matching.choices import ReactionKind
from matching.models import Reaction
from matching.policy import HIDDEN_AFTER_PASS
from matching.signals import pair_changed
from matchmaker.core import clock


def react(*, actor: User, side: str, stall: Stall, anchor: Anchor, kind: str) -> Reaction:
    """Keep the answer of `side` to the pair: pass hides it for 30 days, never until undone, like not at all.

    The same answer again changes nothing while it is in force. One INSERT … ON CONFLICT UPDATE: two devices
    that answer at once leave one row. Raises NotFound when the actor does not act for `side`.
    """
    require_side(actor, side, stall=stall, anchor=anchor)
    now = clock.now()
    with transaction.atomic():
        held = Reaction.objects.filter(side=side, stall=stall, anchor=anchor).first()
        if held and held.kind == kind and _is_in_force(held, now):
            return held
        until = _until(kind, now)
        _write(Reaction(side=side, stall=stall, anchor=anchor, kind=kind, until=until, actor=actor))
        pair_changed.send(sender=Reaction, stall_id=stall.pk, anchor_id=anchor.pk)
        return Reaction.objects.get(side=side, stall=stall, anchor=anchor)


def undo_reaction(*, actor: User, side: str, stall: Stall, anchor: Anchor) -> bool:
    """Take the answer of `side` back; tell whether there was one."""
    require_side(actor, side, stall=stall, anchor=anchor)
    with transaction.atomic():
        deleted, _ = Reaction.objects.filter(side=side, stall=stall, anchor=anchor).delete()
        if deleted:
            pair_changed.send(sender=Reaction, stall_id=stall.pk, anchor_id=anchor.pk)
    return bool(deleted)


def _until(kind: str, now: datetime) -> datetime | None:
    return now + HIDDEN_AFTER_PASS if kind == ReactionKind.PASS else None


def _is_in_force(reaction: Reaction, now: datetime) -> bool:
    return reaction.until is None or reaction.until > now


def _write(reaction: Reaction) -> None:
    Reaction.objects.bulk_create(
        [reaction],
        update_conflicts=True,
        unique_fields=["side", "stall", "anchor"],
        update_fields=["kind", "until", "actor", "updated_at"],
    )
