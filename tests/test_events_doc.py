"""The lines of docs/events.md that recompute hashes, run on rows of the database."""

import re
from pathlib import Path
from typing import Any

import pytest

from matching.models import DailyRoot, MatchEvent, RootLeaf
from matching.selectors.violations import TEXTS
from matching.services.roots import close_day
from tests.matching.tampering import approved_match

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "events.md").read_text(encoding="utf-8")


@pytest.fixture
def lines() -> dict[str, Any]:
    """What the page's Python defines."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.S):
        exec(block, names)  # noqa: S102 (our own page)
    return names


@pytest.mark.django_db
def test_a_reader_recomputes_every_event(lines: dict[str, Any]) -> None:
    match, before = approved_match(), ""
    for event in MatchEvent.objects.filter(match=match).values():
        event["match"] = str(match.public_id)
        assert event["prev_hash"] == before
        assert lines["hash_of_event"](event) == event["hash"]
        assert lines["hash_of_event"](event | {"actor_id": 4711}) != event["hash"]
        before = event["hash"]


@pytest.mark.django_db
def test_a_reader_recomputes_a_root(lines: dict[str, Any]) -> None:
    for _ in range(3):
        approved_match()
    close_day()
    root = DailyRoot.objects.get()
    leaves = list(RootLeaf.objects.values_list("match__public_id", "seq", "hash"))
    assert len(leaves) == 3 and lines["root_of_day"](root.prev_root, leaves[::-1]) == root.root
    assert lines["root_of_day"]("", leaves[1:]) != root.root


def test_the_lines_are_few() -> None:
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.S):
        assert len([line for line in block.splitlines() if line.strip()]) <= 10


def test_every_code_is_explained() -> None:
    explained = set(re.findall(r"`([a-z_]+)`", PAGE.split("one of these codes")[1].split("##")[0]))
    assert explained == set(TEXTS)
