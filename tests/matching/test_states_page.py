"""The page about the life of a match says what the code says."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def generator():
    spec = importlib.util.spec_from_file_location("document_states", ROOT / "tools" / "document_states.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_and_diagrams_are_those_of_the_code():
    made = generator()
    page = made.PAGE.read_text(encoding="utf-8")
    assert made.rendered(page) == page, "run python tools/document_states.py"


def test_a_change_of_the_table_would_be_noticed():
    made = generator()
    page = made.PAGE.read_text(encoding="utf-8")
    assert "| expire | proposed, agreed | expired | system |" in page
    assert made.rendered(page.replace("| expire |", "| expires |")) == page
