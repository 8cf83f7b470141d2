"""Every number that steers the engine, with its meaning, unit, range and source."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from matching.engine.errors import EngineError

_PRIOR = "prior of the design, from its start weights"
_ASSUMED = "assumption, to be replaced by what labels teach"
_BOUNDED = "measured: figures that nobody checks may lift their owner by 3 places at most"


def _setting(default: Any, meaning: str, *, unit: str, low: float, high: float, source: str) -> Any:
    about = {"meaning": meaning, "unit": unit, "low": low, "high": high, "source": source}
    return field(default=default, metadata=about)


def _weight(default: float, meaning: str, source: str) -> Any:
    return _setting(default, meaning, unit="share before normalising", low=0.0, high=1.0, source=source)


@dataclass(frozen=True)
class Config:
    """One versioned prior; weights of a direction are divided by their sum before use."""

    # Shared blocks: the same evidence in both directions.
    weight_category: float = _weight(0.24, "same categories and departments", _PRIOR)
    weight_price: float = _weight(0.18, "overlap of price band and sold prices", _PRIOR)
    weight_audience: float = _weight(0.18, "audience wanted against audience reached", _PRIOR)
    weight_style: float = _weight(0.12, "same styles", _PRIOR)
    weight_hours: float = _weight(0.06, "common free hours", _PRIOR)
    weight_region: float = _weight(0.05, "same region or its parent", _PRIOR)
    weight_text: float = _weight(0.05, "similar descriptions", _ASSUMED)
    weight_platform: float = _weight(0.04, "platforms wanted and present", _ASSUMED)
    weight_language: float = _weight(0.03, "languages wanted and spoken", _ASSUMED)
    # Both directions, opposite interests.
    weight_commission: float = _weight(0.10, "commission offered against wanted", _PRIOR)
    weight_slot_fee: float = _weight(0.04, "slot fee offered against wanted", _ASSUMED)
    # The partner's, in the direction of the party that decides.
    weight_reliability: float = _weight(0.07, "fulfilment of the partner", _PRIOR)
    weight_reply: float = _weight(0.02, "reply time of the partner", _ASSUMED)
    weight_load: float = _weight(0.02, "free capacity of the partner", _ASSUMED)
    weight_given: float = _weight(0.02, "how often the party that decides says yes", _ASSUMED)
    weight_received: float = _weight(0.002, "how often others say yes to the partner", _BOUNDED)
    # Stall decides about an anchor.
    weight_reach: float = _weight(0.01, "average viewers of the anchor", _BOUNDED)
    weight_followers: float = _weight(0.003, "followers against the least wanted", _BOUNDED)
    weight_on_site: float = _weight(0.01, "anchor is willing to come to the stall", _ASSUMED)
    # Anchor decides about a stall.
    weight_moq: float = _weight(0.02, "MOQ against the most accepted", _ASSUMED)
    weight_restock: float = _weight(0.02, "restock days against the most accepted", _ASSUMED)
    weight_return_rate: float = _weight(0.02, "return rate against the tolerated", _ASSUMED)
    weight_stock: float = _weight(0.01, "stock depth against the pieces needed", _ASSUMED)

    slope: float = _setting(
        4.0,
        "logits that the weighted features span from all worst to all best",
        unit="logit",
        low=0.5,
        high=8.0,
        source="prior of the design",
    )
    mean_stall_accepts: float = _setting(
        0.35,
        "share of average candidates that a stall would accept",
        unit="probability",
        low=0.01,
        high=0.99,
        source="staff's estimate",
    )
    mean_anchor_accepts: float = _setting(
        0.30,
        "share of average candidates that an anchor would accept",
        unit="probability",
        low=0.01,
        high=0.99,
        source="staff's estimate",
    )
    mean_fulfilment: float = _setting(
        0.85,
        "completed of accepted before any history",
        unit="probability",
        low=0.01,
        high=0.99,
        source="staff's estimate",
    )
    fulfilment_worth: float = _setting(
        8.0,
        "acceptances that the mean fulfilment is worth against a party's own",
        unit="acceptances",
        low=0.5,
        high=1000.0,
        source=_ASSUMED,
    )
    decisions_worth: float = _setting(
        12.0,
        "decisions that the mean accept rate is worth against a party's own",
        unit="decisions",
        low=0.5,
        high=1000.0,
        source=_ASSUMED,
    )
    decisions_most: float = _setting(
        12.0,
        "decisions of or about a party that count at most; beyond them only their share of yes does",
        unit="decisions",
        low=1.0,
        high=1e6,
        source="measured: many accounts that say the same lift their target by 3 places at most",
    )
    confidence_worth: float = _setting(
        20.0,
        "events of a party at which history counts as much as the prior",
        unit="events",
        low=0.5,
        high=10_000.0,
        source=_ASSUMED,
    )

    commission_width: float = _setting(
        0.10,
        "commission gap at which the feature reaches 0 or 1",
        unit="rate",
        low=0.005,
        high=1.0,
        source=_ASSUMED,
    )
    slot_fee_width: float = _setting(
        3.0,
        "ratio of slot fees (plus CNY 1) at which the feature reaches 0 or 1",
        unit="ratio",
        low=1.05,
        high=100.0,
        source=_ASSUMED,
    )
    amount_width: float = _setting(
        4.0,
        "ratio of MOQ, stock, restock days or followers at which the feature reaches 0 or 1",
        unit="ratio",
        low=1.05,
        high=1000.0,
        source=_ASSUMED,
    )
    return_width: float = _setting(
        0.15,
        "return rate gap at which the feature reaches 0 or 1",
        unit="rate",
        low=0.005,
        high=1.0,
        source=_ASSUMED,
    )
    reply_limit_hours: float = _setting(
        72.0,
        "reply time that is worth nothing; a proposal expires then",
        unit="hours",
        low=1.0,
        high=1000.0,
        source="state table",
    )
    reach_full_viewers: float = _setting(
        1_000.0,
        "average viewers that are worth everything",
        unit="viewers",
        low=10.0,
        high=1e7,
        source=_BOUNDED,
    )
    reach_least_viewers: float = _setting(
        200.0,
        "average viewers below which fewer are no worse",
        unit="viewers",
        low=0.0,
        high=1e7,
        source=_BOUNDED,
    )

    session_hours: int = _setting(
        2,
        "length of a session for which both must be free",
        unit="hours",
        low=1,
        high=12,
        source="town rule",
    )
    price_tolerance: float = _setting(
        1.25,
        "factor by which disjoint price bands may miss each other",
        unit="ratio",
        low=1.0,
        high=10.0,
        source=_ASSUMED,
    )

    text_dimensions: int = _setting(
        32, "width of the text block", unit="components", low=2, high=256, source="prior of the design"
    )
    text_hash_bits: int = _setting(
        12, "log2 of the hash table of character n-grams", unit="bits", low=8, high=18, source=_ASSUMED
    )
    fit_sample: int = _setting(
        4000,
        "texts that the text block is fitted on",
        unit="parties",
        low=50,
        high=1_000_000,
        source="measured: more changes little and costs time",
    )
    base_sample: int = _setting(
        20_000,
        "pairs whose mean features are the base pair",
        unit="pairs",
        low=100,
        high=10_000_000,
        source="standard error of a mean feature below .003",
    )

    stall_pool: int = _setting(
        200,
        "best candidates of a stall among which the market decides",
        unit="partners",
        low=50,
        high=5_000,
        source="prior of the design",
    )
    anchor_pool: int = _setting(
        60,
        "best candidates of an anchor among which the market decides",
        unit="partners",
        low=50,
        high=5_000,
        source="20 in the design; a list of 50 needs as many and some to choose from",
    )
    market_sweeps: int = _setting(
        1,
        "sweeps over all parties in which the market's lists climb",
        unit="sweeps",
        low=0,
        high=100,
        source="measured: a second adds 0.3 to 0.7 % of expected matches and as much time again",
    )
    diversity: float = _setting(
        0.1,
        "what the likest partner above takes from a value, per similarity",
        unit="share",
        low=0.0,
        high=1.0,
        source=_ASSUMED,
    )
    diverse_ranks: int = _setting(
        20, "first places that variety spreads: one page", unit="places", low=0, high=500, source=_ASSUMED
    )
    newcomer_every: int = _setting(
        10,
        "the last of so many places is a newcomer's; 0 for none",
        unit="places",
        low=0,
        high=500,
        source="measured: 10 % newcomer exposure at +0.8 % NDCG",
    )
    newcomer_exposures: int = _setting(
        20, "shown less often than this is new", unit="impressions", low=0, high=100_000, source=_PRIOR
    )
    newcomer_pool: int = _setting(
        8, "newcomers among whom a place is drawn", unit="partners", low=1, high=100, source=_ASSUMED
    )
    newcomer_draws: int = _setting(
        16, "draws that make the chances of each", unit="draws", low=1, high=10_000, source=_ASSUMED
    )
    newcomer_worth: float = _setting(
        4.0,
        "impressions that a prediction about a newcomer is worth",
        unit="impressions",
        low=0.1,
        high=10_000.0,
        source=_ASSUMED,
    )

    def validate(self) -> Config:
        """This configuration; EngineError names the first field out of its range."""
        for spec in fields(self):
            _check(spec.name, getattr(self, spec.name), whole=spec.type == "int", about=spec.metadata)
        if not sum(getattr(self, f"weight_{name}") for name in SHARED_WEIGHTS):
            raise EngineError("weight_category: at least one shared weight must be above 0")
        return self

    def digest(self) -> str:
        """sha256 of the canonical JSON of all fields."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


SHARED_WEIGHTS = (
    "category",
    "style",
    "price",
    "audience",
    "region",
    "platform",
    "language",
    "hours",
    "text",
)


def _check(name: str, value: Any, *, whole: bool, about: Any) -> None:
    number = isinstance(value, int) if whole else isinstance(value, int | float)
    if not number or isinstance(value, bool) or not math.isfinite(value):
        raise EngineError(f"{name}: a {'whole ' if whole else ''}number expected, {value!r} given")
    if not about["low"] <= value <= about["high"]:
        raise EngineError(f"{name}: {about['low']} to {about['high']} {about['unit']} allowed, {value} given")


def config_from(values: dict[str, Any]) -> Config:
    """A validated configuration with some fields changed; EngineError names an unknown field."""
    known = {spec.name for spec in fields(Config)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise EngineError(f"{unknown[0]}: no such setting")
    return Config(**values).validate()
