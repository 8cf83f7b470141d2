"""Registering and editing anchors (layer: services)."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.choices import CooperationMode, MemberRole, VerificationStatus
from accounts.models import Anchor, Membership, User
from accounts.selectors import reference
from accounts.services.parties import check_phone_verified, require_account
from accounts.services.rows import (
    check_open,
    clean_all,
    create_rows,
    in_chunks,
    unique_as,
    update_row,
    update_rows,
)
from accounts.services.tags import know_again
from accounts.signals import profile_changed
from accounts.validation import clean_anchor
from matchmaker.core.errors import Conflict

# What staff looked at: another value needs another look.
IDENTITY = ("real_name", "id_digest", "birth_date", "guardian_consent_on")
DEFAULTS: dict[str, Any] = {"cooperation_modes": [CooperationMode.CREATOR_BROADCAST.value]}


def id_taken() -> Conflict:
    message = _("An anchor with this ID number is registered already. If it is you, ask town staff.")
    return Conflict(_("This person is registered already."), code="id_taken", fields={"id_number": [message]})


def id_digest(number: str) -> str:
    """Return the keyed hash of an ID number; without the key, trying all numbers finds nothing."""
    key = hashlib.sha256(b"matchmaker.id-number:" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, number.encode(), hashlib.sha256).hexdigest()


def stored_columns(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns with the ID number replaced by what may be stored of it."""
    stored = dict(columns)
    number = stored.pop("id_number", "")
    if number:
        stored |= {"id_digest": id_digest(number), "id_last4": number[-4:]}
    return stored


def _unverified(anchor: Anchor, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns that also undo the verification when they change who the person is."""
    if all(columns.get(name, getattr(anchor, name)) == getattr(anchor, name) for name in IDENTITY):
        return dict(columns)
    return {**columns, "verification": VerificationStatus.PENDING, "verified_until": None}


def register_anchor(*, actor: User, data: Mapping[str, Any]) -> Anchor:
    """Add an anchor for whom `actor` acts, waiting for verification; matching starts at once.

    Raises InvalidInput with every problem (under 16, no guardian's consent at 16 and 17), NotAllowed without
    a confirmed phone, Conflict for an ID number that is registered. Announces `profile_changed`.
    """
    check_phone_verified(actor)
    columns = clean_anchor(data, reference())
    with transaction.atomic():
        require_account(actor)
        [anchor] = add_anchors([columns], actor=actor)
        Membership.objects.create(user=actor, anchor=anchor, role=MemberRole.OWNER)
    return anchor


def register_anchors(
    *,
    actor: User | None,
    anchors: Sequence[Mapping[str, Any]],
    owners: Sequence[User | None] | None = None,
    legal_basis: str = "",
    chunk: int = 1000,
) -> list[Anchor]:
    """Add many anchors in transactions of `chunk` rows; those without an owner are unclaimed.

    Raises InvalidInput whose fields begin with the number of the anchor within its chunk. Announces
    `profile_changed` once per transaction.
    """
    book = reference()
    made: list[Anchor] = []
    pairs = list(zip(anchors, owners or [None] * len(anchors), strict=True))
    for part in in_chunks(pairs, chunk):
        columns = clean_all([data for data, _owner in part], lambda data: clean_anchor(data, book))
        with transaction.atomic():
            rows = add_anchors(columns, actor=actor, legal_basis=legal_basis)
            Membership.objects.bulk_create(
                Membership(user=owner, anchor=row, role=MemberRole.OWNER)
                for (_data, owner), row in zip(part, rows, strict=True)
                if owner is not None
            )
        made += rows
    return made


def add_anchors(
    anchors: Sequence[Mapping[str, Any]], *, actor: User | None, legal_basis: str = ""
) -> list[Anchor]:
    """Insert anchors from clean columns and announce them, all in one transaction."""
    with unique_as(id_taken, "anchor_id_unique", "id_digest"):
        basis = {"legal_basis": legal_basis}
        rows = [Anchor(**DEFAULTS | basis | stored_columns(columns)) for columns in anchors]
        made = create_rows(Anchor, rows, actor=actor)
        _announce(made, actor)
    return made


def change_anchors(changes: Sequence[tuple[Anchor, Mapping[str, Any]]], *, actor: User | None) -> None:
    """Write the stored columns of many anchors and announce them; Conflict when one changed meanwhile."""
    with unique_as(id_taken, "anchor_id_unique", "id_digest"):
        update_rows(
            Anchor, [(anchor, _unverified(anchor, columns)) for anchor, columns in changes], actor=actor
        )
        know_again([anchor for anchor, columns in changes if "platforms" in columns])
        _announce([anchor for anchor, _columns in changes], actor)


def update_anchor(
    *, actor: User | None, anchor: Anchor, data: Mapping[str, Any], expected: int | None = None
) -> Anchor:
    """Change the fields given; another identity has to be verified again.

    Raises InvalidInput, Conflict when the version is no longer `expected`. Announces `profile_changed`.
    """
    check_open(anchor)
    columns = stored_columns(clean_anchor(data, reference(), partial=True, current=anchor))
    columns = _unverified(anchor, columns)
    with unique_as(id_taken, "anchor_id_unique", "id_digest"):
        if update_row(anchor, columns, actor=actor, expected=expected):
            know_again([anchor] if "platforms" in columns else [])
            _announce([anchor], actor)
    return anchor


def _announce(anchors: Sequence[Anchor], actor: User | None) -> None:
    profile_changed.send(sender=Anchor, side="anchor", ids=[anchor.pk for anchor in anchors], actor=actor)
