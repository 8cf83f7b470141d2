"""Marginal shares: audiences and sold prices, each summing to 1 (layer: pure)."""

import math
from collections.abc import Iterable, Mapping

from matching.engine.types import PRICE_EDGES_CENTS
from seeds.generate.dice import Dice
from seeds.generate.ranges import CategoryRange

# Centre of a department's audience; a party's own is drawn around it.
AGES: dict[str, dict[str, float]] = {
    "women": {"under_18": 0.03, "18_24": 0.25, "25_34": 0.38, "35_44": 0.22, "45_plus": 0.12},
    "men": {"under_18": 0.04, "18_24": 0.24, "25_34": 0.34, "35_44": 0.24, "45_plus": 0.14},
    "kids": {"under_18": 0.01, "18_24": 0.10, "25_34": 0.52, "35_44": 0.29, "45_plus": 0.08},
    "underwear_home_sport": {"under_18": 0.02, "18_24": 0.22, "25_34": 0.38, "35_44": 0.24, "45_plus": 0.14},
}
FEMALE = {"women": 0.86, "men": 0.38, "kids": 0.82, "underwear_home_sport": 0.74}
CITY_TIERS: dict[str, float] = {
    "tier_1": 0.15,
    "new_tier_1": 0.22,
    "tier_2": 0.21,
    "tier_3": 0.20,
    "tier_4_plus": 0.22,
}
DECIMALS = 3


def rounded_shares(weights: Mapping[str, float], decimals: int = DECIMALS) -> dict[str, float]:
    """Return the weights as rounded shares; the largest takes what rounding leaves over."""
    total = sum(weights.values())
    unit = 10**decimals
    counts = {key: int(value / total * unit) for key, value in weights.items()}
    largest = max(weights, key=lambda key: weights[key])
    counts[largest] += unit - sum(counts.values())
    return {key: count / unit for key, count in counts.items()}


def around(dice: Dice, centre: Mapping[str, float], spread: float, tilt: float = 0.0) -> dict[str, float]:
    """Return shares drawn around `centre`; a positive `tilt` moves weight towards the later keys."""
    middle = (len(centre) - 1) / 2
    weights = {
        key: value * math.exp(tilt * (number - middle) + dice.normal(0, spread))
        for number, (key, value) in enumerate(centre.items())
    }
    return rounded_shares(weights)


def audience(
    dice: Dice, department: str, premium: float, spread: float = 0.35
) -> dict[str, dict[str, float]]:
    """Return the three marginals of an audience; dear garments sell to older people in larger cities."""
    female = min(max(FEMALE[department] + dice.normal(0, spread / 6), 0.03), 0.97)
    return {
        "audience_age": around(dice, AGES[department], spread, tilt=(premium - 0.5) * 0.8),
        "audience_gender": rounded_shares({"female": female, "male": 1 - female}),
        "audience_city_tier": around(dice, CITY_TIERS, spread, tilt=(0.5 - premium) * 0.8),
    }


def price_at(row: CategoryRange, position: float) -> float:
    """Return the price in yuan at `position` (0 cheapest, 1 dearest) of a category, on a log scale."""
    low, high = row.retail_cny
    return low * math.exp(min(max(position, 0.0), 1.0) * math.log(high / low))


def price_histogram(rows: Iterable[CategoryRange], premium: float) -> list[float]:
    """Return the share of pieces sold per price bin, selling `rows` at `premium` of their ranges."""
    weights = dict.fromkeys(range(len(PRICE_EDGES_CENTS) - 1), 0.0)
    for row in rows:
        for step in range(9):
            position = premium + (step - 4) * 0.08
            if 0 <= position <= 1:
                weights[price_bin(price_at(row, position) * 100)] += 1 - abs(step - 4) / 5
    return list(rounded_shares({str(n): value for n, value in weights.items()}).values())


def price_bin(cents: float) -> int:
    """Return the number of the log bin that a price falls in."""
    inner = PRICE_EDGES_CENTS[1:-1]
    return sum(cents >= edge for edge in inner)


def mean_price_cents(histogram: list[float]) -> int:
    """Return the mean price of a sold-price histogram, taking each bin at its geometric middle."""
    middles = (math.sqrt(a * b) for a, b in zip(PRICE_EDGES_CENTS, PRICE_EDGES_CENTS[1:], strict=False))
    return round(sum(share * middle for share, middle in zip(histogram, middles, strict=True)))
