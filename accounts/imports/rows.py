"""Rows of a table on their way to becoming profiles (layer: pure)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from accounts.codes import ReferenceBook
from accounts.imports.columns import Column, Matched, match_headers, read_cells
from accounts.imports.table import Line, read_table
from accounts.validation.fields import Problems
from matchmaker.core.errors import InvalidInput

# Fields of a profile that columns fill under another name.
_FILLS = {
    "price_min": ("price_min_cents",),
    "price_max": ("price_max_cents",),
    "price_band": ("price_min_cents", "price_max_cents"),
    "slot_fee": ("slot_fee_cents",),
    "sold_price_band": ("price_shares",),
    **dict.fromkeys(("platform", "handle", "followers", "average_viewers"), ("platforms",)),
}


@dataclass
class Row:
    """One row: what it says, what is wrong, whom it means, the columns to store, what becomes of it."""

    line: Line
    data: dict[str, Any]
    problems: Problems
    headers: dict[str, str]
    target: Any = None
    columns: dict[str, Any] = field(default_factory=dict)
    status: str = "invalid"

    def clean(self, check: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Set the columns, or add to the problems; a cell that is unreadable is not missing too."""
        unread = {name for broken in self.problems for name in _filled(broken)}
        try:
            self.columns = check(self.data)
        except InvalidInput as error:
            for name, messages in error.fields.items():
                if name.split(".")[0] not in unread:
                    self.refuse(name, *messages)

    def refuse(self, name: str, *messages: str) -> None:
        """Add messages on a field, led by the header that the file has for it."""
        header = self.headers.get(name.split(".")[0], "")
        led = [f"{header}: {message}" if header and header != name else message for message in messages]
        self.problems.setdefault(name, []).extend(led)

    def answer(self) -> dict[str, Any]:
        """The row's line of the report."""
        is_stored = self.target is not None and self.status != "invalid"
        public_id = str(self.target.public_id) if is_stored else None
        return {"row": self.line.number, "status": self.status, "id": public_id, "fields": self.problems}


def _filled(name: str) -> tuple[str, ...]:
    return _FILLS.get(name, (name.split(".")[0],))


def read_rows(
    content: bytes, columns: tuple[Column, ...], book: ReferenceBook, *, max_rows: int
) -> tuple[str, list[Row]]:
    """Return the encoding of the file and its rows; InvalidInput when it is no table of ours."""
    table = read_table(content, max_rows=max_rows)
    matched = match_headers(table.header, columns)
    headers = {
        name: header.strip()
        for header, target in zip(table.header, matched, strict=True)
        if target is not None
        for name in (target[0].field, *_filled(target[0].field))
    }
    return table.encoding, [_row(line, matched, headers, book, table.encoding) for line in table.lines]


def _row(line: Line, matched: Matched, headers: dict[str, str], book: ReferenceBook, encoding: str) -> Row:
    data, problems = read_cells(line.cells, matched, book)
    row = Row(line, data, {}, headers)
    for name, messages in problems.items():
        row.refuse(name, *messages)
    for column in line.broken:
        target = matched[column] if column < len(matched) else None
        if target is not None:
            name = encoding.upper()
            message = _("This cell holds bytes that are not %(encoding)s; type it again and save the file.")
            row.refuse(target[0].field, message % {"encoding": name})
    return row
