"""Queries that Django puts together once: the same question, asked of other ids (layer: core).

For a query of a few rows Django takes several times as long to write the SQL as the database to answer it.
What is read with every request or page of suggestions is therefore written once for each count of ids, with
markers in the places of the ids, and then only filled in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

Value = int | date | str
# Markers are nothing that a row may hold, all different, and found again among the parameters.
_FIRST_ID = -(2**62)
_FIRST_DAY = date(1, 1, 1)
_NO_WORD = "\0marker-"


@dataclass(frozen=True)
class _Written:
    """One query as SQL; `sources` says of each parameter which value it takes, or None for its own."""

    sql: str
    parameters: tuple[Any, ...]
    sources: tuple[int | None, ...]
    converted: Callable[[list[Any]], list[Any]]

    def filled(self, values: Sequence[Any]) -> list[Any]:
        pairs = zip(self.parameters, self.sources, strict=True)
        return [own if source is None else values[source] for own, source in pairs]


class Prepared:
    """A query by lists of ids, days or words.

    `build` takes the lists and returns a `values_list` of any filters. It has to depend on its arguments
    alone, and put them into filters unchanged.
    """

    # Tests set the clock inside the query, so there it has to be written anew each time.
    keeps = True

    def __init__(self, build: Callable[..., QuerySet[Any, Any]]) -> None:
        self._build = build
        self._written: dict[tuple[Any, ...], _Written] = {}

    def rows(self, *lists: Sequence[Value]) -> list[Any]:
        """Return the rows for these lists as tuples; none of the lists may be empty."""
        values = [_adapted(value) for values in lists for value in values]
        shape = (connection.vendor, *((len(values), type(values[0])) for values in lists))
        written = self._written.get(shape) if self.keeps else None
        if written is None:
            written = self._write(lists)
            if self.keeps:
                self._written[shape] = written
        with connection.cursor() as cursor:
            cursor.execute(written.sql, written.filled(values))
            return written.converted(cursor.fetchall())

    def _write(self, lists: Sequence[Sequence[Value]]) -> _Written:
        marked, count = [], 0
        for values in lists:
            marked.append([_marker(value, count + place) for place, value in enumerate(values)])
            count += len(values)
        at = {_adapted(marker): place for place, marker in enumerate(sum(marked, []))}
        compiler = self._build(*marked).query.get_compiler(connection.alias)
        sql, parameters = compiler.as_sql()
        converters = compiler.get_converters([column for column, _sql, _alias in compiler.select])

        def converted(rows: list[Any]) -> list[Any]:
            if not converters:
                return rows
            return [tuple(row) for row in compiler.apply_converters(rows, converters)]

        return _Written(sql, tuple(parameters), tuple(_place(at, own) for own in parameters), converted)


def _marker(value: Value, place: int) -> Value:
    if isinstance(value, date):
        return _FIRST_DAY + timedelta(days=place)
    return f"{_NO_WORD}{place}" if isinstance(value, str) else _FIRST_ID + place


def _adapted(value: Value) -> Any:
    return connection.ops.adapt_datefield_value(value) if isinstance(value, date) else value


def _place(at: dict[Any, int], own: Any) -> int | None:
    return at.get(own) if isinstance(own, int | str | date) else None
