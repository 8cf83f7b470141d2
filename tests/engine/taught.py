"""A simulated town whose parties decide by weights that the engine does not know."""

import numpy as np

from matching.engine import pipeline
from matching.engine.decisions import PAST_COLUMNS, Decisions, Profiles, decision_features, logits_by
from matching.engine.scoring import sigmoid
from matching.engine.weights import blend
from tests.engine.learned import random_learned
from tests.engine.markets import random_market

TRUTH = {
    "decisions": np.array([1e9, 1e9, 0.0]),
    "prior_worth": np.zeros(3),
    "calibration": np.array([[1.0, 0.0], [1.0, 0.0]]),
}


def past_of(rng, rows):
    counts = {name: rng.integers(0, 20, rows) for name in PAST_COLUMNS}
    counts["completed"] = rng.binomial(counts["accepted"], 0.8)
    counts["decisions_yes"] = rng.binomial(counts["decisions_given"], 0.4)
    counts["received_yes"] = rng.binomial(counts["received"], 0.4)
    counts["load_used"] = rng.integers(0, 6, rows)
    counts["reply_hours"] = np.where(rng.random(rows) < 0.3, np.nan, rng.exponential(20, rows))
    return counts


def random_decisions(rng, snapshot, rows, weeks=12):
    """Decisions about random pairs, not yet answered."""
    week = np.sort(rng.integers(0, weeks, rows))
    return Decisions(
        stall_rows=rng.integers(0, len(snapshot.stalls), rows),
        anchor_rows=rng.integers(0, len(snapshot.anchors), rows),
        direction=rng.integers(0, 2, rows),
        yes=np.zeros(rows),
        at=week * 604_800.0 + np.arange(rows),
        week=738_000 + 7 * week,
        weight=np.ones(rows),
        stall_past=past_of(rng, rows),
        anchor_past=past_of(rng, rows),
    )


def taught_town(seed, rows, stalls=80, anchors=150, steep=0.7):
    """Snapshot, the prior's model, decisions by a hidden truth, their features, and the true logits."""
    rng = np.random.default_rng(seed)
    snapshot = random_market(seed, stalls, anchors)
    model = pipeline.fit(snapshot, seed=3)
    truth = blend(
        model.weights,
        random_learned(seed, steep, biases=np.array([-0.3, -0.6, 1.5]), **TRUTH),
        model.encoder.weights,
        model.encoder.base,
    )
    decisions = random_decisions(rng, snapshot, rows)
    x = decision_features(model, Profiles.of_snapshot(snapshot, decisions), decisions)
    true = np.zeros(rows)
    for direction in (0, 1):
        own = decisions.direction == direction
        true[own] = logits_by(model, truth, x[own], direction)
    decisions.yes[:] = rng.random(rows) < sigmoid(true)
    return snapshot, model, decisions, x, true
