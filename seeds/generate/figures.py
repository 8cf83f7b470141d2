"""What a session brings: views, viewers, buyers, orders and GMV that fit each other (layer: pure)."""

import math
from dataclasses import dataclass

from seeds.generate.dice import Dice
from seeds.generate.ranges import Tier


@dataclass(frozen=True)
class Figures:
    """One typical session of an anchor.

    buyers = viewers × conversion rate; GMV = buyers × average order value; viewers ≤ views;
    average viewers × duration = views × mean stay.
    """

    duration_seconds: int
    stay_seconds: float
    views: int
    viewers: int
    average_viewers: int
    buyers: int
    orders: int
    average_order_cents: int

    @property
    def gmv_cents(self) -> int:
        return self.buyers * self.average_order_cents

    @property
    def conversion_rate(self) -> float:
        return self.buyers / self.viewers


def average_order_cents(dice: Dice, price_cents: int) -> int:
    """Return what a buyer spends: cheap things are bought several at a time."""
    pieces = min(1.02 + 2500 / price_cents, 4.0) * dice.uniform(0.95, 1.15)
    return round(price_cents * pieces)


def typical_session(dice: Dice, tier: Tier, followers: int, price_cents: int) -> Figures:
    """Return a session whose GMV lies in the tier's range and whose people explain that GMV."""
    low, high = tier.followers
    standing = math.log(max(followers, low) / low) / math.log(high / low)
    gmv_low, gmv_high = tier.gmv_session_cny
    position = 0.55 * standing + 0.45 * dice.uniform()
    gmv_cents = 100 * gmv_low * (gmv_high / gmv_low) ** position
    order_cents = average_order_cents(dice, price_cents)
    buyers = max(round(gmv_cents / order_cents), 1)
    conversion = dice.log_uniform(0.009, 0.04) * min(max((9000 / order_cents) ** 0.3, 0.5), 2.0)
    hours = dice.integer(2, 6)
    return session_of(dice, buyers=buyers, conversion=conversion, order_cents=order_cents, hours=hours)


def session_of(dice: Dice, *, buyers: int, conversion: float, order_cents: int, hours: int) -> Figures:
    """Return the session in which `buyers` bought, with the audience that it takes."""
    viewers = max(math.ceil(buyers / conversion), buyers)
    views = round(viewers * dice.uniform(1.2, 1.9))
    stay = dice.uniform(35, 95)
    return Figures(
        duration_seconds=hours * 3600,
        stay_seconds=stay,
        views=views,
        viewers=viewers,
        average_viewers=max(round(views * stay / (hours * 3600)), 1),
        buyers=buyers,
        orders=round(buyers * dice.uniform(1.0, 1.25)),
        average_order_cents=order_cents,
    )


def outcome(
    dice: Dice, typical: Figures, *, hours: int, order_cents: int, place_share: float, return_rate: float
) -> dict[str, int]:
    """Return what one booking brought: its place's share of the people, at the stall's prices and returns."""
    scale = place_share * dice.log_uniform(0.5, 1.8) * hours * 3600 / typical.duration_seconds
    buyers = max(round(typical.buyers * scale), 1)
    found = session_of(
        dice,
        buyers=buyers,
        conversion=min(typical.conversion_rate * dice.log_uniform(0.8, 1.25), 0.2),
        order_cents=order_cents,
        hours=hours,
    )
    cancelled = round(found.orders * dice.uniform(0.02, 0.12))
    returned = round((found.orders - cancelled) * min(return_rate * dice.uniform(0.85, 1.15), 0.95))
    return {
        "gmv_cents": found.gmv_cents,
        "refunded_cents": round(found.gmv_cents * returned / found.orders),
        "cancelled_cents": round(found.gmv_cents * cancelled / found.orders),
        "orders": found.orders,
        "orders_cancelled": cancelled,
        "orders_returned": returned,
        "buyers": found.buyers,
        "views": found.views,
        "viewers": found.viewers,
        "duration_seconds": found.duration_seconds,
    }
