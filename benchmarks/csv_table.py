"""A CSV file as columns of texts that knows its lines, so that whatever is wrong is told with its place."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class FolderError(ValueError):
    """What is wrong with a market folder, and where."""


@dataclass(frozen=True)
class CsvTable:
    """A CSV file as columns of texts, with the line of each entry for messages."""

    file: Path
    cells: dict[str, list[str]]
    lines: list[int]

    @classmethod
    def load(cls, file: Path) -> CsvTable:
        try:
            with file.open(newline="", encoding="utf-8-sig") as handle:
                return cls._parse(file, csv.reader(handle))
        except OSError as error:
            raise FolderError(f"{file}: cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise FolderError(f"{file}: is no UTF-8 text ({error.reason})") from error
        except csv.Error as error:
            raise FolderError(f"{file}: is no CSV file ({error})") from error

    @classmethod
    def _parse(cls, file: Path, reader: Any) -> CsvTable:
        header = next(reader, None)
        if not header:
            raise FolderError(f"{file}, line 1: the header is missing")
        if len(set(header)) < len(header):
            double = next(name for name in header if header.count(name) > 1)
            raise FolderError(f"{file}, line 1: column {double!r} stands twice")
        cells: list[list[str]] = [[] for _ in header]
        lines: list[int] = []
        for entry in reader:
            if not entry:
                continue
            if len(entry) != len(header):
                raise FolderError(f"{file}, line {reader.line_num}: {len(entry)} cells, not {len(header)}")
            lines.append(reader.line_num)
            for column, cell in zip(cells, entry, strict=True):
                column.append(cell.strip())
        return cls(file, dict(zip(header, cells, strict=True)), lines)

    def __len__(self) -> int:
        return len(self.lines)

    def need(self, name: str, told_by: str) -> list[str]:
        if name not in self.cells:
            raise FolderError(f"{self.file}, line 1: column {name!r} is missing (schema.json: {told_by})")
        return self.cells[name]

    def wrong(self, entry: int, name: str, what: str) -> FolderError:
        return FolderError(f"{self.file}, line {self.lines[entry]}, column {name!r}: {what}")

    def numbers(self, name: str) -> FloatArray:
        """[n] NaN where the cell is empty or says nan."""
        values = np.empty(len(self))
        for entry, cell in enumerate(self.cells[name]):
            try:
                values[entry] = float(cell) if cell else np.nan
            except ValueError as error:
                raise self.wrong(entry, name, f"{cell!r} is no number") from error
            if np.isinf(values[entry]):
                raise self.wrong(entry, name, f"{cell!r} is not finite")
        return values

    def answers(self, name: str) -> FloatArray:
        """[n] 1 or 0."""
        values = self.numbers(name)
        odd = np.flatnonzero((values != 0.0) & (values != 1.0))
        if len(odd):
            raise self.wrong(int(odd[0]), name, f"{self.cells[name][odd[0]]!r} must be 0 or 1")
        return values
