"""Registering and editing merchants (layer: services)."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.choices import MemberRole, VerificationStatus
from accounts.models import Membership, Merchant, Stall, User
from accounts.selectors import reference
from accounts.services.rows import clean_all, create_rows, in_chunks, unique_as, update_row
from accounts.signals import profile_changed
from accounts.validation import clean_merchant
from matchmaker.core.errors import Conflict, NotAllowed

# What staff looked at: another value needs another look.
IDENTITY = ("name", "credit_code", "licence_expires_on")
SEEN_BY_MATCHING = ("licence_expires_on", "is_personalised", "verification", "verified_until")


def check_phone_verified(user: User) -> None:
    """Raise NotAllowed for a user whose phone was never confirmed by a code."""
    if user.phone_verified_at is None:
        message = _("Confirm your phone with a code first.")
        raise NotAllowed(message, code="phone_not_verified")


def lock_user(user: User) -> bool:
    """Hold the user's row until the transaction ends; tell whether the account is still in use.

    Who registers a party and who is being erased wait for each other: no party is left without an owner.
    """
    return bool(User.objects.select_for_update().filter(pk=user.pk, is_active=True).values("pk"))


def require_account(user: User) -> None:
    """Hold the account until the transaction ends; NotAllowed when it was closed since the request began."""
    if not lock_user(user):
        raise NotAllowed(_("This account was closed."), code="account_closed")


def code_taken() -> Conflict:
    message = _("A merchant with this credit code is registered already. If it is yours, ask town staff.")
    return Conflict(
        _("This credit code is registered already."),
        code="credit_code_taken",
        fields={"credit_code": [message]},
    )


def register_merchant(*, actor: User, data: Mapping[str, Any]) -> Merchant:
    """Add a merchant owned by `actor`, waiting for verification.

    Raises InvalidInput with every problem, NotAllowed without a confirmed phone, Conflict for a credit code
    that is registered.
    """
    check_phone_verified(actor)
    columns = clean_merchant(data, reference())
    with unique_as(code_taken, "merchant_credit_code_unique", "credit_code"):
        require_account(actor)
        [merchant] = create_rows(Merchant, [Merchant(**columns)], actor=actor)
        Membership.objects.create(user=actor, merchant=merchant, role=MemberRole.OWNER)
    return merchant


def register_merchants(
    *, actor: User | None, merchants: Sequence[tuple[User, Mapping[str, Any]]], chunk: int = 1000
) -> list[Merchant]:
    """Add many merchants, each for its owner, in transactions of `chunk` rows; for seeds and staff."""
    book = reference()
    made: list[Merchant] = []
    for part in in_chunks(merchants, chunk):
        columns = clean_all([data for _owner, data in part], lambda data: clean_merchant(data, book))
        with unique_as(code_taken, "merchant_credit_code_unique", "credit_code"):
            rows = create_rows(Merchant, [Merchant(**values) for values in columns], actor=actor)
            Membership.objects.bulk_create(
                Membership(user=owner, merchant=row, role=MemberRole.OWNER)
                for (owner, _data), row in zip(part, rows, strict=True)
            )
        made += rows
    return made


def update_merchant(
    *, actor: User | None, merchant: Merchant, data: Mapping[str, Any], expected: int | None = None
) -> Merchant:
    """Change the fields given; another name, code or licence has to be verified again.

    Raises InvalidInput, Conflict when the version is no longer `expected`. Announces `profile_changed` of the
    merchant's stalls when matching sees a difference.
    """
    columns = clean_merchant(data, reference(), partial=True, current=merchant)
    before = {name: getattr(merchant, name) for name in SEEN_BY_MATCHING}
    if any(columns.get(name, getattr(merchant, name)) != getattr(merchant, name) for name in IDENTITY):
        columns |= {"verification": VerificationStatus.PENDING, "verified_until": None}
    with unique_as(code_taken, "merchant_credit_code_unique", "credit_code"):
        update_row(merchant, columns, actor=actor, expected=expected)
        if before != {name: getattr(merchant, name) for name in SEEN_BY_MATCHING}:
            announce_stalls([merchant.pk], actor=actor)
    return merchant


def announce_stalls(merchant_ids: Sequence[int], *, actor: User | None) -> None:
    """Announce that matching sees the stalls of these merchants differently."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("a fact is announced inside the transaction that makes it one")
    stalls = Stall.objects.filter(merchant__in=merchant_ids, archived_at__isnull=True)
    ids = list(stalls.order_by("pk").values_list("pk", flat=True))
    if ids:
        profile_changed.send(sender=Merchant, side="stall", ids=ids, actor=actor)
