"""Whom each row of a file means: somebody new, or one that is there already (layer: services)."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.utils.translation import gettext as _

from accounts.codes import ReferenceBook
from accounts.imports.columns import anchor_data, stall_data
from accounts.imports.rows import Row
from accounts.models import Anchor, Membership, Merchant, Stall
from accounts.services.anchors import id_digest, stored_columns
from accounts.services.rows import changed_columns
from accounts.validation import clean_anchor, clean_stall
from accounts.validation.fields import Bad
from accounts.validation.identity import compact
from accounts.validation.values import plain_text
from matchmaker.core.errors import InvalidInput

PLACE = ("zone", "floor", "number")
Account = tuple[str, str, str]  # name on air, platform, handle


@dataclass(frozen=True)
class _Known:
    """Anchors that are there already, by what a row may name them with; `claimed` have an account."""

    by_digest: dict[str, Anchor] = field(default_factory=dict)
    by_account: dict[Account | None, Anchor] = field(default_factory=dict)
    claimed: set[int] = field(default_factory=set)


def aim_stalls(rows: Sequence[Row], *, merchant: Merchant, book: ReferenceBook) -> None:
    """Set target, columns and status of every row: her own place is that stall."""
    own = {
        (stall.zone_id, stall.floor, stall.number): stall
        for stall in _open_stalls().filter(merchant=merchant)
    }
    others = set(_open_stalls().exclude(merchant=merchant).values_list("zone_id", "floor", "number"))
    seen: dict[Hashable, int] = {}
    for row in rows:
        row.data = stall_data(row.data)
        place = _place(row.data, book)
        row.target = own.get(place) if place else None
        _refuse_twice(row, place, seen, "number", _("Row %(row)s has the same place."))
        if place in others:
            row.refuse("number", _("Another merchant's stall is registered at this place."))
        row.clean(partial(clean_stall, reference=book, partial=row.target is not None, current=row.target))
        _settle(row)


def _open_stalls() -> Any:
    return Stall.objects.filter(archived_at__isnull=True)


def _place(data: Mapping[str, Any], book: ReferenceBook) -> tuple[int, int, str] | None:
    """Return the place that a row names; None when it names none that exists."""
    try:
        columns = clean_stall({name: data[name] for name in PLACE}, book, partial=True)
    except (KeyError, InvalidInput):
        return None
    return columns["zone_id"], columns["floor"], columns["number"]


def aim_anchors(rows: Sequence[Row], *, book: ReferenceBook, legal_basis: str) -> None:
    """Set target, columns and status of every row: found by ID number, else by name and account."""
    for row in rows:
        row.data = anchor_data(row.data)
    known = _known_anchors(rows)
    seen: dict[Hashable, int] = {}
    for row in rows:
        digest, account = _digest(row.data), _account(row.data)
        row.target = known.by_digest.get(digest) or known.by_account.get(account)
        _refuse_twice(row, digest and ("id", digest), seen, "id_number", _("Row %(row)s is the same person."))
        same = _("Row %(row)s is the same person; tell them apart by account.")
        _refuse_twice(row, row.target and ("known", row.target.pk), seen, "handle", same)
        _refuse_twice(row, row.target is None and account, seen, "handle", same)
        if row.target is not None and row.target.pk in known.claimed:
            row.refuse("display_name", _("This anchor has an account and keeps the profile herself."))
        _clean_anchor_row(row, book, legal_basis)
        _settle(row)


def _clean_anchor_row(row: Row, book: ReferenceBook, legal_basis: str) -> None:
    data, target = row.data, row.target
    try:
        basis = plain_text(data.pop("legal_basis", ""), most=200) or legal_basis
    except Bad as bad:
        row.refuse("legal_basis", *bad.parts[""])
        return
    if target is not None and "platforms" in data:
        data["platforms"] = _merged_accounts(target.platforms, data["platforms"])
    row.clean(partial(clean_anchor, reference=book, partial=target is not None, current=target))
    if not row.problems:
        row.columns = stored_columns(row.columns) | ({"legal_basis": basis} if basis else {})


def _merged_accounts(known: list[dict[str, Any]], given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the known accounts with those of the file put over the ones of the same name."""
    accounts = {(item["platform"], item["handle"]): item for item in known}
    for item in given:
        key = (item.get("platform"), item.get("handle", ""))
        accounts[key] = accounts.get(key, {}) | item
    return list(accounts.values())


def _account(data: Mapping[str, Any]) -> Account | None:
    name = data.get("display_name")
    if not name:
        return None
    account = (data.get("platforms") or [{}])[0]
    return name, account.get("platform", ""), account.get("handle", "")


def _digest(data: Mapping[str, Any]) -> str:
    try:
        return id_digest(compact(data["id_number"])) if data.get("id_number") else ""
    except Bad:  # no text that could be a number: the check of the row says so
        return ""


def _known_anchors(rows: Sequence[Row]) -> _Known:
    """Return the open anchors that rows may mean."""
    # PostgreSQL takes no NUL, not even to look for; the check of the row names it.
    names = {name for row in rows if "\x00" not in (name := row.data.get("display_name") or "\x00")}
    digests = {_digest(row.data) for row in rows} - {""}
    found = Anchor.objects.filter(archived_at__isnull=True)
    anchors = {
        anchor.pk: anchor
        for anchor in (*found.filter(display_name__in=names), *found.filter(id_digest__in=digests))
    }
    known = _Known()
    for anchor in anchors.values():
        known.by_digest[anchor.id_digest] = anchor
        for account in anchor.platforms:
            known.by_account[(anchor.display_name, account["platform"], account["handle"])] = anchor
    known.by_digest.pop("", None)
    known.claimed.update(Membership.objects.filter(anchor__in=anchors).values_list("anchor_id", flat=True))
    return known


def _refuse_twice(row: Row, key: Hashable, seen: dict[Hashable, int], name: str, message: str) -> None:
    if not key:
        return
    if key in seen:
        row.refuse(name, message % {"row": seen[key]})
    seen.setdefault(key, row.line.number)


def _settle(row: Row) -> None:
    """Set the status that follows from problems, target and differences."""
    if row.problems:
        row.status = "invalid"
    elif row.target is None:
        row.status = "created"
    else:
        row.columns = changed_columns(row.target, row.columns)
        row.status = "updated" if row.columns else "unchanged"
