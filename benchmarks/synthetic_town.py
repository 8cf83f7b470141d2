"""A made-up town in numpy: the shapes and spreads of a real one, none of its facts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matching.engine.types import (
    HOURS_A_WEEK,
    PRICE_BINS,
    PRICE_EDGES_CENTS,
    Exclusions,
    Parties,
    Rule,
    Side,
    Snapshot,
    Vocabulary,
)

_DEPARTMENTS = 8
_WORDS = (
    "连衣裙",
    "针织衫",
    "牛仔裤",
    "羽绒服",
    "汉服",
    "童装",
    "衬衫",
    "半身裙",
    "西装",
    "卫衣",
    "真丝",
    "棉麻",
    "工厂直供",
    "当天发货",
    "小单快返",
    "韩版",
    "国风",
    "通勤",
    "大码",
    "显瘦",
    "亲子装",
    "源头好货",
    "尾货",
    "设计师款",
)


def vocabulary() -> Vocabulary:
    """As many codes as the demo town has."""
    return Vocabulary(
        categories=tuple(f"category-{n}" for n in range(60)),
        category_parents=tuple(f"department-{n % _DEPARTMENTS}" for n in range(60)),
        styles=tuple(f"style-{n}" for n in range(16)),
        regions=tuple(f"region-{n}" for n in range(34)),
        region_parents=tuple(f"area-{n % 7}" for n in range(34)),
        platforms=tuple(f"platform-{n}" for n in range(6)),
        languages=tuple(f"language-{n}" for n in range(5)),
    )


def _some_of(rng: np.random.Generator, rows: int, width: int, mean: float) -> NDArray[np.bool_]:
    hot = rng.random((rows, width)) < mean / width
    hot[np.arange(rows), rng.integers(0, width, rows)] = True
    return hot


def _unknown(rng: np.random.Generator, values: NDArray, share: float = 0.1) -> NDArray:
    """Some rows blanked, as people leave fields empty."""
    values = np.array(values, dtype=float)
    values[rng.random(len(values)) < share] = np.nan
    return values


def _hours(rng: np.random.Generator, rows: int) -> NDArray[np.bool_]:
    """A daily span on some days of the week."""
    start, length = rng.integers(6, 20, (rows, 1, 1)), rng.integers(3, 12, (rows, 1, 1))
    hour = np.arange(24)[None, None, :]
    open_now = (hour >= start) & (hour < start + length) & (rng.random((rows, 7, 1)) < 0.6)
    return open_now.reshape(rows, HOURS_A_WEEK)


def _price(rng: np.random.Generator, rows: int) -> dict[str, NDArray]:
    low = np.exp(rng.normal(np.log(8_000), 0.7, rows))
    high = low * rng.uniform(1.3, 4.0, rows)
    middle = np.sqrt(np.array(PRICE_EDGES_CENTS[1:]) * np.array(PRICE_EDGES_CENTS[:-1]))
    inside = (middle >= low[:, None] * 0.8) & (middle <= high[:, None] * 1.25)
    share = inside * rng.uniform(0.2, 1.0, (rows, PRICE_BINS))
    total = share.sum(axis=1, keepdims=True)
    return {
        "price_low_cents": low,
        "price_high_cents": high,
        "price_share": np.divide(share, total, out=np.full_like(share, np.nan), where=total > 0),
    }


def _history(rng: np.random.Generator, rows: int) -> dict[str, NDArray]:
    accepted, given, received = (rng.geometric(0.15, rows) - 1 for _ in range(3))
    return {
        "accepted": accepted,
        "completed": rng.binomial(accepted, 0.85),
        "decisions_given": given,
        "decisions_yes": rng.binomial(given, 0.4),
        "received": received,
        "received_yes": rng.binomial(received, 0.35),
        "reply_hours": _unknown(rng, rng.exponential(20, rows), 0.3),
        "load_used": rng.binomial(12, 0.3, rows),
        "capacity": np.full(rows, 12),
        "days_since_joined": rng.integers(0, 700, rows),
    }


def _common(rng: np.random.Generator, rows: int) -> dict:
    return {
        "categories": _some_of(rng, rows, 60, 3),
        "styles": _some_of(rng, rows, 16, 2),
        "platforms": _some_of(rng, rows, 6, 1.5),
        "languages": _some_of(rng, rows, 5, 1),
        "region": rng.integers(-1, 34, rows),
        "audience_age": _unknown(rng, rng.dirichlet(np.ones(5) * 2, rows)),
        "audience_gender": _unknown(rng, rng.dirichlet(np.ones(2) * 2, rows)),
        "audience_city_tier": _unknown(rng, rng.dirichlet(np.ones(5) * 2, rows)),
        "hours": _hours(rng, rows),
        "text": [" ".join(rng.choice(_WORDS, 6)) for _ in range(rows)],
        "commission_rate": rng.uniform(0.08, 0.35, rows),
        "slot_fee_cents": _unknown(rng, rng.exponential(50_000, rows) * (rng.random(rows) < 0.5)),
        "restock_days": _unknown(rng, rng.integers(1, 20, rows)),
        "return_rate": _unknown(rng, rng.beta(4, 8, rows)),
        "verified": rng.random(rows) < 0.95,
        "archived": rng.random(rows) < 0.02,
        "personalised": rng.random(rows) < 0.98,
        **_price(rng, rows),
        **_history(rng, rows),
    }


def make_town(stalls: int, anchors: int, seed: int = 0) -> Snapshot:
    """A town of this size; ten exclusions a stall."""
    rng, words = np.random.default_rng(seed), vocabulary()
    stall_table = Parties.build(
        Side.STALL,
        words,
        np.arange(1, stalls + 1),
        **_common(rng, stalls),
        moq=rng.integers(1, 100, stalls),
        stock_depth=_unknown(rng, rng.integers(50, 3000, stalls)),
        followers_wanted_min=_unknown(rng, rng.choice([0, 1e3, 1e4, 1e5], stalls), 0.5),
        licence_valid=rng.random(stalls) < 0.98,
        streaming_permit=rng.choice([0, 1, 2], stalls, p=[0.85, 0.1, 0.05]),
    )
    anchor_table = Parties.build(
        Side.ANCHOR,
        words,
        np.arange(1, anchors + 1),
        **_common(rng, anchors),
        moq=_unknown(rng, rng.integers(20, 300, anchors), 0.3),
        stock_depth=_unknown(rng, rng.integers(10, 500, anchors), 0.3),
        commission_is_must=rng.random(anchors) < 0.2,
        average_viewers=_unknown(rng, np.exp(rng.normal(5.5, 1.5, anchors))),
        followers=np.exp(rng.normal(9.5, 2.0, anchors)),
        on_site=rng.random(anchors) < 0.7,
        of_age=rng.random(anchors) < 0.99,
    )
    pairs = 10 * stalls
    exclusions = Exclusions(
        rng.integers(1, stalls + 1, pairs),
        rng.integers(1, anchors + 1, pairs),
        rng.choice([Rule.PASSED, Rule.DECLINED, Rule.NEVER, Rule.OPEN_MATCH], pairs).astype(np.uint8),
    )
    return Snapshot(words, stall_table, anchor_table, exclusions, "2026-01-01T00:00:00Z")
