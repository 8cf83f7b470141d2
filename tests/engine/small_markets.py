"""Small random markets for the tests of the market step."""

import numpy as np

from matching.engine.market.edges import Edges, orient, ranks_within
from matching.engine.market.examination import Attention, Examination
from matching.engine.types import Side


def sparse_market(seed, rows=12, columns=18, density=0.5):
    """Edges of a random market in which some pairs are no candidates and some probabilities are equal."""
    rng = np.random.default_rng(seed)
    first, second = np.round(rng.random((2, rows, columns)), 1 if seed % 3 == 0 else 9)
    return Edges.of_dense(first, second, rng.random((rows, columns)) < density)


def oriented(seed, side=Side.ANCHOR, curve=Examination.INVERSE, length=None, **sizes):
    """An orientation, random ranks, and attention with capacities of which some are 0 or more than 1."""
    edges = sparse_market(seed, **sizes)
    orientation = orient(edges, side)
    rng = np.random.default_rng(seed + 1)
    capacity = rng.choice([0.0, 0.5, 1.0, 1.0, 2.0, 4.0], size=orientation.n_partners)
    ranks = ranks_within(rng.random(len(edges)), orientation.starts)
    return edges, orientation, ranks, Attention(curve, capacity, length)
