"""The one file of a backup: a zip of `database`, `media/…` and `manifest.json`, with the sha256 of each."""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO

from django.utils.translation import gettext as _

from matchmaker.backups.errors import BackupError
from matchmaker.backups.manifest import Manifest, read_manifest

DATABASE, MEDIA, MANIFEST = "database", "media", "manifest.json"
PIECE = 1024 * 1024


def write_archive(path: Path, *, database: Path, media: Path, manifest: Manifest) -> Manifest:
    """Write the file for this account's eyes only; return the manifest with the digests of its parts."""
    parts: dict[str, str] = {}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
            parts[DATABASE] = _put(archive, DATABASE, database)
            for upload in uploads_in(media):
                name = f"{MEDIA}/{upload.relative_to(media).as_posix()}"
                parts[name] = _put(archive, name, upload)
            manifest = replace(manifest, parts=parts).sealed()
            archive.writestr(MANIFEST, manifest.as_json())
        file.flush()
        os.fsync(file.fileno())
    return manifest


def uploads_in(media: Path) -> Iterator[Path]:
    """Every plain file below, in order; links are not followed out of the folder."""
    return (path for path in sorted(media.rglob("*")) if path.is_file() and not path.is_symlink())


def _put(archive: zipfile.ZipFile, name: str, path: Path) -> str:
    with path.open("rb") as source, archive.open(name, "w", force_zip64=True) as target:
        return _copied(source, target)


def _copied(source: IO[bytes], target: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := source.read(PIECE):
        digest.update(piece)
        target.write(piece)
    return digest.hexdigest()


def unpack(path: Path, folder: Path) -> Manifest:
    """Put all parts into the empty folder; BackupError unless each is exactly what was written."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = read_manifest(archive.read(MANIFEST))
            if sorted(archive.namelist()) != sorted([*manifest.parts, MANIFEST]):
                raise BackupError(_damaged(MANIFEST))
            for name, digest in manifest.parts.items():
                _take(archive, name, digest, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError) as error:
        raise BackupError(_("This is no whole backup: %(error)s") % {"error": error}) from error
    if DATABASE not in manifest.parts:
        raise BackupError(_damaged(DATABASE))
    return manifest


def _take(archive: zipfile.ZipFile, name: str, digest: str, folder: Path) -> None:
    wanted = PurePosixPath(name)
    inside = name == DATABASE or (len(wanted.parts) > 1 and wanted.parts[0] == MEDIA)
    if not inside or wanted.is_absolute() or ".." in wanted.parts or "\\" in name:
        raise BackupError(_damaged(name))
    target = folder / wanted
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as source, target.open("wb") as file:
        if _copied(source, file) != digest:
            raise BackupError(_damaged(name))


def _damaged(name: str) -> str:
    return _("The part %(name)s of this backup is not what was written: the file is damaged.") % {
        "name": name
    }
