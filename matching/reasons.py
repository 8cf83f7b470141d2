"""Why a suggestion scores as it does, in words: each part of the score with the values it used (layer: pure).

Values stand in bands wherever the cards have bands, so a reason tells no more than the card beside it.
To add a reason: one line in `REASONS`, keyed by the engine's part code.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.cards import (
    COMMISSION_STEP,
    FOLLOWER_EDGES,
    RETURN_STEP,
    VIEWER_EDGES,
    choice_labels,
    count_band,
    fee_label,
    price_band,
    rate_band,
    sold_band,
)
from accounts.choices import AGE_BANDS, CITY_TIERS, GENDERS, Platform
from accounts.codes import reads_chinese
from accounts.models import Anchor, Stall
from accounts.selectors import reference

Facts = dict[str, Any]
PIECE_EDGES = (0, 1, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 10_000)
UNKNOWN = "–"
GROUP_NAMES = {
    "under_18": _("under 18"),
    "18_24": _("aged 18–24"),
    "25_34": _("aged 25–34"),
    "35_44": _("aged 35–44"),
    "45_plus": _("aged 45 and over"),
    "female": _("women"),
    "male": _("men"),
    "tier_1": _("tier-1 cities"),
    "new_tier_1": _("new tier-1 cities"),
    "tier_2": _("tier-2 cities"),
    "tier_3": _("tier-3 cities"),
    "tier_4_plus": _("smaller towns"),
}

HOW_RANKED = {
    True: _("Personalised: by both profiles, and by how past answers and matches went."),
    False: _("Not personalised: by category, price, hours and region only, without any history."),
}


@dataclass(frozen=True)
class Reason:
    """How one part is told: `facts` names the values, `good` and `bad` the sentence by its sign."""

    facts: Callable[[Stall, Anchor], Facts]
    good: Any
    bad: Any


def describe(code: str, points: int, stall: Stall, anchor: Anchor) -> Facts:
    """Return one part as people see it: code, points, text in the active language, facts."""
    facts = REASONS[code].facts(stall, anchor)
    language = get_language()
    joiner = "、" if reads_chinese(language) else ", "
    words = {name: _word(value, joiner) for name, value in facts.items()}
    text = _sentence(code, points >= 0, language) % words
    return {"code": code, "points": points, "text": text, "facts": facts}


@lru_cache(maxsize=256)
def _sentence(code: str, is_good: bool, language: str | None) -> str:
    """The sentence in the active language, which has to be `language`."""
    return str(REASONS[code].good if is_good else REASONS[code].bad)


def _word(value: Any, joiner: str) -> str:
    if isinstance(value, dict):
        return str(value.get("text") or value.get("name"))
    if isinstance(value, list):
        return joiner.join(_word(item, joiner) for item in value) or UNKNOWN
    return UNKNOWN if value is None else str(value)


# --- the values --------------------------------------------------------------------------------------


def _shared(kind: str, name: str) -> Callable[[Stall, Anchor], Facts]:
    def facts(stall: Stall, anchor: Anchor) -> Facts:
        names = getattr(reference(), kind)
        offered, theirs = getattr(stall, name), getattr(anchor, name)
        return {
            "shared": names.labelled([code for code in offered if code in theirs]),
            "stall": names.labelled(offered),
            "anchor": names.labelled(theirs),
        }

    return facts


def _platforms(stall: Stall, anchor: Anchor) -> Facts:
    present = {item["platform"] for item in anchor.platforms}
    labels = choice_labels(Platform)
    return {
        "wanted": [labels[code] for code in stall.platforms],
        "present": [label for code, label in labels.items() if code in present],
    }


def _prices(stall: Stall, anchor: Anchor) -> Facts:
    return {
        "offered": price_band(stall.price_min_cents, stall.price_max_cents),
        "sold": sold_band(anchor.price_shares),
    }


def _audience(stall: Stall, anchor: Anchor) -> Facts:
    facts: Facts = {}
    for name, keys in (("age", AGE_BANDS), ("gender", GENDERS), ("city_tier", CITY_TIERS)):
        wanted, reached = getattr(stall, f"audience_{name}"), getattr(anchor, f"audience_{name}")
        facts[f"{name}_wanted"] = _largest_group(wanted, keys)
        facts[f"{name}_reached"] = _largest_group(reached, keys)
    return facts


def _largest_group(shares: dict[str, float], keys: Sequence[str]) -> dict[str, str] | None:
    if not shares:
        return None
    code = max(keys, key=lambda key: shares.get(key, 0.0))
    return _group_label(code, get_language())


@lru_cache(maxsize=64)
def _group_label(code: str, language: str | None) -> dict[str, str]:
    return {"code": code, "name": str(GROUP_NAMES[code])}


def _region(stall: Stall, anchor: Anchor) -> Facts:
    region = reference().regions.by_id.get(anchor.region_id or 0)
    return {"region": region.labelled() if region else None}


def _hours(stall: Stall, anchor: Anchor) -> Facts:
    both = sum(a == b == "1" for a, b in zip(stall.availability, anchor.availability, strict=True))
    return {"common_hours": both}


def _commission(stall: Stall, anchor: Anchor) -> Facts:
    return {
        "offered": rate_band(stall.commission_rate, COMMISSION_STEP),
        "wanted": rate_band(anchor.commission_rate, COMMISSION_STEP),
    }


def _slot_fee(stall: Stall, anchor: Anchor) -> Facts:
    return {"offered": fee_label(stall.slot_fee_cents), "wanted": fee_label(anchor.slot_fee_cents)}


def _pieces(own: str, accepted: str) -> Callable[[Stall, Anchor], Facts]:
    def facts(stall: Stall, anchor: Anchor) -> Facts:
        limit = getattr(anchor, accepted)
        return {
            "stall": count_band(getattr(stall, own), PIECE_EDGES),
            "anchor": None if limit is None else count_band(limit, PIECE_EDGES),
        }

    return facts


def _restock(stall: Stall, anchor: Anchor) -> Facts:
    return {"days": stall.restock_days, "accepted": anchor.restock_days_max}


def _returns(stall: Stall, anchor: Anchor) -> Facts:
    return {
        "stall": rate_band(stall.return_rate, RETURN_STEP),
        "tolerated": rate_band(anchor.return_rate_max, RETURN_STEP),
    }


def _followers(stall: Stall, anchor: Anchor) -> Facts:
    wanted = stall.followers_wanted_min
    return {
        "has": count_band(anchor.followers, FOLLOWER_EDGES),
        "wanted": None if wanted is None else count_band(wanted, FOLLOWER_EDGES),
    }


def _viewers(stall: Stall, anchor: Anchor) -> Facts:
    return {"average_viewers": count_band(anchor.average_viewers, VIEWER_EDGES)}


def _on_site(stall: Stall, anchor: Anchor) -> Facts:
    return {"is_on_site": anchor.is_on_site}


def _of(side: str) -> Callable[[Stall, Anchor], Facts]:
    def facts(stall: Stall, anchor: Anchor) -> Facts:
        return {"side": side, "name": stall.name if side == "stall" else anchor.display_name}

    return facts


# --- the sentences -----------------------------------------------------------------------------------

REASONS: dict[str, Reason] = {
    "category": Reason(
        _shared("categories", "categories"),
        _("Categories fit: both deal in %(shared)s."),
        _("Categories fit less than usual: %(stall)s here, %(anchor)s there."),
    ),
    "style": Reason(
        _shared("styles", "styles"),
        _("Styles fit: %(shared)s."),
        _("Styles differ: %(stall)s here, %(anchor)s there."),
    ),
    "price": Reason(
        _prices,
        _("Prices fit: the stall offers %(offered)s, the anchor sells at %(sold)s."),
        _("Prices overlap little: the stall offers %(offered)s, the anchor sells at %(sold)s."),
    ),
    "audience": Reason(
        _audience,
        _(
            "The audience is the one wanted: mostly %(gender_reached)s, %(age_reached)s, "
            "in %(city_tier_reached)s."
        ),
        _(
            "The audience differs from the one wanted: mostly %(gender_reached)s, %(age_reached)s, "
            "in %(city_tier_reached)s; wanted are %(gender_wanted)s, %(age_wanted)s, "
            "in %(city_tier_wanted)s."
        ),
    ),
    "region": Reason(_region, _("Near the town: %(region)s."), _("Far from the town: %(region)s.")),
    "platform": Reason(
        _platforms,
        _("Present on the platforms wanted: %(present)s."),
        _("Wanted is %(wanted)s; present on %(present)s."),
    ),
    "language": Reason(
        _shared("languages", "languages"),
        _("Speaks the language wanted: %(shared)s."),
        _("Wanted is %(stall)s; spoken is %(anchor)s."),
    ),
    "hours": Reason(
        _hours,
        _("%(common_hours)s free hours a week in common."),
        _("Only %(common_hours)s free hours a week in common."),
    ),
    "text": Reason(
        lambda stall, anchor: {},
        _("The descriptions speak of similar things."),
        _("The descriptions have little in common."),
    ),
    "commission": Reason(
        _commission,
        _("Commission: %(offered)s offered, %(wanted)s wanted – better than usual for the two together."),
        _("Commission: %(offered)s offered, %(wanted)s wanted – further apart than usual."),
    ),
    "slot_fee": Reason(
        _slot_fee,
        _("Slot fee: %(offered)s offered, %(wanted)s wanted."),
        _("Slot fee: %(offered)s offered, %(wanted)s wanted – further apart than usual."),
    ),
    "moq": Reason(
        _pieces("moq", "moq_max"),
        _("The MOQ (%(stall)s pieces) suits what is accepted (%(anchor)s)."),
        _("The MOQ (%(stall)s pieces) is high for what is accepted (%(anchor)s)."),
    ),
    "stock": Reason(
        _pieces("stock_depth", "stock_depth_min"),
        _("Enough stock: %(stall)s pieces behind a style, %(anchor)s needed."),
        _("Little stock: %(stall)s pieces behind a style, %(anchor)s needed."),
    ),
    "restock": Reason(
        _restock,
        _("Quick restock: %(days)s days, %(accepted)s accepted."),
        _("Slow restock: %(days)s days, %(accepted)s accepted."),
    ),
    "return_rate": Reason(
        _returns,
        _("Return rate %(stall)s, tolerated up to %(tolerated)s."),
        _("Return rate %(stall)s is high for the %(tolerated)s tolerated."),
    ),
    "followers": Reason(
        _followers,
        _("Followers: %(has)s, wanted from %(wanted)s."),
        _("Fewer followers than wanted: %(has)s, wanted from %(wanted)s."),
    ),
    "reach": Reason(
        _viewers,
        _("Many viewers: %(average_viewers)s on average."),
        _("Fewer viewers than usual: %(average_viewers)s on average."),
    ),
    "on_site": Reason(_on_site, _("The anchor comes to the stall."), _("The anchor does not come on site.")),
    "stall_reliability": Reason(
        _of("stall"),
        _("%(name)s keeps its agreements more often than most."),
        _("%(name)s has kept its agreements less often than most."),
    ),
    "anchor_reliability": Reason(
        _of("anchor"),
        _("%(name)s keeps agreements more often than most."),
        _("%(name)s has kept agreements less often than most."),
    ),
    "stall_reply": Reason(_of("stall"), _("%(name)s answers quickly."), _("%(name)s answers slowly.")),
    "anchor_reply": Reason(_of("anchor"), _("%(name)s answers quickly."), _("%(name)s answers slowly.")),
    "stall_load": Reason(
        _of("stall"), _("%(name)s has much room in the coming weeks."), _("%(name)s is rather booked up.")
    ),
    "anchor_load": Reason(
        _of("anchor"), _("%(name)s has much room in the coming weeks."), _("%(name)s is rather booked up.")
    ),
    "stall_history": Reason(
        _of("stall"),
        _("Past answers from and to %(name)s were more favourable than most."),
        _("Past answers from and to %(name)s were less favourable than most."),
    ),
    "anchor_history": Reason(
        _of("anchor"),
        _("Past answers from and to %(name)s were more favourable than most."),
        _("Past answers from and to %(name)s were less favourable than most."),
    ),
}

# What moved a partner in a list beside its score, by the engine's code of it.
ADJUSTMENT_TITLES = {"busy": _("how busy"), "variety": _("variety"), "new": _("new here")}
_ADJUSTMENTS = {
    "busy": _("How busy: many others ask the same partner."),
    "variety": _("Variety: similar to a partner higher up."),
    "new": _("New here: seldom shown so far, so this place was drawn for newcomers."),
}


def describe_adjustment(code: str, hundredths: int) -> Facts:
    """Return what moved a partner in its list, as people see it: code, points, text in their language."""
    return {"code": code, "points": round(hundredths / 100, 2), "text": _adjusted(code, get_language())}


@lru_cache(maxsize=16)
def _adjusted(code: str, language: str | None) -> str:
    return str(_ADJUSTMENTS[code])
