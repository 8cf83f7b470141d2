"""Small markets for the engine's tests: one computed by hand, many drawn at random."""

import numpy as np

from matching.engine import pipeline
from matching.engine.config import Config
from matching.engine.types import (
    HOURS_A_WEEK,
    PRICE_BINS,
    Exclusions,
    Parties,
    Rule,
    Side,
    Snapshot,
    Vocabulary,
)

WORDS = Vocabulary(
    categories=("dress", "jeans", "coat", "knit", "hanfu"),
    category_parents=("women", "denim", "women", "women", ""),
    styles=("plain", "guofeng", "sport"),
    regions=("guangzhou", "shenzhen", "hangzhou"),
    region_parents=("guangdong", "guangdong", "zhejiang"),
    platforms=("douyin", "kuaishou"),
    languages=("zh", "yue"),
)
TEXTS = ("", "棉麻连衣裙 批发", "牛仔裤工厂直供", "汉服 设计师款", "羽绒服源头", "linen dresses wholesale")


def maybe(rng, values, unknown):
    """Float values with some made unknown."""
    values = np.array(values, dtype=float)
    values[rng.random(len(values)) < unknown] = np.nan
    return values


def random_parties(rng, side, rows, unknown=0.2):
    """Parties over WORDS, some of them copies of one another so that scores tie."""
    low = np.exp(rng.normal(np.log(9_000), 0.8, rows))
    accepted, given, received = (rng.integers(0, 20, rows) for _ in range(3))
    columns = {
        "categories": rng.random((rows, 5)) < 0.3,
        "styles": rng.random((rows, 3)) < 0.3,
        "platforms": rng.random((rows, 2)) < 0.5,
        "languages": rng.random((rows, 2)) < 0.4,
        "region": rng.integers(-1, 3, rows),
        "price_share": maybe(rng, rng.dirichlet(np.ones(PRICE_BINS), rows), unknown),
        "price_low_cents": maybe(rng, low, unknown),
        "price_high_cents": low * rng.uniform(1.2, 6, rows),
        "audience_age": maybe(rng, rng.dirichlet(np.ones(5), rows), unknown),
        "audience_gender": maybe(rng, rng.dirichlet(np.ones(2), rows), unknown),
        "audience_city_tier": maybe(rng, rng.dirichlet(np.ones(5), rows), unknown),
        "hours": rng.random((rows, HOURS_A_WEEK)) < rng.choice([0, 0.2, 0.7], (rows, 1)),
        "commission_rate": maybe(rng, rng.uniform(0.05, 0.4, rows).round(4), unknown),
        "commission_is_must": (rng.random(rows) < 0.3) & (side is Side.ANCHOR),
        "slot_fee_cents": maybe(rng, rng.integers(0, 300_000, rows), unknown),
        "moq": maybe(rng, rng.integers(1, 200, rows), unknown),
        "restock_days": maybe(rng, rng.integers(0, 30, rows), unknown),
        "return_rate": maybe(rng, rng.random(rows), unknown),
        "stock_depth": maybe(rng, rng.integers(0, 2000, rows), unknown),
        "accepted": accepted,
        "completed": rng.binomial(accepted, 0.8),
        "decisions_given": given,
        "decisions_yes": rng.binomial(given, 0.4),
        "received": received,
        "received_yes": rng.binomial(received, 0.3),
        "reply_hours": maybe(rng, rng.exponential(20, rows), unknown),
        "load_used": rng.integers(0, 6, rows),
        "capacity": rng.integers(1, 12, rows),
        "verified": rng.random(rows) < 0.9,
        "archived": rng.random(rows) < 0.05,
        "licence_valid": (rng.random(rows) < 0.95) | (side is Side.ANCHOR),
        "of_age": (rng.random(rows) < 0.95) | (side is Side.STALL),
        "personalised": rng.random(rows) < 0.9,
    }
    if side is Side.STALL:
        columns["streaming_permit"] = rng.choice([0, 1, 2], rows, p=[0.8, 0.1, 0.1])
        columns["followers_wanted_min"] = maybe(rng, rng.choice([0, 1e3, 1e5], rows), 0.5)
    else:
        columns["average_viewers"] = maybe(rng, rng.exponential(2000, rows), unknown)
        columns["followers"] = maybe(rng, rng.exponential(50_000, rows), unknown)
        columns["on_site"] = rng.random(rows) < 0.7
    copies = rng.integers(0, max(rows, 1), rows) if rows else np.empty(0, dtype=int)
    source = np.where(rng.random(rows) < 0.3, copies, np.arange(rows))
    columns = {name: np.asarray(values)[source] for name, values in columns.items()}
    texts = np.array(rng.choice(TEXTS, rows))[source] if rows else []
    ids = np.cumsum(rng.integers(1, 5, rows)) if rows else []
    return Parties.build(side, WORDS, ids, text=[str(text) for text in texts], **columns)


LISTED = (Rule.PASSED, Rule.DECLINED, Rule.NEVER, Rule.BLOCKED, Rule.FORBIDDEN, Rule.OPEN_MATCH)


def random_exclusions(rng, stalls, anchors, number):
    if not len(stalls) or not len(anchors):
        return Exclusions()
    triples = zip(
        rng.choice(stalls.ids, number),
        rng.choice(anchors.ids, number),
        rng.choice(LISTED, number),
        strict=True,
    )
    # Two that name nobody present: erased since.
    gone = [(10**9, int(anchors.ids[0]), Rule.PASSED), (int(stalls.ids[0]), 10**9, Rule.PASSED)]
    return Exclusions.of([(int(s), int(a), Rule(int(r))) for s, a, r in triples] + gone)


def random_market(seed, stalls, anchors, unknown=0.2):
    rng = np.random.default_rng(seed)
    left = random_parties(rng, Side.STALL, stalls, unknown)
    right = random_parties(rng, Side.ANCHOR, anchors, unknown)
    return Snapshot(WORDS, left, right, random_exclusions(rng, left, right, 3 * stalls), "2026-01-01")


def encoded_market(seed, stalls, anchors, unknown=0.2, config=None):
    """Snapshot, model and both sides encoded."""
    snapshot = random_market(seed, stalls, anchors, unknown)
    model = pipeline.fit(snapshot, config, seed=3)
    return snapshot, model, pipeline.encode(model, snapshot.stalls), pipeline.encode(model, snapshot.anchors)


# --- the market by hand -------------------------------------------------------------------------------
# docs/engine.md tells the same numbers.

HAND_WORDS = Vocabulary(("dress", "jeans"), ("", ""), (), (), (), (), ())


def hand_config():
    """Category one half, commission .3, reliability .2; every other weight 0."""
    zero = {name: 0.0 for name in Config.__dataclass_fields__ if name.startswith("weight_")}
    return Config(**{**zero, "weight_category": 0.5, "weight_commission": 0.3, "weight_reliability": 0.2})


def hand_snapshot():
    """Three stalls, four anchors: see the table in docs/engine.md."""
    dress, jeans = [True, False], [False, True]
    stalls = Parties.build(
        Side.STALL,
        HAND_WORDS,
        [1, 2, 3],
        categories=[dress, jeans, dress],
        commission_rate=[0.20, 0.30, 0.10],
        accepted=[0, 8, 0],
        completed=[0, 8, 0],
    )
    anchors = Parties.build(
        Side.ANCHOR,
        HAND_WORDS,
        [11, 12, 13, 14],
        categories=[dress, jeans, dress, dress],
        commission_rate=[0.20, 0.20, np.nan, 0.10],
        commission_is_must=[False, True, False, False],
        capacity=[4, 4, 4, 4],
        load_used=[0, 0, 0, 4],
    )
    return Snapshot(HAND_WORDS, stalls, anchors, Exclusions.of([(3, 13, Rule.PASSED)]), "2026-01-01")
