"""Compiles the translations without GNU gettext, so that a fresh clone speaks Chinese at once."""

from collections.abc import Iterable
from pathlib import Path

import polib
from django.utils.translation.reloader import translation_file_changed


def compile_translations(folders: Iterable[Path | str]) -> list[Path]:
    """Write every `.mo` under these folders that is missing or older than its `.po`; those written."""
    written = []
    for source in (path for folder in folders for path in sorted(Path(folder).glob("*/LC_MESSAGES/*.po"))):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        draft = target.with_suffix(".mo.draft")
        polib.pofile(str(source)).save_as_mofile(str(draft))
        draft.replace(target)
        # This process may have looked for the catalogue before it was there, and its children inherit that.
        translation_file_changed(sender=None, file_path=target)
        written.append(target)
    return written
