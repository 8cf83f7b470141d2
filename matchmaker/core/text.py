"""Which characters a text may hold, and which cells a spreadsheet would run (layer: core)."""

import unicodedata
from typing import Any

# Controls, overrides of writing direction, marks without width, line separators, no characters at all:
# a name that holds one reads as another name, or as none.
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Cs", "Zl", "Zp"})
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# They join emoji, and letters of some scripts.
_JOINERS = "\u200c\u200d"


def unseen_character(text: str, *, lines: bool = False) -> str:
    """Return the first character that nobody can see, as `U+202E`, or nothing.

    With `lines` it may hold line breaks and tabs.
    """
    for char in text:
        if char in _JOINERS or (lines and char in "\n\r\t"):
            continue
        if unicodedata.category(char) in _UNSEEN or char in _BLANK:
            return f"U+{ord(char):04X}"
    return "" if text.strip(_JOINERS) or not text else f"U+{ord(text[0]):04X}"


FORMULA_STARTS = ("=", "+", "-", "@")
CONTROL_STARTS = ("\t", "\r", "\n")


def quote_cell(value: Any) -> Any:
    """Return `value` with a leading `'` when a spreadsheet would take it for a formula."""
    return f"'{value}" if isinstance(value, str) and is_formula(value) else value


def unquote_cell(cell: str) -> str:
    """Return a cell without the `'` that `quote_cell` put before it."""
    return cell[1:] if cell.startswith("'") and is_formula(cell[1:]) else cell


def is_formula(text: str) -> bool:
    """Whether a spreadsheet might run a text.

    Full-width signs count too: some programs fold them, so the text is looked at after NFKC. Blanks before
    the sign, and marks that nobody sees, do not hide it.
    """
    folded = unicodedata.normalize("NFKC", text)
    if folded.startswith(CONTROL_STARTS):
        return True
    for char in folded:
        if not (char.isspace() or unicodedata.category(char) in _UNSEEN or char in _BLANK):
            return char in FORMULA_STARTS
    return False
