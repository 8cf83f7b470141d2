"""`manage.py backup`: the whole town in one file, while it runs."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from tqdm import tqdm

from matchmaker.backups.errors import BackupError
from matchmaker.backups.making import default_folder, make_backup

BAR = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"


class Command(BaseCommand):
    """Make a backup."""

    help = "Write database and uploads into one file, of one moment, while the town runs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--to", type=Path, metavar="PATH", help="a file, or a folder for it; else backups/ in var/"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        to: Path | None = options["to"]
        if to is None:
            to = default_folder()
            to.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tqdm(desc=_("Backup"), bar_format=BAR, total=1, leave=False, disable=None) as bar:
            try:
                path, manifest = make_backup(to=to, progress=shown_on(bar))
            except BackupError as error:
                raise CommandError(str(error)) from error
        self.stdout.write(
            _("%(path)s: %(rows)s rows in %(tables)s tables, %(uploads)s uploads, %(megabytes).1f MB")
            % {
                "path": path,
                "rows": sum(manifest.database.rows.values()),
                "tables": len(manifest.database.rows),
                "uploads": len(manifest.parts) - 1,
                "megabytes": path.stat().st_size / 1e6,
            }
        )
        self.stdout.write(_("SECRET_KEY is not in it: keep it elsewhere, identity hashes need it."))


def shown_on(bar: Any) -> Any:
    """A progress function that draws on this bar."""

    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return progress
