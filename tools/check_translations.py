"""Ends with an error when a text of the product has no Chinese, or the Chinese of a text is left over.

Needs GNU gettext (xgettext), unlike the product itself. `--write` brings the new texts into the file.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polib

BASE_DIR = Path(__file__).resolve().parent.parent
CATALOGUE = Path("locale/zh_Hans/LC_MESSAGES/django.po")
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%%|\{\w*\}")
SOURCES = ("matchmaker", "jobs", "accounts", "notifications", "matching", "seeds", "templates")


def main() -> int:
    """0 when the catalogue is complete and has nothing to spare."""
    wanted = extract()
    if "--write" in sys.argv:
        write(wanted)
    present = polib.pofile(str(BASE_DIR / CATALOGUE))
    problems = [*missing(wanted, present), *left_over(wanted, present), *unlike(present)]
    print("\n".join(problems) or f"{len(wanted)} texts, all translated.")
    return 1 if problems else 0


def extract() -> polib.POFile:
    """Every text in the sources, by Django's own extraction in a copy of them."""
    with tempfile.TemporaryDirectory() as copy:
        for name in SOURCES:
            if (BASE_DIR / name).is_dir():
                shutil.copytree(
                    BASE_DIR / name, Path(copy) / name, ignore=shutil.ignore_patterns("__pycache__", "static")
                )
        (Path(copy) / "locale").mkdir()
        command = [sys.executable, "-m", "django", "makemessages", "-l", "zh_Hans", "--no-wrap", "-v", "0"]
        subprocess.run(command, cwd=copy, check=True, env=os.environ | {"DJANGO_SETTINGS_MODULE": ""})  # noqa: S603
        return polib.pofile(str(Path(copy) / CATALOGUE))


def _key(entry: polib.POEntry) -> tuple[str, str]:
    return entry.msgctxt or "", entry.msgid


def missing(wanted: polib.POFile, present: polib.POFile) -> list[str]:
    """One line for each text without a translation that counts."""
    translated = {_key(entry) for entry in present if entry.translated() and not entry.fuzzy}
    return [
        f"no Chinese: {entry.msgid!r} ({entry.occurrences[0][0]}:{entry.occurrences[0][1]})"
        for entry in wanted
        if _key(entry) not in translated
    ]


def left_over(wanted: polib.POFile, present: polib.POFile) -> list[str]:
    """One line for each translation whose text is gone."""
    used = {_key(entry) for entry in wanted}
    return [f"left over: {entry.msgid!r}" for entry in present if _key(entry) not in used]


def unlike(present: polib.POFile) -> list[str]:
    """One line for each translation that would be filled in with other values than its text."""
    return [
        f"other placeholders: {entry.msgid!r}"
        for entry in present
        for text in filter(None, [entry.msgstr, *entry.msgstr_plural.values()])
        if set(PLACEHOLDER.findall(text)) != set(PLACEHOLDER.findall(entry.msgid))
    ]


def write(wanted: polib.POFile) -> None:
    """Add what is new without a translation, drop what is gone, keep the rest as it is."""
    path = BASE_DIR / CATALOGUE
    path.parent.mkdir(parents=True, exist_ok=True)
    before = polib.pofile(str(path)) if path.exists() else wanted
    kept = {_key(entry): entry for entry in before}
    for entry in wanted:
        known = kept.get(_key(entry))
        if known is not None:
            entry.msgstr, entry.msgstr_plural = known.msgstr, known.msgstr_plural
        # Line numbers would make every change of a source a change of the catalogue.
        entry.occurrences = sorted({(file, "") for file, _line in entry.occurrences})
        entry.flags = [flag for flag in entry.flags if flag != "fuzzy"]
    wanted.header, wanted.metadata = before.header, before.metadata
    wanted.metadata |= {"Language": "zh_Hans", "Plural-Forms": "nplurals=1; plural=0;"}
    wanted.metadata.pop("POT-Creation-Date", None)
    wanted.metadata_is_fuzzy = False
    wanted.sort(key=_key)
    wanted.save(str(path))


if __name__ == "__main__":
    sys.exit(main())
