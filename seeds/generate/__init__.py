"""The demo town as plain rows: the same seed and day give the same town (layer: pure, no Django)."""

from dataclasses import dataclass
from datetime import datetime

from seeds.generate.anchors import AnchorSeed, anchors
from seeds.generate.diary import TOWN
from seeds.generate.dice import Dice
from seeds.generate.history import History, StallSeed, history
from seeds.generate.stalls import MerchantSeed, merchants

__all__ = ["AnchorSeed", "History", "MerchantSeed", "StallSeed", "Town", "make_town"]


@dataclass(frozen=True)
class Town:
    """Merchants with their stalls, anchors, and what they did so far.

    The history counts stalls through all merchants in their order.
    """

    merchants: list[MerchantSeed]
    anchors: list[AnchorSeed]
    history: History

    @property
    def stalls(self) -> list[StallSeed]:
        return [StallSeed(row, merchant.state) for merchant in self.merchants for row in merchant.stalls]

    @property
    def row_count(self) -> int:
        """How many rows a load of this town goes through."""
        history = len(self.history.reactions) + len(self.history.matches)
        return len(self.merchants) + len(self.stalls) + len(self.anchors) + history


def make_town(*, stalls: int, anchors: int, seed: int, now: datetime, offset: int = 0) -> Town:
    """Return a town of so many stalls and anchors as it stands at `now` (aware).

    `offset` is above the count of stalls and of anchors that exist; with it a town is added beside another.
    """
    today = now.astimezone(TOWN).date()
    town = Town(
        merchants(Dice(seed, 1, offset), stalls, today, offset),
        make_anchors(Dice(seed, 2, offset), anchors, today, offset),
        History(),
    )
    return Town(town.merchants, town.anchors, history(Dice(seed, 3, offset), town.stalls, town.anchors, now))


make_anchors = anchors
