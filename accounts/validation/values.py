"""Checks of single values: text, numbers, money, shares, dates, phones, choices (layer: pure)."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _

from accounts.phones import normalize_phone
from accounts.validation.fields import Bad, Check, Context
from matchmaker.core.errors import InvalidInput
from matchmaker.core.text import unseen_character

MAX_CENTS = 100_000_000
_CALLABLE = re.compile(r"\d(?:[\W_]*\d){6}")
# Python reads 2026-W01-1 too.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MOST_DIGITS = 40
RATE_STEP = Decimal("0.0001")


def plain_text(value: Any, *, most: int, least: int = 0, lines: bool = False) -> str:
    """Return stripped text of bounded length without control characters."""
    if not isinstance(value, str):
        raise Bad(_("Give text in quotes."))
    clean = unicodedata.normalize("NFC", value).strip()
    unseen = unseen_character(clean, lines=lines)
    if unseen:
        raise Bad(_("This text holds the invisible character %(code)s; remove it.") % {"code": unseen})
    if len(clean) < least:
        raise Bad(
            _("Give at least %(count)s characters.") % {"count": least} if least > 1 else _("Give some text.")
        )
    if len(clean) > most:
        raise Bad(
            _("Give at most %(most)s characters; there are %(count)s.") % {"most": most, "count": len(clean)}
        )
    return clean


def text(most: int, *, least: int = 0, lines: bool = False) -> Check:
    """A check for text of `least` to `most` characters."""
    return lambda value, context: plain_text(value, most=most, least=least, lines=lines)


def card_name(most: int) -> Check:
    """A check for a name on cards, which strangers see: no number to call, whatever parts its digits."""

    def check(value: Any, context: Context) -> str:
        name = plain_text(value, most=most, least=1)
        if _CALLABLE.search(unicodedata.normalize("NFKC", name)):
            raise Bad(_("Strangers see this name; leave phone numbers and accounts of digits out of it."))
        return name

    return check


def stall_number(value: Any, context: Context) -> str:
    """Return a stall number in the spelling that places are compared by: narrow capitals, no spaces."""
    clean = unicodedata.normalize("NFKC", plain_text(value, most=16, least=1))
    clean = "".join(clean.split()).upper()
    # Two numbers that look alike would be two stalls at one place.
    if any(unicodedata.category(char)[0] not in "LNPS" for char in clean):
        raise Bad(_("A stall number is made of letters, digits and signs, such as A12-3."))
    return plain_text(clean, most=16, least=1)


def whole_number(value: Any, least: int, most: int) -> int:
    """Return an integer within bounds; a float, a boolean or digits in quotes are refused."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Bad(_("Give a whole number from %(least)s to %(most)s.") % {"least": least, "most": most})
    if not least <= value <= most:
        given = str(value) if abs(value) < 10**20 else _("a number far outside")
        raise Bad(
            _("Give a whole number from %(least)s to %(most)s; this is %(value)s.")
            % {"least": least, "most": most, "value": given}
        )
    return value


def integer(least: int, most: int) -> Check:
    """A check for integers from `least` to `most`."""
    return lambda value, context: whole_number(value, least, most)


def cents(least: int = 0) -> Check:
    """A check for money in cents of CNY."""
    return integer(least, MAX_CENTS)


def decimal_of(value: Any) -> Decimal:
    """Return a finite number as written, so that 0.2 stays 0.2."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise _no_number()
    try:
        number = Decimal(str(value)[:40])
    except InvalidOperation as error:
        raise _no_number() from error
    if not number.is_finite():
        raise Bad(_("Give a finite number such as 0.20; NaN and infinity are none."))
    if number and abs(number.adjusted()) > MOST_DIGITS:
        raise _no_number()  # written out, 1e999999999 fills the memory
    return number or Decimal(0)  # "-0" is 0


def _no_number() -> Bad:
    return Bad(_("Give a number such as 0.20."))


def rate(value: Any, context: Context | None = None) -> Decimal:
    """Return a share in [0, 1] with at most four decimals."""
    number = decimal_of(value)
    if number < 0:
        raise Bad(_("Give a share from 0 to 1; it cannot be negative."))
    if 1 < number <= 100:
        meant = f"{number / 100:f}"
        raise Bad(_("Give a share from 0 to 1: for %(percent)s %% write %(meant)s.") % {
            "percent": f"{number:f}", "meant": meant,
        })  # fmt: skip
    if number > 1:
        raise Bad(_("Give a share from 0 to 1."))
    rounded = number.quantize(RATE_STEP)
    if rounded != number:
        raise Bad(_("Give at most four decimals, such as %(meant)s.") % {"meant": rounded})
    return rounded


def boolean(value: Any, context: Context) -> bool:
    """Return true or false; nothing else counts as one of them."""
    if not isinstance(value, bool):
        raise Bad(_("Give true or false."))
    return value


def day(value: Any, context: Context) -> date:
    """Return a calendar date."""
    if isinstance(value, date):
        return value
    try:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise ValueError
        return date.fromisoformat(value)
    except ValueError as error:
        raise Bad(_("Give a date that exists, as YYYY-MM-DD.")) from error


def phone(value: Any, context: Context) -> str:
    """Return a phone as E.164; an empty text stays empty."""
    clean = plain_text(value, most=32)
    if not clean:
        return ""
    try:
        return normalize_phone(unicodedata.normalize("NFKC", clean))
    except InvalidInput as error:
        raise Bad(*error.fields["phone"]) from error


def one_of(choices: Iterable[str]) -> Check:
    """A check for one of a few words."""
    known = tuple(choices)

    def check(value: Any, context: Context) -> str:
        if not isinstance(value, str) or value not in known:
            raise Bad(_("Choose one of: %(choices)s.") % {"choices": ", ".join(known)})
        return str(value)

    return check


def listed(value: Any, most: int) -> list[Any]:
    """Return a list of at most `most` entries."""
    if not isinstance(value, list | tuple):
        raise Bad(_('Give a list, such as ["…"].'))
    if len(value) > most:
        raise Bad(
            _("Give at most %(most)s entries; there are %(count)s.") % {"most": most, "count": len(value)}
        )
    return list(value)


def some_of(choices: Iterable[str], *, least: int = 0) -> Check:
    """A check for a list of distinct words out of a few; kept in the order of `choices`."""
    known = tuple(choices)

    def check(value: Any, context: Context) -> list[str]:
        given = listed(value, len(known))
        unknown = [str(item)[:40] for item in given if not isinstance(item, str) or item not in known]
        if unknown:
            words = {"unknown": ", ".join(unknown), "choices": ", ".join(known)}
            raise Bad(_("%(unknown)s is not among: %(choices)s.") % words)
        if len(given) < least:
            raise Bad(_("Choose at least one of: %(choices)s.") % {"choices": ", ".join(known)})
        return [word for word in known if word in given]

    return check
