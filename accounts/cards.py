"""What one party may see of another before both agreed: bands, no contact (layer: selectors).

Labels are in the active language, and kept by it: a page of cards holds some hundred of them, and nobody
changes one. Free texts stay off the cards: people write phone numbers into them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

from accounts.choices import (
    PRICE_EDGES_CENTS,
    CooperationMode,
    Platform,
    StreamingPermit,
)
from accounts.models import Anchor, Stall
from accounts.privacy.masking import CARD, Seen
from accounts.selectors import reference
from matchmaker.core.money import percent, yuan

Card = dict[str, Any]
# Follower tiers of the glossary: lower bounds.
TIERS = ((5_000_000, "head"), (2_000_000, "shoulder"), (500_000, "waist"), (50_000, "tail"), (0, "new"))
FOLLOWER_EDGES = (
    0,
    1_000,
    10_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
)
VIEWER_EDGES = (0, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000)
COMMISSION_STEP = 5
RETURN_STEP = 10


def stall_card(stall: Stall) -> Card:
    """What an anchor sees of a stall."""
    seen = Seen(stall, CARD)
    book = reference()
    zone = book.zones.by_id.get(seen.zone_id)
    return {
        "id": str(seen.public_id),
        "side": "stall",
        "name": seen.name,
        "zone": zone.labelled() if zone else None,
        "floor": seen.floor,
        "categories": book.categories.labelled(seen.categories),
        "styles": book.styles.labelled(seen.styles),
        "price_band": price_band(seen.price_min_cents, seen.price_max_cents),
        "commission_band": rate_band(seen.commission_rate, COMMISSION_STEP),
        "slot_fee": fee_label(seen.slot_fee_cents),
        "moq": seen.moq,
        "restock_days": seen.restock_days,
        "return_rate_band": rate_band(seen.return_rate, RETURN_STEP),
        "streaming_permit": choice_labels(StreamingPermit)[seen.streaming_permit],
        "cooperation_modes": _choices(CooperationMode, seen.cooperation_modes),
        "platforms": _choices(Platform, seen.platforms),
        "languages": book.languages.labelled(seen.languages),
    }


def anchor_card(anchor: Anchor) -> Card:
    """What a stall sees of an anchor."""
    seen = Seen(anchor, CARD)
    book = reference()
    region = book.regions.by_id.get(seen.region_id) if seen.region_id else None
    return {
        "id": str(seen.public_id),
        "side": "anchor",
        "name": seen.display_name,
        "tier": tier(seen.followers),
        "followers_band": count_band(seen.followers, FOLLOWER_EDGES),
        "average_viewers_band": count_band(seen.average_viewers, VIEWER_EDGES),
        "region": region.labelled() if region else None,
        "categories": book.categories.labelled(seen.categories),
        "styles": book.styles.labelled(seen.styles),
        "languages": book.languages.labelled(seen.languages),
        "platforms": _choices(Platform, dict.fromkeys(item["platform"] for item in seen.platforms)),
        "price_band": sold_band(seen.price_shares),
        "audience": {
            "age": _largest(seen.audience_age),
            "gender": _largest(seen.audience_gender),
            "city_tier": _largest(seen.audience_city_tier),
        },
        "commission_band": rate_band(seen.commission_rate, COMMISSION_STEP),
        "slot_fee": fee_label(seen.slot_fee_cents),
        "cooperation_modes": _choices(CooperationMode, seen.cooperation_modes),
        "is_on_site": seen.is_on_site,
    }


def tier(followers: int) -> dict[str, str]:
    """The follower tier of the glossary, with its label."""
    code = next(code for least, code in TIERS if followers >= least)
    return _tier_labels(get_language())[code]


@lru_cache(maxsize=8)
def _tier_labels(language: str | None) -> dict[str, dict[str, str]]:
    labels = {
        "head": pgettext("tier", "head"),
        "shoulder": pgettext("tier", "shoulder"),
        "waist": pgettext("tier", "waist"),
        "tail": pgettext("tier", "tail"),
        "new": pgettext("tier", "new"),
    }
    return {code: {"code": code, "name": name} for code, name in labels.items()}


def count_band(count: int, edges: Sequence[int]) -> Card:
    """The band that a count falls in: {low, high, text}; the highest band has no end."""
    at = bisect_right(edges, count)
    low = edges[at - 1]
    if at == len(edges):
        return {"low": low, "high": None, "text": f"≥ {low:,}"}
    return {"low": low, "high": edges[at], "text": f"{low:,}–{edges[at]:,}"}


@lru_cache(maxsize=4096)
def rate_band(rate: Decimal | None, step: int) -> Card | None:
    """The band of `step` percent that a share falls in; 100 % belongs to the last one."""
    if rate is None:
        return None
    low = min(int(Decimal(rate) * 100) // step * step, 100 - step)
    text = f"{percent(low / 100)}–{percent((low + step) / 100)}"
    return {"low": low / 100, "high": (low + step) / 100, "text": text}


def price_band(low_cents: int, high_cents: int) -> Card:
    """A price range widened to the edges of the price bins, so that the exact prices stay private."""
    last = len(PRICE_EDGES_CENTS) - 1
    low = PRICE_EDGES_CENTS[max(0, min(bisect_right(PRICE_EDGES_CENTS, low_cents) - 1, last - 1))]
    at = bisect_right(PRICE_EDGES_CENTS, high_cents - 1)
    high = PRICE_EDGES_CENTS[max(1, min(at, last))]
    return _price_text(low, high)


def sold_band(shares: Sequence[float], *, kept: float = 0.8) -> Card | None:
    """The price bins that hold the middle 80 % of what an anchor sold; None when unknown."""
    if not shares:
        return None
    cut = (1 - kept) / 2 * sum(shares)
    total, low, high = 0.0, 0, len(shares) - 1
    for number, share in enumerate(shares):
        if total <= cut < total + share:
            low = number
        if total < sum(shares) - cut <= total + share:
            high = number
        total += share
    return _price_text(PRICE_EDGES_CENTS[low], PRICE_EDGES_CENTS[high + 1])


@lru_cache(maxsize=256)
def _price_text(low: int, high: int) -> Card:
    shown = f"{yuan(round(low, -2))}–{yuan(round(high, -2))}"
    return {"low_cents": low, "high_cents": high, "text": shown}


def fee_label(cents: int) -> dict[str, str]:
    """Whether a slot fee is part of the deal; how much is a matter of the terms."""
    return _fee_label(cents == 0, get_language())


@lru_cache(maxsize=8)
def _fee_label(is_none: bool, language: str | None) -> dict[str, str]:
    if is_none:
        return {"code": "none", "name": _("pure commission")}
    return {"code": "some", "name": _("slot fee")}


def choice_labels(choices: Any) -> dict[str, dict[str, str]]:
    """The values of an enumeration, each with its label in the active language."""
    return _choice_labels(choices, get_language())


@lru_cache(maxsize=64)
def _choice_labels(choices: Any, language: str | None) -> dict[str, dict[str, str]]:
    return {value: {"code": value, "name": str(label)} for value, label in choices.choices}


def _choices(choices: Any, values: Iterable[str]) -> list[dict[str, str]]:
    labels = choice_labels(choices)
    return [labels[value] for value in values if value in labels]


def _largest(shares: dict[str, float]) -> str | None:
    """The code of the largest group; None when unknown."""
    return max(shares, key=lambda key: shares[key]) if shares else None
