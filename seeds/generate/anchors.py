"""Anchors with an audience, a shop window and a calendar (layer: pure)."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

from seeds.generate import calendars, names
from seeds.generate.dice import Dice, Weighted
from seeds.generate.figures import Figures, typical_session
from seeds.generate.ranges import Tier, categories, names_zh, tiers
from seeds.generate.shares import audience, mean_price_cents, price_histogram
from seeds.generate.stalls import (
    DEPARTMENT_SHARES,
    PLATFORMS,
    State,
    cooperation_modes,
    rate,
    some_categories,
    some_styles,
    state,
)

Row = dict[str, Any]
HOME_SHARES = {
    "guangdong": 0.42,
    "zhejiang": 0.13,
    "jiangsu": 0.05,
    "fujian": 0.05,
    "sichuan": 0.04,
    "hunan": 0.04,
}
MAIN_PLATFORM: Weighted[str] = Weighted(
    {"douyin": 0.46, "kuaishou": 0.17, "taobao": 0.14, "xiaohongshu": 0.11, "wechat": 0.09, "pinduoduo": 0.03}
)
DIALECTS = {
    "guangdong": ("cantonese", "teochew", "hakka"),
    "hong_kong": ("cantonese", "english"),
    "macao": ("cantonese", "english"),
    "guangxi": ("cantonese",),
    "fujian": ("hokkien", "hakka"),
    "taiwan": ("hokkien",),
    "jiangxi": ("hakka",),
    "sichuan": ("sichuanese",),
    "chongqing": ("sichuanese",),
    "shanghai": ("shanghainese",),
    "zhejiang": ("wenzhounese",),
    "liaoning": ("northeastern", "korean"),
    "jilin": ("northeastern", "korean"),
    "heilongjiang": ("northeastern", "russian"),
    "inner_mongolia": ("mongolian",),
    "xinjiang": ("uyghur", "russian"),
    "xizang": ("tibetan",),
}
FOREIGN = ("english", "english", "korean", "japanese", "russian", "vietnamese", "thai", "malay", "arabic")
CATEGORIES_AN_ANCHOR: Weighted[int] = Weighted({1: 0.2, 2: 0.3, 3: 0.28, 4: 0.22})


@dataclass(frozen=True)
class AnchorSeed:
    """One anchor: the row to register, its state, and what its sessions bring."""

    row: Row
    state: State
    figures: Figures
    exceptions: list[Row]


@cache
def homes() -> Weighted[str]:
    """Return the regions by how many anchors live there."""
    others = [code for code in names_zh("regions.json") if code not in HOME_SHARES]
    return Weighted(HOME_SHARES | dict.fromkeys(others, (1 - sum(HOME_SHARES.values())) / len(others)))


@cache
def tier_shares() -> Weighted[Tier]:
    """Return the tiers by their share of anchors."""
    return Weighted({tier: tier.share for tier in tiers()})


def anchors(dice: Dice, count: int, today: date, number_offset: int) -> list[AnchorSeed]:
    """Return `count` anchors; `number_offset` only keeps their invented phones apart."""
    return [anchor(dice, number_offset + number, today) for number in range(count)]


def anchor(dice: Dice, number: int, today: date) -> AnchorSeed:
    """Return one anchor whose followers, viewers, prices and earnings fit each other."""
    tier = dice.weighted(tier_shares())
    department = dice.weighted(DEPARTMENT_SHARES)
    premium = dice.uniform(0.1, 0.9)
    codes = some_categories(dice, department, dice.weighted(CATEGORIES_AN_ANCHOR))
    prices = price_histogram([categories()[code] for code in codes], premium)
    followers = int(dice.log_uniform(*tier.followers))
    figures = typical_session(dice, tier, followers, mean_price_cents(prices))
    region = dice.weighted(homes())
    row = {
        **person(dice, department, region, today, number),
        "bio": bio(dice, tier, figures),
        "region": region,
        "categories": codes,
        "styles": some_styles(dice, department, codes, dice.integer(1, 3)),
        "languages": languages(dice, region),
        "platforms": accounts(dice, followers, figures.average_viewers),
        "price_shares": prices if dice.chance(0.93) else [],
        **(audience(dice, department, premium) if dice.chance(0.92) else {}),
        **wishes(dice, tier, figures),
    }  # fmt: skip
    its_state = state(dice, archived_share=0.0)
    return AnchorSeed(row, its_state, figures, calendars.exceptions(dice, today))


def person(dice: Dice, department: str, region: str, today: date, number: int) -> Row:
    """Return who the anchor is: an adult mostly, else 16 or 17 with the guardian's consent on file."""
    is_minor = dice.chance(0.012)
    age_days = dice.integer(5870, 6540) if is_minor else int(365.25 * dice.log_uniform(18.1, 52))
    real = names.person(dice, 0.3 if department == "men" else 0.8)
    return {
        "display_name": names.name_on_air(dice, department, names_zh_of_regions()[region]),
        "real_name": real,
        "birth_date": today - timedelta(days=age_days),
        "guardian_consent_on": today - timedelta(days=dice.integer(1, 20)) if is_minor else None,
        "contact_phone": names.contact_phone(1_000_000 + number),
        "is_personalised": not dice.chance(0.02),
    }


@cache
def names_zh_of_regions() -> dict[str, str]:
    """Return the Chinese names of the regions."""
    return names_zh("regions.json")


def languages(dice: Dice, region: str) -> list[str]:
    """Return what is spoken on air: Mandarin, perhaps the region's own speech, seldom a foreign language."""
    dialects = DIALECTS.get(region, ())
    spoken = ["mandarin"]
    if dialects and dice.chance(0.45):
        spoken.append(dice.one_of(dialects))
    if dice.chance(0.05):
        spoken.append(dice.one_of(FOREIGN))
    return list(dict.fromkeys(spoken))


def accounts(dice: Dice, followers: int, average_viewers: int) -> list[Row]:
    """Return the accounts, the main one first; followers sum to `followers`, its viewers are the most."""
    main = dice.weighted(MAIN_PLATFORM)
    others = dice.some_of([name for name in PLATFORMS if name != main], dice.integer(0, 2))
    rows, left = [], followers
    for name in others:
        part = int(followers * dice.uniform(0.03, 0.2))
        viewers = int(average_viewers * part / followers)
        rows.append(account(dice, name, part, viewers))
        left -= part
    return [account(dice, main, left, average_viewers), *rows]


def account(dice: Dice, platform: str, followers: int, viewers: int) -> Row:
    return {
        "platform": platform,
        "handle": names.handle(dice),
        "followers": followers,
        "average_viewers": viewers,
    }


def wishes(dice: Dice, tier: Tier, figures: Figures) -> Row:
    """Return what the anchor asks of a stall; the larger the room, the more of it."""
    pieces = figures.orders / 10
    low, high = tier.slot_fee_cny
    asks_fee = dice.chance({"head": 0.95, "shoulder": 0.85, "waist": 0.6, "tail": 0.25}.get(tier.name, 0.06))
    fee_yuan = dice.log_uniform(max(low, high / 20), high) if asks_fee else 0.0
    return {
        "commission_rate": rate(dice, *tier.commission_pct),
        "is_commission_floor": dice.chance(0.12),
        "slot_fee_cents": int(fee_yuan / 50) * 5000,
        "moq_max": dice.one_of((5, 10, 20, 30, 50)) if dice.chance(0.35) else None,
        "stock_depth_min": min(max(round(pieces), 20), 3000) if dice.chance(0.4) else None,
        "restock_days_max": dice.integer(4, 10) if dice.chance(0.4) else None,
        "return_rate_max": rate(dice, 45, 85, step=5) if dice.chance(0.35) else None,
        "cooperation_modes": cooperation_modes(dice, 0.8, 0.45, 0.3),
        "weekly_capacity": dice.integer(1, 6),
        "availability": calendars.anchor_hours(dice),
        "is_on_site": dice.chance(0.78),
    }


def bio(dice: Dice, tier: Tier, figures: Figures) -> str:
    """Return a few words with the figures that anchors advertise."""
    of_tier = "openings_new" if tier.name == "new" else "openings"
    opening = names.one_word(dice, "openings_all" if dice.chance(0.4) else of_tier)
    if dice.chance(0.4):
        return opening + "。"
    gmv = figures.gmv_cents / 100
    shown = f"{gmv / 10000:.1f}万元" if gmv >= 10000 else f"{gmv:.0f}元"
    people = f"观看{figures.views}人次，观众{figures.viewers}人"
    return f"{opening}。近30天场均：{people}，{figures.orders}单，成交{shown}。"
