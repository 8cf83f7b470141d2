"""Registering, editing and archiving stalls (layer: services)."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.choices import CooperationMode
from accounts.models import Merchant, Stall, User
from accounts.selectors import reference
from accounts.services.rows import (
    check_open,
    clean_all,
    create_rows,
    in_chunks,
    unique_as,
    update_row,
    update_rows,
)
from accounts.signals import profile_changed
from accounts.validation import clean_stall
from matchmaker.core.errors import Conflict

PLACE = ("zone_id", "floor", "number")
DEFAULTS: dict[str, Any] = {"cooperation_modes": [CooperationMode.CREATOR_BROADCAST.value]}


def place_taken() -> Conflict:
    message = _(
        "Another stall is registered at this zone, floor and number. If yours is there now, ask town staff."
    )
    return Conflict(_("This place is taken."), code="place_taken", fields={"number": [message]})


def register_stall(*, actor: User | None, merchant: Merchant, data: Mapping[str, Any]) -> Stall:
    """Add a stall of `merchant`; matching starts on it at once.

    Raises InvalidInput with every problem, Conflict when the place is taken or the merchant is archived.
    Announces `profile_changed`.
    """
    check_open(merchant)
    columns = clean_stall(data, reference())
    [stall] = add_stalls([(merchant, columns)], actor=actor)
    return stall


def register_stalls(
    *, actor: User | None, stalls: Sequence[tuple[Merchant, Mapping[str, Any]]], chunk: int = 1000
) -> list[Stall]:
    """Add many stalls, each to its merchant, in transactions of `chunk` rows; for seeds and staff.

    Raises InvalidInput whose fields begin with the number of the stall within its chunk. Announces
    `profile_changed` once per transaction.
    """
    book = reference()
    made: list[Stall] = []
    for part in in_chunks(stalls, chunk):
        columns = clean_all([data for _merchant, data in part], lambda data: clean_stall(data, book))
        made += add_stalls(
            [(merchant, values) for (merchant, _data), values in zip(part, columns, strict=True)], actor=actor
        )
    return made


def add_stalls(stalls: Sequence[tuple[Merchant, Mapping[str, Any]]], *, actor: User | None) -> list[Stall]:
    """Insert stalls from clean columns and announce them, all in one transaction."""
    with unique_as(place_taken, "stall_place_unique", *PLACE):
        _hold_merchants({merchant.pk for merchant, _columns in stalls})
        rows = [Stall(merchant=merchant, **DEFAULTS | dict(columns)) for merchant, columns in stalls]
        made = create_rows(Stall, rows, actor=actor)
        _announce(made, actor)
    return made


def _hold_merchants(keys: set[int]) -> None:
    """Hold the merchants until the transaction ends; Conflict when one was archived since it was read."""
    held = Merchant.objects.select_for_update().filter(pk__in=keys).order_by("pk")
    for merchant in held.only("pk", "archived_at"):
        check_open(merchant)


def update_stall(
    *, actor: User | None, stall: Stall, data: Mapping[str, Any], expected: int | None = None
) -> Stall:
    """Change the fields given. Raises InvalidInput, Conflict (stale, archived, place taken); announces."""
    check_open(stall)
    columns = clean_stall(data, reference(), partial=True, current=stall)
    with unique_as(place_taken, "stall_place_unique", *PLACE):
        if update_row(stall, columns, actor=actor, expected=expected):
            _announce([stall], actor)
    return stall


def change_stalls(changes: Sequence[tuple[Stall, Mapping[str, Any]]], *, actor: User | None) -> None:
    """Write clean columns of many stalls and announce them; Conflict when one changed meanwhile."""
    with unique_as(place_taken, "stall_place_unique", *PLACE):
        update_rows(Stall, changes, actor=actor)
        _announce([stall for stall, _columns in changes], actor)


def archive_stall(*, actor: User | None, stall: Stall, expected: int | None = None) -> Stall:
    """End a tenancy: the row stays, its place is free. Archiving twice is harmless. Announces."""
    if stall.archived_at is None:
        with transaction.atomic():
            update_row(stall, {"archived_at": timezone.now()}, actor=actor, expected=expected)
            _announce([stall], actor)
    return stall


def _announce(stalls: Sequence[Stall], actor: User | None) -> None:
    profile_changed.send(sender=Stall, side="stall", ids=[stall.pk for stall in stalls], actor=actor)
