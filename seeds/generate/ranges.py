"""The ranges that the figures of the demo town are drawn from: assumptions, not statistics (layer: pure)."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).resolve().parents[2] / "accounts" / "reference"
DATA = Path(__file__).resolve().parents[1] / "data"
DEPARTMENTS = ("women", "men", "kids", "underwear_home_sport")


@dataclass(frozen=True)
class CategoryRange:
    """What one category costs and how it sells; prices on air in yuan, rates in percent."""

    code: str
    department: str
    name_zh: str
    retail_cny: tuple[float, float]
    commission_pct: tuple[float, float]
    return_pct: tuple[float, float]
    moq: int
    restock_days: tuple[int, int]


@dataclass(frozen=True)
class Tier:
    """What sets one follower tier apart."""

    name: str
    followers: tuple[int, int]
    gmv_session_cny: tuple[int, int]
    slot_fee_cny: tuple[int, int]
    commission_pct: tuple[int, int]
    share: float


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_data(file_name: str) -> Any:
    """Return what a JSON file of `seeds/data` holds."""
    return _read(DATA / file_name)


def names_zh(file_name: str) -> dict[str, str]:
    """Return the Chinese name of each code in a file of reference data."""
    return {row["code"]: row["name_zh"] for row in _read(REFERENCE / file_name)}


@cache
def categories() -> dict[str, CategoryRange]:
    """Return the range of every category by its code."""
    ranges = read_data("domain_ranges.json")["categories"]
    found = {}
    for row in _read(REFERENCE / "categories.json"):
        values = ranges[row["code"]]
        found[row["code"]] = CategoryRange(
            code=row["code"],
            department=row["department"],
            name_zh=row["name_zh"],
            retail_cny=tuple(values["retail_cny"]),
            commission_pct=tuple(values["commission_pct"]),
            return_pct=tuple(values["return_pct_live"]),
            moq=values["moq"],
            restock_days=tuple(values["restock_days"]),
        )
    return found


@cache
def by_department() -> dict[str, tuple[str, ...]]:
    """Return the category codes of each department."""
    return {
        name: tuple(code for code, row in categories().items() if row.department == name)
        for name in DEPARTMENTS
    }


@cache
def tiers() -> tuple[Tier, ...]:
    """Return the follower tiers, the greatest first."""
    rows = read_data("domain_ranges.json")["anchor_tiers"]
    return tuple(
        Tier(
            name=row["tier"],
            # An open end is drawn to six times the lower bound; nobody is drawn with no followers at all.
            followers=(max(row["followers"][0], 200), row["followers"][1] or 6 * row["followers"][0]),
            gmv_session_cny=tuple(row["gmv_session_cny"]),
            slot_fee_cny=tuple(row["slot_fee_cny"]),
            commission_pct=tuple(row["commission_pct"]),
            share=row["share_of_anchors"],
        )
        for row in rows
    )
