"""Every file and every test that a page of the documentation names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
QUOTED = re.compile(r"`([^`\n]+)`")
FOLDERS = "accounts benchmarks docs jobs matching matchmaker notifications outcomes seeds tests tools web"
IN_OUR_FOLDERS = re.compile(rf"(?:{'|'.join(FOLDERS.split())})/[\w./-]*\w")
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
}


def named_files(text: str) -> set[str]:
    words = {quoted.split("::")[0] for quoted in QUOTED.findall(text)}
    files = {word for word in words if IN_OUR_FOLDERS.fullmatch(word)}
    return {word for word in files if word.endswith(".py") or word.startswith(("tests/", "docs/", "tools/"))}


def named_tests(text: str) -> set[str]:
    """The whole names, and beginnings that end in dots."""
    words = [word.rsplit("::", 1)[-1].lstrip("…") for word in QUOTED.findall(text)]
    return {word for word in words if re.fullmatch(r"test_\w+…?", word)}


def missing_tests(text: str) -> set[str]:
    return {
        name
        for name in named_tests(text)
        if not any(test.startswith(name[:-1]) if name.endswith("…") else test == name for test in TESTS)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert {name for name in named_files(text) if not (ROOT / name).exists()} == set()
    assert missing_tests(text) == set()


def test_what_is_not_there_would_be_noticed() -> None:
    text = "`tests/doors/test_walls.py::test_a_wall…` `matching/engine/magic.py` `…test_nobody_wrote_this`"
    assert named_files(text) == {"tests/doors/test_walls.py", "matching/engine/magic.py"}
    assert missing_tests(text) == {"test_a_wall…", "test_nobody_wrote_this"}
    security = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    assert len(named_files(security)) > 20 and len(named_tests(security)) > 10
