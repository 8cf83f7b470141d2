"""What the embedded default makes for itself under `var/`: folders and a secret key."""

import contextlib
import os
import secrets
from pathlib import Path


def make_folder(path: Path | str) -> Path:
    """The folder, made if it was missing, and then closed to other accounts of the machine."""
    folder = Path(path)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def secret_key(var_dir: Path, given: str) -> str:
    """The key from the environment, else the one in `var/secret_key`, made at the first start."""
    if given:
        return given
    path = var_dir / "secret_key"
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(64))
    return path.read_text(encoding="ascii").strip()


def _write_once(path: Path, text: str) -> None:
    """Linked into place, so that of several processes starting at once all read the same whole key."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
