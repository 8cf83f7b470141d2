"""Merchants and their stalls (layer: pure)."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from statistics import mean
from typing import Any

from seeds.generate import calendars, names
from seeds.generate.dice import Dice, Weighted
from seeds.generate.ranges import CategoryRange, by_department, categories
from seeds.generate.shares import audience, price_at

Row = dict[str, Any]
DEPARTMENT_SHARES: Weighted[str] = Weighted(
    {"women": 0.58, "men": 0.16, "kids": 0.12, "underwear_home_sport": 0.14}
)
DENIM = frozenset({"jeans", "casual_trousers", "leggings"})
ZONES = {"men": "d", "kids": "e", "underwear_home_sport": "f"}
FLOORS = (1, 2, 3, 4, 5, 6)
STALLS_A_MERCHANT: Weighted[int] = Weighted({1: 0.75, 2: 0.18, 3: 0.05, 4: 0.02})
CATEGORIES_A_STALL: Weighted[int] = Weighted({1: 0.4, 2: 0.37, 3: 0.23})
STYLES = {
    "women": (
        "commuter minimal korean new_chinese street sweet french vintage light_luxury petite resort basics "
        "casual"
    ).split(),
    "men": "commuter minimal street sporty casual workwear outdoor vintage basics".split(),
    "kids": "sweet casual sporty school korean basics new_chinese".split(),
    "underwear_home_sport": "basics minimal sporty casual outdoor sweet light_luxury".split(),
}
STYLE_OF = {
    "hanfu": "hanfu",
    "new_chinese_qipao": "new_chinese",
    "plus_size": "plus_size",
    "mothers_wear": "mature",
    "kids_school_set": "school",
    "yoga_wear": "sporty",
    "sun_protection": "outdoor",
    "swimwear": "resort",
}
PLATFORMS = ("douyin", "kuaishou", "taobao", "xiaohongshu", "wechat", "pinduoduo")
FOLLOWERS_WANTED = (1_000, 5_000, 10_000, 50_000, 100_000)
PERMITS: Weighted[str] = Weighted({"permitted": 0.9, "by_invitation": 0.07, "banned": 0.03})
STATES: Weighted[str] = Weighted({"verified": 0.92, "pending": 0.04, "lapsed": 0.02, "refused": 0.02})


@dataclass(frozen=True)
class State:
    """What became of a party after it registered; services bring it there, step by step."""

    joined_days_ago: int
    verification: str  # verified, pending, refused, or lapsed: verified longer than six months ago
    verified_days_ago: int
    is_archived: bool = False


@dataclass(frozen=True)
class MerchantSeed:
    """One merchant: the row to register, its state, and its stalls' rows."""

    row: Row
    state: State
    stalls: list[Row] = field(default_factory=list)


def state(dice: Dice, archived_share: float) -> State:
    """Return how a party fared since it joined within the last two years."""
    verification = dice.weighted(STATES)
    ages = {"verified": (1, 170), "lapsed": (190, 320), "refused": (1, 90), "pending": (0, 20)}
    verified = dice.integer(*ages[verification])
    joined = verified + (0 if verification == "pending" else int(dice.log_uniform(1, 400)))
    return State(joined, verification, verified, is_archived=dice.chance(archived_share))


def merchant_row(dice: Dice, number: int, today: date, joined_days_ago: int) -> tuple[Row, str]:
    """Return a merchant's row and its trade word."""
    is_company = dice.chance(0.45)
    district, place = dice.weighted(names.PLACES)
    word = names.trade_word(dice)
    # Some licences have run out since the merchant joined; most have years to go or no end (长期).
    has_run_out = joined_days_ago > 2 and dice.chance(0.02)
    ahead = -dice.integer(1, joined_days_ago - 1) if has_run_out else dice.integer(30, 4000)
    row = {
        "name": names.merchant_name(dice, word, place, is_company),
        "credit_code": names.credit_code(dice, district, is_company),
        "licence_expires_on": None if dice.chance(0.3) else today + timedelta(days=ahead),
        "contact_name": names.person(dice, 0.5),
        "contact_phone": names.contact_phone(number),
        "is_personalised": not dice.chance(0.02),
    }
    return row, word


def some_categories(dice: Dice, department: str, count: int) -> list[str]:
    """Return categories of one department; one party in ten adds one from elsewhere."""
    chosen = dice.some_of(by_department()[department], count)
    if count > 1 and dice.chance(0.1):
        elsewhere = dice.one_of([code for code in categories() if code not in by_department()[department]])
        chosen = [*chosen[:-1], elsewhere]
    return chosen


def some_styles(dice: Dice, department: str, codes: list[str], count: int) -> list[str]:
    """Return the styles that a party's categories bring along, then others of its department."""
    brought = [STYLE_OF[code] for code in codes if code in STYLE_OF]
    return list(dict.fromkeys([*brought, *dice.some_of(STYLES[department], count)]))


def price_ending_in_nine(yuan: float) -> int:
    """Return a price as shops write it, in cents: ¥59, ¥129, ¥9.9 below ten."""
    return max(round(yuan * 10) * 10 - 10, 490) if yuan < 15 else (max(round(yuan / 10), 2) * 10 - 1) * 100


def price_band(dice: Dice, rows: list[CategoryRange], premium: float) -> tuple[int, int]:
    """Return the lowest and highest price on air, around `premium` of each category's range."""
    width = dice.uniform(0.12, 0.3)
    low = min(price_at(row, premium - width) for row in rows)
    high = max(price_at(row, premium + width) for row in rows)
    return price_ending_in_nine(low), max(price_ending_in_nine(high), price_ending_in_nine(low) + 1000)


def rate(dice: Dice, low: float, high: float, step: float = 1.0) -> Decimal:
    """Return a rate between two percentages, in whole steps of a percent."""
    return Decimal(str(round(round(dice.uniform(low, high) / step) * step, 2))) / 100


def slot_fee_offered(dice: Dice, price_max_cents: int) -> int:
    """Return cents: seven stalls in ten pay commission only."""
    if dice.chance(0.7):
        return 0
    return int(dice.log_uniform(200, 8000) * (price_max_cents / 20000) ** 0.4 / 100) * 10000


def stall_row(dice: Dice, department: str, word: str) -> Row:
    """Return a stall without its place."""
    codes = some_categories(dice, department, dice.weighted(CATEGORIES_A_STALL))
    rows = [categories()[code] for code in codes]
    premium = dice.uniform(0.15, 0.85)
    low, high = price_band(dice, rows, premium)
    says_audience = dice.chance(0.7)
    return {
        "name": word + dice.one_of(("", "", "", "工厂店", "档口", "优选")),
        "description": description(dice, rows),
        "categories": codes,
        "styles": some_styles(dice, department, codes, dice.integer(1, 3)),
        "price_min_cents": low,
        "price_max_cents": high,
        "moq": max(round(mean(row.moq for row in rows) * dice.log_uniform(0.5, 2.5)), 1),
        "stock_depth": round(dice.log_uniform(60, 6000)),
        "restock_days": dice.integer(rows[0].restock_days[0], rows[0].restock_days[1]),
        "return_rate": None if dice.chance(0.08) else rate(dice, *rows[0].return_pct, step=0.5),
        "commission_rate": rate(dice, *rows[0].commission_pct),
        "slot_fee_cents": slot_fee_offered(dice, high),
        "cooperation_modes": cooperation_modes(dice, 0.75, 0.55, 0.25),
        "platforms": dice.some_of(PLATFORMS, dice.integer(1, 3)) if dice.chance(0.5) else [],
        "languages": ["mandarin"] if dice.chance(0.25) else [],
        "followers_wanted_min": dice.one_of(FOLLOWERS_WANTED) if dice.chance(0.4) else None,
        **(audience(dice, department, premium, spread=0.2) if says_audience else {}),
        "availability": calendars.stall_hours(dice),
        "hosts_at_once": 1 if dice.chance(0.7) else dice.integer(2, 4),
        "streaming_permit": dice.weighted(PERMITS),
        "weekly_capacity": dice.integer(1, 8),
    }  # fmt: skip


def cooperation_modes(dice: Dice, creator: float, store: float, roaming: float) -> list[str]:
    """Return at least one way of working together."""
    chances = {"store_broadcast": store, "creator_broadcast": creator, "roaming_broadcast": roaming}
    return [mode for mode, chance in chances.items() if dice.chance(chance)] or ["creator_broadcast"]


def description(dice: Dice, rows: list[CategoryRange]) -> str:
    """Return a sentence or two as merchants write them."""
    goods = "、".join(row.name_zh for row in rows)
    first = dice.one_of((f"主营{goods}", f"专做{goods}", f"{goods}源头工厂", f"{goods}现货批发"))
    return f"{first}，{names.one_word(dice, 'stall_promises')}。"


def zone_of(department: str, codes: list[str], dice: Dice) -> str:
    """Return the hall that a stall's goods belong into; women's wear fills the first three."""
    if department != "women":
        return ZONES[department]
    if codes[0] in DENIM:
        return "c"
    return "a" if dice.chance(0.5) else "b"


def merchants(dice: Dice, count: int, today: date, number_offset: int) -> list[MerchantSeed]:
    """Return merchants with `count` stalls in all, each at a place of its own.

    `number_offset` is above every stall number in use, so that a second town fits beside a first.
    """
    made: list[MerchantSeed] = []
    used: dict[tuple[str, int], int] = defaultdict(lambda: number_offset)
    left = count
    while left:
        its_state = state(dice, archived_share=0.015)
        row, word = merchant_row(dice, number_offset + len(made), today, its_state.joined_days_ago)
        department = dice.weighted(DEPARTMENT_SHARES)
        size = min(dice.weighted(STALLS_A_MERCHANT), left)
        stalls = [stall_row(dice, department, word) for _ in range(size)]
        for stall in stalls:
            place = (zone_of(department, stall["categories"], dice), dice.one_of(FLOORS))
            used[place] += 1
            stall |= {"zone": place[0], "floor": place[1], "number": f"{place[1]}{used[place]:03d}"}
        made.append(MerchantSeed(row, its_state, stalls))
        left -= len(stalls)
    return made
