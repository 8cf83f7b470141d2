"""Cells of a spreadsheet to values of a profile: percent, yuan, units, names for codes (layer: pure)."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from math import log
from typing import Any

from django.utils.translation import gettext as _

from accounts.choices import PRICE_EDGES_CENTS
from accounts.codes import Codes, ReferenceBook
from accounts.imports.words import CHINESE_DIGITS, DAY_WORDS, FALSE_WORDS, TRUE_WORDS, WHOLE_WEEK, WORK_DAYS
from accounts.validation.fields import Bad
from accounts.validation.hours import DAYS
from matchmaker.core.text import unquote_cell

# Turns (cell, unit of the header, reference data) into a value for the form.
Reader = Callable[[str, str, ReferenceBook], Any]

_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(万|w|千|k)?\s*[^\d.]*", re.IGNORECASE)
_MULTIPLES = {"万": 10_000, "w": 10_000, "千": 1000, "k": 1000}
# Of a number with its unit.
MOST_CHARACTERS = 60
_CENTS_OF = {"cents": 1, "万": 1_000_000}
# A cell that says its own unit is not of the header's.
_UNIT_IN_CELL = {"cents": "[¥￥元]", "万": "[¥￥元万千wk]"}
_LIST_BREAK = re.compile(r"[、|;,；，\n]+")
_BAND = re.compile(r"(.+?)\s*(?:-|–|—|~|至|到)\s*(.+)")
_HOURS = re.compile(r"(\d{1,2})(?::|点)?(\d{2})?\s*(?:-|–|—|~|至|到)\s*(\d{1,2})(?::|点)?(\d{2})?")


def plain(cell: str) -> str:
    """Return a cell as its author meant it, without what spreadsheets need.

    The quote that exports put before = + - @ goes, so does the `="00123"` that keeps leading zeros, and a
    bare formula sign, which no name begins with.
    """
    text = cell.strip()
    unquoted = unquote_cell(text)
    if unquoted != text:
        return unquoted.strip()
    kept = re.fullmatch(r'="([^"]*)"', text)
    if kept:
        return kept[1].strip()
    return text.lstrip("=@＝＠\t\r\n ")


def text(cell: str, unit: str, book: ReferenceBook) -> str:
    return cell


def _narrow(cell: str) -> str:
    return unicodedata.normalize("NFKC", cell).strip()


def _decimal(cell: str, example: str) -> Decimal:
    clean = re.sub(r"(?<=\d),(?=\d{3})", "", _narrow(cell)).lstrip("¥￥ ")
    # A pattern with several gaps takes very long over a very long gap.
    found = _NUMBER.fullmatch(clean) if len(clean) <= MOST_CHARACTERS else None
    try:
        if not found or len(found[1]) > 24:
            raise InvalidOperation
        return Decimal(found[1]) * _MULTIPLES.get((found[2] or "").lower(), 1)
    except InvalidOperation as error:
        raise Bad(_("“%(cell)s” is no number; write it such as %(example)s.") % {
            "cell": cell[:40], "example": example,
        }) from error  # fmt: skip


def whole(cell: str, unit: str, book: ReferenceBook) -> int:
    """A count, perhaps with a unit: `5`, `5件`, `1,200`, `3.5万`."""
    number = _decimal(cell, "12") * (10_000 if unit == "万" else 1)
    if number != number.to_integral_value():
        raise Bad(_("“%(cell)s” is no whole number.") % {"cell": cell[:40]})
    return int(number)


def floor(cell: str, unit: str, book: ReferenceBook) -> int:
    """A floor: `3`, `3F`, `三楼`, `B1`, `负一层`."""
    clean = _narrow(cell).upper().rstrip("楼层F").strip()
    below = clean[:1] in {"B", "负", "-"}
    digits = clean.lstrip("B负-第")
    if digits in CHINESE_DIGITS:
        return -CHINESE_DIGITS[digits] if below else CHINESE_DIGITS[digits]
    if not (digits.isascii() and digits.isdigit() and len(digits) < 4):
        raise Bad(_("“%(cell)s” is no floor; write 3, 3F or B1.") % {"cell": cell[:40]})
    return -int(digits) if below else int(digits)


def cents(cell: str, unit: str, book: ReferenceBook) -> int:
    """Money in yuan, in cents or in 万元 where the header says so: `¥89.00`, `89元`, `1,299`, `3.5万`."""
    has_unit = re.search(_UNIT_IN_CELL.get(unit, "¥"), cell, re.IGNORECASE)
    amount = _decimal(cell, "89.00") * (100 if has_unit else _CENTS_OF.get(unit, 100))
    if amount != amount.to_integral_value():
        raise Bad(_("“%(cell)s” has more than two decimals.") % {"cell": cell[:40]})
    return int(amount)


def band(cell: str, unit: str, book: ReferenceBook) -> tuple[int, int]:
    """A price range: `59-129`, `¥59~¥129`."""
    found = _BAND.fullmatch(_narrow(cell)) if len(cell) <= 2 * MOST_CHARACTERS else None
    if not found:
        raise Bad(_("“%(cell)s” is no price range; write it such as 59-129.") % {"cell": cell[:40]})
    return cents(found[1], unit, book), cents(found[2], unit, book)


def sold_band(cell: str, unit: str, book: ReferenceBook) -> list[float]:
    """A range of sold prices as shares over the price bins, even on the log scale."""
    low, high = sorted(band(cell, unit, book))
    pairs = list(zip(PRICE_EDGES_CENTS, PRICE_EDGES_CENTS[1:], strict=False))
    low = min(max(low, PRICE_EDGES_CENTS[0]), PRICE_EDGES_CENTS[-1] - 1)
    high = max(min(high, PRICE_EDGES_CENTS[-1]), low + 1)
    parts = [max(0.0, log(min(high, right)) - log(max(low, left))) if low < right and high > left else 0.0
             for left, right in pairs]  # fmt: skip
    return [part / sum(parts) for part in parts]


def rate(cell: str, unit: str, book: ReferenceBook) -> str:
    """A share: `0.2`, `20%`; a bare 20 counts as percent only under a header that says so."""
    clean = _narrow(cell)
    number = _decimal(clean.rstrip("% "), "20%")
    is_percent = clean.endswith("%") or unit == "%"
    return f"{(number / 100 if is_percent else number):f}"


def truth(cell: str, unit: str, book: ReferenceBook) -> bool:
    """Yes or no in either language."""
    word = _narrow(cell).casefold()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise Bad(_("“%(cell)s”: write yes or no (是 or 否).") % {"cell": cell[:40]})


def day(cell: str, unit: str, book: ReferenceBook) -> str:
    """A date: `2026-10-01`, `2026/10/1`, `20261001`, `2026年10月1日`."""
    clean = _narrow(cell)
    found = re.fullmatch(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", clean) or re.fullmatch(
        r"(\d{4})(\d{2})(\d{2})", clean
    )
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}" if found else clean


def end_day(cell: str, unit: str, book: ReferenceBook) -> str | None:
    """A date, or none for a licence without an end (长期)."""
    return (
        None
        if _narrow(cell).casefold() in {"长期", "无", "none", "long-term", "永久"}
        else day(cell, unit, book)
    )


def code(kind: str) -> Reader:
    """A code of `kind` by itself or by either name; unknown ones go on to the check."""

    def read(cell: str, unit: str, book: ReferenceBook) -> str:
        item = getattr(book, kind).named(_narrow(cell))
        return item.code if item else cell

    return read


def codes(kind: str) -> Reader:
    """Several codes or names; a name that holds a slash is tried whole before it is split."""

    def read(cell: str, unit: str, book: ReferenceBook) -> list[str]:
        return _resolve(getattr(book, kind), cell)

    return read


def _resolve(known: Codes, cell: str) -> list[str]:
    whole_cell = known.named(_narrow(cell))
    if whole_cell:
        return [whole_cell.code]
    found: list[str] = []
    for piece in filter(None, (piece.strip() for piece in _LIST_BREAK.split(_narrow(cell)))):
        item = known.named(piece)
        pieces = [piece] if item or "/" not in piece else [part.strip() for part in piece.split("/")]
        for part in filter(None, pieces):
            named = known.named(part)
            found.append(named.code if named else part)
    return found


def word(words: Mapping[str, str]) -> Reader:
    """One of a few words in either language; unknown ones go on to the check."""
    return lambda cell, unit, book: words.get(_narrow(cell).casefold(), cell)


def several(words: Mapping[str, str]) -> Reader:
    """Several of a few words in either language."""

    def read(cell: str, unit: str, book: ReferenceBook) -> list[str]:
        pieces = re.split(r"[、|;,；，/\n]+", _narrow(cell))
        return [words.get(piece.strip().casefold(), piece.strip()) for piece in pieces if piece.strip()]

    return read


def week(cell: str, unit: str, book: ReferenceBook) -> dict[str, list[str]]:
    """Weekly hours: `09:00-18:00`, `周一至周五 9点-18点；周六 10:00-22:00`, `mon-fri 09:00-18:00`."""
    days: dict[str, list[str]] = {}
    clean = _narrow(cell)
    for piece in filter(None, (part.strip() for part in re.split(r"[;\n]+", clean))):
        found = list(_HOURS.finditer(piece))
        if not found:
            raise Bad(
                _("“%(cell)s” names no hours; write 09:00-18:00 or 周一至周五 09:00-18:00.")
                % {"cell": cell[:60]}
            )
        spans = [f"{int(m[1]):02}:{m[2] or '00'}-{int(m[3]):02}:{m[4] or '00'}" for m in found]
        for name in _days(piece[: found[0].start()].strip(" ,:、"), cell):
            days.setdefault(name, []).extend(spans)
    return days


def _days(words: str, cell: str) -> list[str]:
    clean = words.casefold().replace("星期", "周").replace("礼拜", "周")
    if clean in WHOLE_WEEK:
        return list(DAYS)
    if clean in WORK_DAYS:
        return list(DAYS[:5])
    names: list[str] = []
    for part in filter(None, re.split(r"[、,/ ]+", clean)):
        ends = [DAY_WORDS.get(end.removeprefix("周").strip()) for end in re.split(r"至|到|-|~|–", part)]
        if None in ends or len(ends) > 2:
            raise Bad(_("“%(cell)s”: write days such as 周一至周五 or mon-fri.") % {"cell": cell[:60]})
        first, last = DAYS.index(ends[0] or ""), DAYS.index(ends[-1] or "")
        names += DAYS[first : last + 1] if first <= last else (*DAYS[first:], *DAYS[: last + 1])
    return names
