"""Deleting tags that the engine derives from what a party did (layer: services)."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from accounts.models import Anchor, ForgottenTag, Stall, User
from accounts.services.rows import update_row
from accounts.signals import profile_changed
from matchmaker.core import clock

# Figures that come with the accounts on platforms: declared again, they are known again.
OF_PLATFORMS = ("followers", "reach")


def forget_evidence(*, actor: User | None, party: Stall | Anchor, code: str) -> ForgottenTag:
    """Let evidence of before now no longer count for tag `code`; later evidence does.

    Raises the version, so that whoever reads the party next reads it without; Conflict for one that is
    archived. Announces `profile_changed`.
    """
    side = "stall" if isinstance(party, Stall) else "anchor"
    named: dict[str, Any] = {side: party, "code": code}
    with transaction.atomic():
        update_row(party, {}, actor=actor, is_touched=True)
        row, _made = ForgottenTag.objects.update_or_create(**named, defaults={"forgotten_at": clock.now()})
        profile_changed.send(sender=type(party), side=side, ids=[party.pk], actor=actor)
    return row


def know_again(anchors: Sequence[Anchor]) -> None:
    """Drop the deletions of tags that these anchors have just declared anew."""
    ForgottenTag.objects.filter(anchor__in=anchors, code__in=OF_PLATFORMS).delete()
