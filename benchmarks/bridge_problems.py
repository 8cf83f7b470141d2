"""What the bridge is measured on: both directions' decisions of a folder or of a made town, and profiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from benchmarks.directed import PROFILE_GRID, refuse_unfit
from benchmarks.market_folder import FloatArray, IntArray, load_market
from benchmarks.pair_features import pair_table
from benchmarks.party_vectors import CONSTANT, profile_vectors
from matching.engine.learning.directed import Examples, Grid, Shape, examples
from matching.engine.scoring import logit, sigmoid

TOWN = {"rows": 6_000, "stalls": 150, "anchors": 200}
TASTE_RANK = 4  # main directions of each side's profiles that the made taste is about


@dataclass(frozen=True)
class Side:
    """One direction's decisions."""

    about: Examples
    row: IntArray
    column: IntArray
    decider: IntArray  # numbered apart from the other direction's
    cluster: IntArray  # what the bootstrap draws again


@dataclass(frozen=True)
class Problem:
    """Both directions, and the profiles that a bridge is built on."""

    sides: tuple[Side, Side]
    x: sparse.csr_matrix  # [rows, p]
    y: sparse.csr_matrix  # [columns, q]
    grid: Grid
    shape: Shape


def of_folder(path: str) -> Problem:
    """A folder with answers of both sides; means and spreads come from all profiles, never from answers."""
    market = load_market(path)
    refuse_unfit(market, "cold")
    met = market.decisions
    table = pair_table(market, met.row, met.column, np.ones(len(met), dtype=np.bool_))
    deciders = met.row, len(market.rows) + met.column
    first, second = (
        Side(examples(table.names, table.x[d], says, met.group), met.row, met.column, deciders[d], met.group)
        for d, says in enumerate((met.row_says, met.column_says))
    )
    x, y = profile_vectors(market, market.rows), profile_vectors(market, market.columns)
    return Problem((first, second), x, y, PROFILE_GRID, Shape(scale=table.scale))


def of_town(seed: int, bilinear: bool) -> Problem:
    """A simulated town; with `bilinear` its parties have a taste for profiles beside the additive truth."""
    from matching.engine.decisions import FEATURES, IS_SINGLE, base_of, logits_by
    from matching.engine.teach import GRID
    from tests.engine.taught import taught_town

    snapshot, model, told, x, true = taught_town(seed, **TOWN)
    left, right = (model.encoder.transform(side) for side in (snapshot.stalls, snapshot.anchors))
    yes = told.yes
    if bilinear:
        rng = np.random.default_rng((seed, 1))
        taste = _taste(left, right, rng)[told.direction, told.stall_rows, told.anchor_rows]
        yes = 1.0 * (rng.random(len(true)) < sigmoid(true + taste))
    sides = []
    for d in (0, 1):
        own = np.flatnonzero(told.direction == d)
        prior = logits_by(model, model.weights, x[own], d)
        prior += float(logit(yes[own].mean())) - prior.mean()
        filled = np.where(np.isnan(x[own]), base_of(model), x[own])
        about = examples(FEATURES, filled, yes[own], told.week[own], prior=prior)
        parties = told.stall_rows[own], told.anchor_rows[own]
        decider = parties[d] + d * len(left)
        sides.append(Side(about, *parties, decider, cluster=decider))
    stalls, anchors = (
        sparse.csr_matrix(np.column_stack([v, np.full(len(v), CONSTANT)])) for v in (left, right)
    )
    return Problem((sides[0], sides[1]), stalls, anchors, GRID, Shape(bent=IS_SINGLE))


def _taste(left: FloatArray, right: FloatArray, rng: np.random.Generator) -> FloatArray:
    """[2, stalls, anchors] logits with spread 1 that no sum of the two profiles' curves can give."""
    mains = []
    for vectors in (left, right):
        u, s, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
        mains.append(u[:, :TASTE_RANK] * s[:TASTE_RANK])
    cores = rng.normal(size=(2, TASTE_RANK, TASTE_RANK))
    taste = np.stack([mains[0] @ core @ mains[1].T for core in cores])
    return np.asarray(taste / taste.std(axis=(1, 2), keepdims=True))
