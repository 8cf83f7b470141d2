"""Checks of reference codes; an unknown code is answered with those that look like it (layer: pure)."""

from typing import Any

from django.utils.translation import gettext as _

from accounts.codes import Codes, ReferenceItem
from accounts.validation.fields import Bad, Check, Context
from accounts.validation.values import listed


def find_code(codes: Codes, value: Any) -> ReferenceItem:
    """Return the item of a code in use, or raise Bad naming near ones."""
    if not isinstance(value, str):
        raise Bad(_("Give a code in quotes."))
    item = codes.get(value)
    if item is None:
        raise Bad(_unknown(codes, value))
    if item.is_retired:
        raise Bad(_("“%(name)s” is no longer in use.") % {"name": f"{item.code} ({item.name})"})
    return item


def _unknown(codes: Codes, value: str) -> str:
    near = [item for item in codes.near(value[:48]) if not item.is_retired]
    shown = near or [item for item in codes.values() if not item.is_retired][:5]
    names = ", ".join(f"{item.code} ({item.name})" for item in shown)
    if near:
        return _("“%(value)s” is unknown; perhaps %(names)s.") % {"value": value[:48], "names": names}
    return _("“%(value)s” is unknown; known are %(names)s and others.") % {
        "value": value[:48],
        "names": names,
    }


def code_of(kind: str) -> Check:
    """A check for one code of `kind`; yields its item."""
    return lambda value, context: find_code(getattr(context.book, kind), value)


def codes_of(kind: str, *, most: int, least: int = 0) -> Check:
    """A check for a list of distinct codes of `kind`, kept in the order given."""

    def check(value: Any, context: Context) -> list[str]:
        codes: Codes = getattr(context.book, kind)
        found: dict[str, None] = {}
        problems = []
        for item in listed(value, most):
            try:
                found[find_code(codes, item).code] = None
            except Bad as bad:
                problems += bad.parts[""]
        if problems:
            raise Bad(*problems)
        if len(found) < least:
            raise Bad(_("Give at least %(count)s.") % {"count": least})
        return list(found)

    return check
