"""The page for merchants and anchors names everything that ranks, in both languages, and nothing else."""

import re
from pathlib import Path

import pytest

from matching.engine.config import Config
from matching.engine.encoding import BLOCKS
from matching.engine.neutral import NEUTRAL_PARTS
from matching.engine.scoring import PART_CODES
from matching.selectors.fairness import NEWCOMER_BELOW

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {name: (DOCS / name).read_text() for name in ("how-ranking-works.md", "how-ranking-works.zh.md")}
CODES = {*PART_CODES, *(block.name for block in BLOCKS)}


@pytest.fixture(params=PAGES)
def page(request):
    return PAGES[request.param]


def test_every_part_and_block_of_the_engine_is_named(page):
    assert {code for code in CODES if f"`{code}`" not in page} == set()


def test_the_table_names_nothing_that_is_not_used(page):
    table = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(table))) == CODES


def test_the_neutral_facts_are_those_of_the_engine(page):
    line = next(line for line in page.splitlines() if all(f"`{code}`" in line for code in NEUTRAL_PARTS))
    assert set(re.findall(r"`(\w+)`", line)) == set(NEUTRAL_PARTS)


def test_the_figures_are_those_of_the_code(page):
    config = Config()
    caps = (f"{config.reach_least_viewers:,.0f}", f"{config.reach_full_viewers:,.0f}", str(NEWCOMER_BELOW))
    assert all(re.search(rf"(?<!\d){re.escape(figure)}(?!\d)", page) for figure in caps)


def test_it_says_how_to_switch_off_and_to_delete(page):
    for words in ("personalised=false", "is_personalised", "anchors/me/tags/", "stalls/{id}/tags/", "DELETE"):
        assert words in page
