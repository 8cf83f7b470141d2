"""Any two-sided market from a folder: `schema.json`, two files of parties, one file of decisions.

Features are `number`, `category` or `tags` (separated by `|`); one may stand on one side only. An empty
cell is unknown: NaN, -1, or a row of `tags` without entries. A schema with `"candidates": "all"` lists
positives of the row side only, without groups; otherwise every decision has a group and both answers.
Whatever is wrong is told with the file, the line and the column.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.csv_table import CsvTable, FolderError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
KINDS = ("number", "category", "tags")
HALVES = {"history": 0, "test": 1, "mixed": 2}


@dataclass(frozen=True)
class Features:
    """What one side says of itself, by feature name; codes and tags are numbered alike on both sides."""

    numbers: dict[str, FloatArray]  # [n], NaN unknown
    categories: dict[str, IntArray]  # [n], -1 unknown
    tags: dict[str, sparse.csr_matrix]  # [n, words] 0 or 1


@dataclass(frozen=True)
class PartyTable:
    """One side of the market, in the order of its file."""

    ids: tuple[str, ...]
    features: Features

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Decisions:
    """One entry a pair; in a folder of positives `row_says` is 1 throughout and `group` 0."""

    row: IntArray  # index of the row party
    column: IntArray
    group: IntArray  # code, in order of first appearance
    group_names: tuple[str, ...]
    row_says: FloatArray  # 1 yes, 0 no
    column_says: FloatArray  # NaN throughout in a folder of positives
    row_order: FloatArray  # how early the row met the column, NaN unknown
    column_order: FloatArray
    half: IntArray | None  # HALVES, if the folder says it

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class Market:
    """A whole folder."""

    rows: PartyTable
    columns: PartyTable
    decisions: Decisions
    levels: dict[str, tuple[str, ...]]  # values of a category, words of tags
    wants: tuple[tuple[str, str], ...]  # (weight on one side, quality of the other)
    all_candidates: bool


def load_market(folder: str | Path) -> Market:
    """The market of a folder; FolderError with file, line and column if it is not one."""
    path = Path(folder)
    schema = _schema(path)
    features = _declared_features(schema)
    tables = {side: CsvTable.load(path / _object(schema, side)["file"]) for side in ("rows", "columns")}
    levels = {name: _levels(tables.values(), name, kind) for name, kind in features if kind != "number"}
    parties = {
        side: _party_table(table, _object(schema, side)["id"], features, levels)
        for side, table in tables.items()
    }
    _refuse_absent_features(features, tables)
    everybody = _all_candidates(schema)
    decisions = _decisions(path, schema, parties["rows"], parties["columns"], everybody)
    wants = _wants(schema, dict(features))
    return Market(parties["rows"], parties["columns"], decisions, levels, wants, everybody)


# --- schema ----------------------------------------------------------------------------------------------


def _schema(path: Path) -> dict[str, Any]:
    file = path / "schema.json"
    try:
        schema = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise FolderError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise FolderError(f"{file}: is no JSON ({error})") from error
    if not isinstance(schema, dict):
        raise FolderError(f"{file}: must be an object")
    for part, keys in {
        "rows": ("file", "id"),
        "columns": ("file", "id"),
        "decisions": ("file", "row", "column"),
    }.items():
        for key in keys:
            if not isinstance(_object(schema, part).get(key), str):
                raise FolderError(f"schema.json: {part}.{key} must be a text")
    return schema


def _object(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = schema.get(key)
    if not isinstance(value, dict):
        raise FolderError(f"schema.json: {key} must be an object")
    return value


def _entries(schema: Mapping[str, Any], key: str, fields: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The texts under `fields` of every entry of the list `key`."""
    entries = schema.get(key, [])
    if not isinstance(entries, list):
        raise FolderError(f"schema.json: {key} must be a list")
    for number, entry in enumerate(entries):
        for field in fields:
            if not isinstance(entry, dict) or not isinstance(entry.get(field), str):
                raise FolderError(f"schema.json: {key}[{number}].{field} must be a text")
        yield tuple(entry[field] for field in fields)


def _declared_features(schema: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    features = tuple((name, kind) for name, kind in _entries(schema, "features", ("name", "kind")))
    for number, (name, kind) in enumerate(features):
        if kind not in KINDS:
            raise FolderError(f"schema.json: features[{number}].kind is {kind!r}, must be one of {KINDS}")
        if name in {other for other, _ in features[:number]}:
            raise FolderError(f"schema.json: features[{number}].name {name!r} is declared twice")
    return features


def _wants(schema: Mapping[str, Any], kinds: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    wants = tuple((weight, of) for weight, of in _entries(schema, "wants", ("weight", "of")))
    for number, names in enumerate(wants):
        for name in names:
            if kinds.get(name) != "number":
                raise FolderError(f"schema.json: wants[{number}] names {name!r}, which is no number feature")
    return wants


def _all_candidates(schema: Mapping[str, Any]) -> bool:
    value = schema.get("candidates", "met")
    if value not in ("all", "met"):
        raise FolderError('schema.json: candidates must be "all", or be left out')
    return bool(value == "all")


# --- parties ------------------------------------------------------------------------------------------


def _words(cell: str) -> list[str]:
    return [word for word in (part.strip() for part in cell.split("|")) if word]


def _levels(tables: Any, name: str, kind: str) -> tuple[str, ...]:
    """Every value that either side has, sorted."""
    found: set[str] = set()
    for table in tables:
        for cell in table.cells.get(name, []):
            found.update(_words(cell) if kind == "tags" else [cell] if cell else [])
    return tuple(sorted(found))


def _refuse_absent_features(features: tuple[tuple[str, str], ...], tables: Mapping[str, CsvTable]) -> None:
    for name, _ in features:
        if not any(name in table.cells for table in tables.values()):
            files = " and ".join(str(table.file) for table in tables.values())
            raise FolderError(f"{files}, line 1: neither has the feature {name!r} that schema.json declares")


def _party_table(
    table: CsvTable,
    id_name: str,
    features: tuple[tuple[str, str], ...],
    levels: Mapping[str, tuple[str, ...]],
) -> PartyTable:
    ids = table.need(id_name, "id")
    seen: set[str] = set()
    for entry, party in enumerate(ids):
        if not party or party in seen:
            raise table.wrong(entry, id_name, "stands twice" if party else "an id is missing")
        seen.add(party)
    if not ids:
        raise FolderError(f"{table.file}: no party at all")
    made = Features({}, {}, {})
    for name, kind in features:
        if name not in table.cells:
            continue
        if kind == "number":
            made.numbers[name] = table.numbers(name)
        elif kind == "category":
            code = {level: number for number, level in enumerate(levels[name])}
            made.categories[name] = np.array([code.get(cell, -1) for cell in table.cells[name]], np.int64)
        else:
            made.tags[name] = _tag_matrix(table.cells[name], levels[name])
    return PartyTable(tuple(ids), made)


def _tag_matrix(cells: list[str], words: tuple[str, ...]) -> sparse.csr_matrix:
    code = {word: number for number, word in enumerate(words)}
    found = [sorted({code[word] for word in _words(cell)}) for cell in cells]
    starts = np.cumsum([0, *map(len, found)])
    at = np.array([word for entry in found for word in entry], dtype=np.int64)
    return sparse.csr_matrix((np.ones(len(at)), at, starts), shape=(len(cells), len(words)))


# --- decisions --------------------------------------------------------------------------------------------


def _decisions(
    path: Path, schema: Mapping[str, Any], rows: PartyTable, columns: PartyTable, everybody: bool
) -> Decisions:
    about = _object(schema, "decisions")
    table = CsvTable.load(path / about["file"])
    if not len(table):
        raise FolderError(f"{table.file}: no decision at all")
    row = _index(table, about, "row", rows)
    column = _index(table, about, "column", columns)
    if everybody:
        return _positives(table, about, row, column, len(columns))
    group, names = _groups(table, about)
    _refuse_repeats(table, about, row, column, group, len(columns))
    return Decisions(
        row=row,
        column=column,
        group=group,
        group_names=names,
        row_says=table.answers(_named(table, about, "row_says")),
        column_says=table.answers(_named(table, about, "column_says")),
        row_order=_optional_numbers(table, about, "row_order"),
        column_order=_optional_numbers(table, about, "column_order"),
        half=_halves(table, about),
    )


def _positives(
    table: CsvTable, about: Mapping[str, Any], row: IntArray, column: IntArray, width: int
) -> Decisions:
    """Each positive once, in the order of the file; lines that answer no are not positives."""
    yes = np.ones(len(row), dtype=np.bool_)
    if "row_says" in about:
        yes = table.answers(_named(table, about, "row_says")) == 1.0
    first = np.sort(np.unique(row * width + column, return_index=True)[1])
    first = first[yes[first]]
    if not len(first):
        raise FolderError(f"{table.file}: no positive at all")
    n = len(first)
    return Decisions(
        row=row[first],
        column=column[first],
        group=np.zeros(n, np.int64),
        group_names=("",),
        row_says=np.ones(n),
        column_says=np.full(n, np.nan),
        row_order=np.full(n, np.nan),
        column_order=np.full(n, np.nan),
        half=None,
    )


def _named(table: CsvTable, about: Mapping[str, Any], key: str) -> str:
    """The column of the file that the schema names for `key`."""
    name = about.get(key)
    if not isinstance(name, str):
        raise FolderError(f"schema.json: decisions.{key} must name a column of {table.file.name}")
    table.need(name, f"decisions.{key}")
    return name


def _index(table: CsvTable, about: Mapping[str, Any], key: str, parties: PartyTable) -> IntArray:
    name = _named(table, about, key)
    places = {party: number for number, party in enumerate(parties.ids)}
    index = np.empty(len(table), dtype=np.int64)
    for entry, cell in enumerate(table.cells[name]):
        if cell not in places:
            raise table.wrong(entry, name, f"{cell!r} is no id of the {key}s")
        index[entry] = places[cell]
    return index


def _groups(table: CsvTable, about: Mapping[str, Any]) -> tuple[IntArray, tuple[str, ...]]:
    name = _named(table, about, "group")
    names = tuple(dict.fromkeys(table.cells[name]))
    if "" in names:
        raise table.wrong(table.cells[name].index(""), name, "a group is missing")
    code = {group: number for number, group in enumerate(names)}
    return np.array([code[cell] for cell in table.cells[name]], dtype=np.int64), names


def _refuse_repeats(
    table: CsvTable, about: Mapping[str, Any], row: IntArray, column: IntArray, group: IntArray, width: int
) -> None:
    _, first, counts = np.unique(
        np.stack([group, row * width + column]), axis=1, return_index=True, return_counts=True
    )
    if (counts > 1).any():
        entry = int(first[counts > 1][0])
        raise table.wrong(entry, about["row"], "the same pair stands twice in one group")


def _optional_numbers(table: CsvTable, about: Mapping[str, Any], key: str) -> FloatArray:
    if key not in about:
        return np.full(len(table), np.nan)
    return table.numbers(_named(table, about, key))


def _halves(table: CsvTable, about: Mapping[str, Any]) -> IntArray | None:
    if "half" not in about:
        return None
    name = _named(table, about, "half")
    for entry, cell in enumerate(table.cells[name]):
        if cell not in HALVES:
            raise table.wrong(entry, name, f"{cell!r} must be one of {tuple(HALVES)}")
    return np.array([HALVES[cell] for cell in table.cells[name]], dtype=np.int64)
