"""Translations are compiled where they are missing, and count at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import gettext, override
from django.utils.translation.reloader import translation_file_changed

from matchmaker.translations import compile_translations

CATALOGUE = """msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"

msgid "Only here."
msgstr "只在这里。"
"""


@pytest.fixture
def source(tmp_path: Path, settings: Any) -> Iterator[Path]:
    path = tmp_path / "zh_Hans" / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    path.write_text(CATALOGUE, encoding="utf-8")
    before, settings.LOCALE_PATHS = settings.LOCALE_PATHS, [tmp_path]
    yield path
    settings.LOCALE_PATHS = before
    translation_file_changed(sender=None, file_path=path.with_suffix(".mo"))


def test_a_catalogue_that_was_missed_counts_once_it_is_compiled(source: Path, tmp_path: Path) -> None:
    """The first `up` of a clone: the process has looked for the catalogue before it compiles it."""
    translation_file_changed(sender=None, file_path=source.with_suffix(".mo"))
    with override("zh-hans"):
        assert gettext("Only here.") == "Only here."
        assert compile_translations([tmp_path]) == [source.with_suffix(".mo")]
    with override("zh-hans"):
        assert gettext("Only here.") == "只在这里。"
    assert compile_translations([tmp_path]) == [], "nothing changed, nothing written"
