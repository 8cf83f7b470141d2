"""Files that several processes read, and that a killed one must not leave half written."""

import uuid
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file that nobody sees before it is complete; what it held before stays until then."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
