"""docs/invariants.md names every invariant that is checked."""

import re
from pathlib import Path

from matching.invariants import DETECTORS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "invariants.md").read_text(encoding="utf-8")


def test_the_page_lists_the_detectors():
    rows = re.findall(r"^\| (\d+) \|", PAGE, flags=re.M)
    assert [int(number) for number in rows] == [detector.number for detector in DETECTORS]
