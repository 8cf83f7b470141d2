"""What a backup says of itself: where it comes from, its schema, its rows and the sha256 of every part."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from django.db.migrations.loader import MigrationLoader
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from matchmaker.backups.errors import BackupError

FORMAT = 1
# Kept as a table by SQLite itself, and no table of ours.
NO_TABLES = ("sqlite_sequence", "sqlite_stat1", "sqlite_stat4")


@dataclass(frozen=True)
class DatabaseState:
    """The database at the very moment of which the copy is."""

    vendor: str
    server: str
    tool: str
    rows: dict[str, int]
    migrations: list[str]


@dataclass(frozen=True)
class Manifest:
    """The first thing read of a backup, and the last written into it."""

    database: DatabaseState
    made_at: str
    key: str
    parts: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)


def read_manifest(text: bytes) -> Manifest:
    """The inverse of `as_json`; BackupError for what is none of ours, or of a later form."""
    try:
        given: dict[str, Any] = json.loads(text)
        version = given["format"]
        if version == FORMAT:
            state = DatabaseState(**given.pop("database"))
            return Manifest(database=state, **{one.name: given[one.name] for one in fields(Manifest)[1:]})
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(_("The manifest of this backup cannot be read: the file is damaged.")) from error
    raise BackupError(
        _("This backup has form %(form)s; this version of Matchmaker reads form %(known)s.")
        % {"form": version, "known": FORMAT}
    )


def key_mark() -> str:
    """A few letters that are equal for equal SECRET_KEYs and tell nothing of them."""
    return salted_hmac("matchmaker.backups.key", b"", algorithm="sha256").hexdigest()[:16]


def unknown_migrations(applied: Iterable[str]) -> list[str]:
    """Those that this code does not have: the backup comes from a later version."""
    loader = MigrationLoader(None)
    known = {f"{app}.{name}" for app, name in loader.disk_migrations}
    return sorted(set(applied) - known)
