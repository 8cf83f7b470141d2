"""The whole market step: both orientations, any size, same bytes."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from matching.engine.errors import EngineError
from matching.engine.market import spread as module
from matching.engine.market.ascent import AscentRules
from matching.engine.market.batches import ascend_in_batches
from matching.engine.market.edges import Edges, orient
from matching.engine.market.spread import MarketRules, ascend, best_response, spread
from matching.engine.types import Side
from tests.engine.small_markets import oriented, sparse_market


def bytes_of_a_run():
    """Digest of the state and of both sides' lists, by the sequential and by the batched ascent."""
    total = hashlib.sha256()
    edges = sparse_market(9, 20, 30, 0.6)
    made = spread(edges, np.ones(20), np.full(30, 2.0))
    for array in made.congestion.to_arrays().values():
        total.update(array.tobytes())
    for side in Side:
        total.update(made.ascended[side].ranks.tobytes())
        total.update(best_response(orient(edges, side), made.congestion.queues[side]).tobytes())
    _, orientation, ranks, attention = oriented(10, Side.ANCHOR, rows=300, columns=500, density=0.1)
    large = ascend_in_batches(orientation, ranks, attention, AscentRules(sweeps=2))
    total.update(large.ranks.tobytes() + large.screened.crowding.tobytes() + large.welfare.tobytes())
    return total.hexdigest()


def test_the_same_bytes_twice_here_and_once_in_another_process():
    first = bytes_of_a_run()
    assert bytes_of_a_run() == first
    code = "from tests.engine.test_market_spread import bytes_of_a_run; print(bytes_of_a_run())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == first


def test_the_size_decides_how_it_is_climbed(monkeypatch):
    _, orientation, ranks, attention = oriented(6)
    small = ascend(orientation, ranks, attention, AscentRules(sweeps=2))
    monkeypatch.setattr(module, "MOST_PLACES", 10)
    large = ascend(orientation, ranks, attention, AscentRules(sweeps=2))
    assert small.welfare[0] != large.welfare[0]  # exact against mean field
    assert large.welfare[0] == pytest.approx(small.welfare[0], rel=0.1)


def test_what_one_side_finds_is_not_spent_again_on_the_other():
    edges = sparse_market(13, 25, 25, 0.6)
    ones = np.ones(25)
    made = spread(edges, ones, ones, MarketRules(first=Side.STALL))
    alone = spread(edges, ones, ones, MarketRules(first=Side.ANCHOR)).ascended[Side.ANCHOR]
    second = made.ascended[Side.ANCHOR]
    assert second.exposure.sum() < alone.exposure.sum()
    stalls, anchors = orient(edges, Side.STALL), orient(edges, Side.ANCHOR)
    top = np.zeros(len(edges), dtype=bool)
    top[stalls.edge[made.ascended[Side.STALL].ranks == 1]] = True
    again = top[anchors.edge]
    assert second.exposure[again].sum() < 0.7 * alone.exposure[again].sum()


def test_each_side_is_listed_from_its_own_candidates_and_progress_is_told():
    edges = sparse_market(14)
    among = {Side.STALL: np.arange(len(edges)) % 3 > 0, Side.ANCHOR: np.arange(len(edges)) % 3 < 2}
    heard = []
    made = spread(
        edges,
        np.ones(12),
        np.ones(18),
        candidates_of=among,
        progress=lambda done, steps: heard.append(done / steps),
    )
    for side in Side:
        assert len(made.ascended[side].ranks) == among[side].sum()
        assert (np.diff(made.welfare(side)) >= -1e-7).all()
    assert heard == sorted(heard) and heard[-1] == 1


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 3), (1, 1), (1, 5), (3, 0)])
def test_markets_of_nobody_and_of_one(rows, columns):
    edges = Edges.of_dense(np.full((rows, columns), 0.5), np.full((rows, columns), 0.4))
    made = spread(edges, np.ones(rows), np.ones(columns))
    for side, parties in ((Side.STALL, rows), (Side.ANCHOR, columns)):
        ranks = best_response(orient(edges, side), made.congestion.queues[side])
        assert sorted(ranks) == sorted(list(range(1, len(edges) // max(parties, 1) + 1)) * parties)


def test_everybody_full_still_gets_an_order():
    edges = sparse_market(15)
    made = spread(edges, np.zeros(12), np.zeros(18))
    assert made.welfare(Side.STALL)[-1] == made.welfare(Side.ANCHOR)[-1] == 0
    assert (best_response(orient(edges, Side.STALL), made.congestion.queues[Side.STALL]) > 0).all()


def test_capacities_are_refused_by_name():
    edges = sparse_market(16)
    with pytest.raises(EngineError, match="^row_capacity:"):
        spread(edges, np.ones(3), np.ones(18))
    with pytest.raises(EngineError, match="^column_capacity:"):
        spread(edges, np.ones(12), np.full(18, np.nan))
