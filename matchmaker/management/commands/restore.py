"""`manage.py restore FILE`: a backup in the place of the town; then everything is checked, and told."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone
from django.utils.translation import gettext as _
from tqdm import tqdm

from accounts.selectors import told_erasures
from matchmaker.backups.errors import BackupError
from matchmaker.backups.manifest import Manifest, key_mark
from matchmaker.backups.restoring import restore_backup
from matchmaker.management.commands.backup import BAR, shown_on

CHECKS = ("check_invariants", "verify_events")


class Command(BaseCommand):
    """Restore a backup."""

    help = "Put a backup in the place of database and uploads. Stop web, workers and beat first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--replace",
            "--yes",
            action="store_true",
            help="also over a database that is not empty",
        )

        parser.add_argument(
            "--trust",
            action="store_true",
            help="also a backup whose seal does not fit SECRET_KEY; it could run commands as you",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        erased = _kept_erasures()
        with tqdm(desc=_("Restore"), bar_format=BAR, total=1, leave=False, disable=None) as bar:
            try:
                manifest = restore_backup(
                    options["file"],
                    replace=options["replace"],
                    progress=shown_on(bar),
                    is_trusted=options["trust"],
                )
            except BackupError as error:
                raise CommandError(str(error)) from error
        self._tell(manifest)
        if erased is not None:
            call_command("erasures", again=erased, stdout=self.stdout, stderr=self.stderr)
        broken = [name for name in CHECKS if not self._passes(name)]
        if broken:
            self.stderr.write(_("Restored, but not well: %(checks)s") % {"checks": ", ".join(broken)})
            sys.exit(1)
        self.stdout.write(_("All checks passed. Start web, workers and beat again, every one of them."))

    def _tell(self, manifest: Manifest) -> None:
        state = manifest.database
        self.stdout.write(
            _("Restored what was there at %(at)s: %(rows)s rows in %(tables)s tables.")
            % {"at": manifest.made_at, "rows": sum(state.rows.values()), "tables": len(state.rows)}
        )
        if manifest.key != key_mark():
            self.stderr.write(
                _(
                    "SECRET_KEY is another one than the backup's: everybody signs in again, and hashes of "
                    "identity numbers made before match no more. Put the former key back if you have it."
                )
            )

    def _passes(self, name: str) -> bool:
        try:
            call_command(name, stdout=self.stdout, stderr=self.stderr)
        except SystemExit as ended:
            return not ended.code
        return True


def _kept_erasures() -> Path | None:
    """Write down beside the database whom it has erased, for the backup may hold them still.

    None when there is nobody, or when the database cannot be read: then the list that is kept outside counts.
    """
    try:
        lines = list(told_erasures())
    except DatabaseError:
        return None
    if not lines:
        return None
    path = Path(settings.VAR_DIR) / f"erasures-{timezone.now():%Y%m%dT%H%M%SZ}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path
