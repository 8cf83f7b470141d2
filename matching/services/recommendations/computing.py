"""The lists of some parties of the market as it is, computed and stored (layer: services)."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from matching.engine.pipeline import recommend
from matching.engine.results import Recommendations
from matching.engine.types import (
    Side,
)
from matching.packing import LIST_LENGTH
from matching.services.recommendations.storing import chunks, store_lists
from matching.snapshot.market import Market, exclusions_for

BLOCK = 1_000

Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Tell nobody."""


def recommend_for(
    market: Market, side: str, ids: Sequence[int], progress: Progress | None = None
) -> Recommendations:
    """Return the lists of these parties of the market against the exclusions as they are now."""
    return recommend(
        market.model,
        market.stalls,
        market.anchors,
        exclusions_for(side, ids),
        side=Side(side),
        subjects=np.asarray(sorted(ids), dtype=np.int64),
        k=LIST_LENGTH,
        crowding=market.crowding,
        progress=progress,
    )


def relist(market: Market, wanted: Mapping[str, Sequence[int]], progress: Progress = silent) -> int:
    """Compute and store the lists of these parties (ids by side) that the market holds; return how many."""
    total, done, stored = sum(map(len, wanted.values())), 0, 0
    for side, ids in wanted.items():
        for block in chunks([pk for pk in ids if market.holds(side, pk)], BLOCK):
            stored += store_lists(market=market, lists=recommend_for(market, side, block))
            done += len(block)
            progress(done, total)
    return stored
