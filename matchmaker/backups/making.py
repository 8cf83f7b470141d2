"""Making a backup: the database of one moment, the uploads, and a manifest; in its place only when whole."""

import logging
import os
import tempfile
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from matchmaker.backups import archive, postgresql, sqlite
from matchmaker.backups.errors import BackupError
from matchmaker.backups.manifest import Manifest, key_mark
from matchmaker.backups.sqlite import Progress

logger = logging.getLogger(__name__)

DRIVERS = {"sqlite": sqlite, "postgresql": postgresql}


def default_folder() -> Path:
    """Where backups go when nobody says otherwise."""
    return Path(settings.VAR_DIR) / "backups"


def _stamp() -> Path:
    return Path(settings.VAR_DIR) / "backup-made"


def last_made() -> float | None:
    """When this machine last made a backup, wherever it went: seconds since 1970; None for never."""
    try:
        return _stamp().stat().st_mtime
    except FileNotFoundError:
        return None


def make_backup(*, to: Path, progress: Progress) -> tuple[Path, Manifest]:
    """Write one file `to` (into it, when it is a folder); return where it is and what is in it.

    Raises BackupError; then there is no file.
    """
    made_at = timezone.now()
    if to.is_dir():
        to = to / f"matchmaker-{made_at:%Y%m%dT%H%M%SZ}.zip"
    if to.exists():
        raise BackupError(_("%(path)s is there already.") % {"path": to})
    driver = DRIVERS[connection.vendor]
    driver.check_tools(connection)
    try:
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=to.parent) as folder:
            copy, draft = Path(folder) / archive.DATABASE, Path(folder) / "draft"
            state = driver.dump(connection, copy, progress)
            manifest = Manifest(database=state, made_at=made_at.isoformat(), key=key_mark())
            media = Path(settings.MEDIA_ROOT)
            manifest = archive.write_archive(draft, database=copy, media=media, manifest=manifest)
            os.link(draft, to)  # refuses a file that appeared meanwhile
    except OSError as error:
        raise BackupError(
            _("%(path)s cannot be written: %(error)s") % {"path": to, "error": error}
        ) from error
    try:
        _stamp().touch()
    except OSError:  # of another account's making; the backup itself is there
        logger.warning("%s cannot be touched: the alarm for missing backups will be wrong", _stamp())
    return to, manifest
