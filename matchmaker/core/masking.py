"""What a line for machines must not say: numbers of people, values of private columns (layer: core).

Logs, errors of jobs and whatever else keeps a sentence goes through `mask`. Which columns are private is told
once, when the apps are ready, by who knows the classes of columns.
"""

import re
from collections.abc import Iterable

STARS = "****"
# A mainland number with or without its country code, an E.164 number, an 18-digit identity or credit code.
# Not by \b: to it a Chinese character is part of the word that the number stands in.
# A line break that is written out, as in the repr of a text, begins a new word too.
_BREAK = r"(?<=\\[nrt])"
_BEFORE, _AFTER = rf"(?:(?<![0-9A-Za-z])|{_BREAK})", r"(?![0-9A-Za-z])"
_PERSONAL = re.compile(
    rf"\+\d{{4,11}}(\d{{4}}){_AFTER}"
    rf"|{_BEFORE}(?:(?:00)?86)?1[3-9]\d{{5}}(\d{{4}}){_AFTER}"
    rf"|{_BEFORE}1[3-9]\d[ -]\d{{4}}[ -](\d{{4}}){_AFTER}"
    rf"|{_BEFORE}[0-9A-Z]{{2}}\d{{6}}[0-9A-Z]{{6}}([0-9A-Z]{{3}}[0-9A-Zx]){_AFTER}"
)
# PostgreSQL shows the whole row that a constraint refused: up to the last bracket before an empty line.
_ROW = re.compile(r"Failing row contains \((?:(?!\n\n|\\n\\n)[\s\S]){0,5000}\)\.")
_KEY = re.compile(r"Key \(([\w, ]+)\)=\((.{0,5000}?)\)(?= already| is | conflicts)", re.DOTALL)
_columns: frozenset[str] = frozenset()
_named: re.Pattern[str] | None = None


def hide_columns(names: Iterable[str]) -> None:
    """Mask from now on the values of these: `name=…`, `"name": "…"`, `Key (name)=(…)`."""
    global _columns, _named
    _columns = frozenset(names)
    either = "|".join(sorted(map(re.escape, _columns)))
    quote = r"\\?[\"']"
    _named = re.compile(
        rf"(?:(?<![\w.])|{_BREAK})(?P<name>{quote}(?:{either}){quote}: ?|(?:{either})=)"
        rf"(?:(?P<quote>{quote})(?:\\.|[^\\]){{0,5000}}?(?P=quote)|(?P<plain>[^\s,;(){{}}\[\]\"'\\]+))",
        re.DOTALL,
    )


def mask(text: str) -> str:
    """The text with private values starred out, and long numbers cut down to their last four characters."""
    if "Failing row" in text or "Key (" in text:
        text = _KEY.sub(_masked_key, _ROW.sub(f"Failing row contains ({STARS}).", text))
    if _named is not None:
        text = _named.sub(_masked_value, text)
    return _PERSONAL.sub(lambda found: STARS + next(part for part in found.groups() if part), text)


def _masked_key(found: re.Match[str]) -> str:
    columns = {name.strip() for name in found[1].split(",")}
    return f"Key ({found[1]})=({STARS})" if columns & _columns else found[0]


def _masked_value(found: re.Match[str]) -> str:
    if found["plain"] in ("None", "null", "True", "False"):
        return found[0]
    quote = found["quote"] or ""
    return f"{found['name']}{quote}{STARS}{quote}"
