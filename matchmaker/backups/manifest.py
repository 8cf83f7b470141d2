"""What a backup says of itself: where it comes from, its schema, its rows and the sha256 of every part."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from matchmaker.backups.errors import BackupError

FORMAT = 2
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
    seal: str = ""

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    def sealed(self) -> "Manifest":
        """The manifest with a keyed digest of all else in it, and by its parts of the whole backup."""
        return replace(self, seal=self._seal(settings.SECRET_KEY))

    def is_as_sealed(self) -> bool:
        """Whether nothing was changed by anybody who has none of this town's keys."""
        keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        return any(constant_time_compare(self.seal, self._seal(key)) for key in keys)

    def _seal(self, key: str) -> str:
        text = replace(self, seal="").as_json()
        return salted_hmac("matchmaker.backups.manifest", text, secret=key, algorithm="sha256").hexdigest()


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
