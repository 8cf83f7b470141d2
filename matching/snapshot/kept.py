"""The encoded market as a file under `var/`, so that a starting process need not read every row.

Plain arrays, no pickle, and no words: names and descriptions stay in the database, where erasure finds them.
A file that is missing, broken or of another run or day is no loss: the rows are read instead.
"""

import io
import logging
import os
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from matching.engine.errors import EngineError
from matching.engine.model import Encoded, Model

logger = logging.getLogger(__name__)

Side = tuple[Encoded, NDArray[np.int64]]
Versions = tuple[NDArray[np.int64], NDArray[np.int64]]
_WORDS = ("text_bytes", "text_offsets")
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, EngineError, BadZipFile)


def save(key: str, sides: Mapping[str, Side]) -> None:
    """Keep both sides, encoded, with the version of each party; what was kept before goes."""
    arrays: dict[str, Any] = {}
    for name, (encoded, versions) in sides.items():
        arrays |= {f"{name}.{column}": array for column, array in arrays_of(encoded, versions).items()}
    draft = _folder() / f".{uuid.uuid4().hex}.npz"
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            np.savez(file, **arrays)
        draft.replace(_path(key))
    except OSError:  # no room is no reason to stop: the next start reads the rows
        logger.warning("the market was not kept", exc_info=True)
        draft.unlink(missing_ok=True)
    for old in set(files()) - {_path(key)}:
        old.unlink(missing_ok=True)


def files() -> list[Path]:
    """Return the files of all markets that are kept on this machine; mostly one or none."""
    return sorted(_folder().glob("market-*.npz"))


def states_of(paths: Iterable[Path]) -> list[tuple[str, int]]:
    """Return the name of each file, and when it was written in nanoseconds; 0 for one that is gone."""
    return [(path.name, _written_at(path)) for path in paths]


def versions_in(path: Path) -> dict[str, Versions] | None:
    """Return the ids and versions of whom a file holds, by side; None when it is broken or gone."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: (arrays[f"{name}.ids"], arrays[f"{name}.versions"]) for name in ("stall", "anchor")}
    except _UNREADABLE:
        return None


def saved_at(key: str) -> datetime | None:
    """Return when the market of `key` was kept, None where it was not."""
    nanoseconds = _written_at(_path(key))
    return datetime.fromtimestamp(nanoseconds / 1e9, tz=UTC) if nanoseconds else None


def _written_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def load(key: str, model: Model) -> dict[str, Side] | None:
    """Return what was saved under `key` with this very model, None where there is nothing usable."""
    try:
        with np.load(_path(key), allow_pickle=False) as arrays:
            return {name: _side(name, arrays, model) for name in ("stall", "anchor")}
    except FileNotFoundError:
        return None
    except _UNREADABLE:
        logger.warning("the kept market cannot be read", exc_info=True)
        return None


def _side(name: str, arrays: Mapping[str, Any], model: Model) -> Side:
    prefix = f"{name}."
    return side_of({key.removeprefix(prefix): arrays[key] for key in arrays if key.startswith(prefix)}, model)


def arrays_of(encoded: Encoded, versions: NDArray[np.int64]) -> dict[str, Any]:
    """Return one encoded side, without words, and the version of each party."""
    held = encoded.to_arrays() | {"versions": versions}
    return {column: array for column, array in held.items() if column not in _WORDS}


def side_of(arrays: Mapping[str, Any], model: Model) -> Side:
    """The inverse of `arrays_of`."""
    wordless = np.zeros(len(arrays["ids"]) + 1, dtype=np.int64)
    words: dict[str, Any] = {"text_bytes": np.empty(0, dtype=np.uint8), "text_offsets": wordless}
    return Encoded.from_arrays({**arrays, **words}, model), arrays["versions"]


def packed(arrays: Mapping[str, Any]) -> bytes:
    """Return the arrays as the bytes of one file, not compressed."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def unpacked(data: bytes) -> dict[str, Any]:
    """The inverse of `packed`; refuses anything pickled."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)


def _folder() -> Path:
    return Path(settings.VAR_DIR)


def _path(key: str) -> Path:
    return _folder() / f"market-{key}.npz"
