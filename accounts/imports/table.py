"""Bytes of a CSV file to rows of text, naming every cell that cannot be read (layer: pure).

The file is taken apart as Latin-1, which maps every byte to one character, and each cell is decoded by
itself: separators, quotes and line ends are never part of a longer character in UTF-8 or GB18030. So one
broken cell is named instead of the whole file refused, or worse, read as something else.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from matchmaker.core.errors import InvalidInput

SEPARATORS = ",\t;"
# No table of ours has as many columns, or names one so long.
MOST_COLUMNS = 200
MOST_HEADER_CHARACTERS = 200
# Empty rows and line breaks within cells count too.
MOST_LINES_PER_ROW = 20


@dataclass(frozen=True)
class Line:
    """One row: `number` as a spreadsheet counts, the cells, and the columns that could not be decoded."""

    number: int
    cells: tuple[str, ...]
    broken: tuple[int, ...] = ()


@dataclass(frozen=True)
class Table:
    """A header and its rows; empty rows are left out."""

    encoding: str
    header: tuple[str, ...]
    lines: tuple[Line, ...] = field(default_factory=tuple)


def read_table(content: bytes, *, max_rows: int) -> Table:
    """Return the table in `content`; raise InvalidInput when it is no CSV or has too many rows."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or content[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        raise _unreadable(_("This is a spreadsheet, not a CSV file. Save it as “CSV UTF-8” and send that."))
    if content.count(b"\n") > MOST_LINES_PER_ROW * max_rows:
        raise _unreadable(_("A file may have at most %(count)s rows; split this one.") % {"count": max_rows})
    encoding = guess_encoding(content)
    lines = _lines(content, encoding)
    header = next(lines, None)
    if header is None:
        raise _unreadable(_("The file is empty. Its first row names the columns."))
    if len(header.cells) > MOST_COLUMNS or max(map(len, header.cells)) > MOST_HEADER_CHARACTERS:
        raise _unreadable(_("The first row has more than %(most)s columns, or a name that is very long.") % {
            "most": MOST_COLUMNS,
        })  # fmt: skip
    if header.broken:
        raise _unreadable(_("The first row is neither UTF-8 nor GB18030."))
    rows: list[Line] = []
    for line in lines:
        if len(rows) == max_rows:
            raise _unreadable(
                _("A file may have at most %(count)s rows; split this one.") % {"count": max_rows}
            )
        rows.append(line)
    if not rows:
        raise _unreadable(_("The file has a header and no rows."))
    return Table(encoding, header.cells, tuple(rows))


def _unreadable(message: str) -> InvalidInput:
    return InvalidInput(message, code="unreadable_file", fields={"file": [message]})


def guess_encoding(content: bytes) -> str:
    """Return utf-8 or gb18030, whichever reads the file, or most of its rows when some are broken."""
    if _decodes(content, "utf-8"):
        return "utf-8"
    lines = [line for line in content.splitlines() if not line.isascii()]
    readable = sum(_decodes(line, "utf-8") for line in lines)
    return "utf-8" if readable * 2 > len(lines) else "gb18030"


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _lines(content: bytes, encoding: str) -> Iterator[Line]:
    text = content.decode("latin-1")
    first = text.split("\n", 1)[0]
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        # `line_num` is that of a row's end; a quoted cell may hold line breaks, so rows are counted instead.
        for number, raw in enumerate(reader, start=1):
            if any(cell.strip() for cell in raw):
                yield _decoded(number, raw, encoding)
    except csv.Error as error:
        message = _("Row %(row)s is no CSV: a quote is left open, or a cell is too long.")
        raise _unreadable(message % {"row": reader.line_num}) from error


def _decoded(number: int, raw: list[str], encoding: str) -> Line:
    cells, broken = [], []
    for column, cell in enumerate(raw):
        try:
            cells.append(cell.encode("latin-1").decode(encoding))
        except UnicodeDecodeError:
            cells.append("")
            broken.append(column)
    return Line(number, tuple(cells), tuple(broken))
