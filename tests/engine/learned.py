"""Weights as decisions might have taught them: signed, curved, and different by direction."""

import numpy as np

from matching.engine.encoding import BLOCKS
from matching.engine.scoring import HINGES, SINGLES
from matching.engine.weights import KNOTS, Learned


def random_learned(seed, steep=1.0, **changes):
    """Any learned weights; `steep` widens them."""
    rng = np.random.default_rng(seed)
    columns = {
        "biases": rng.normal(-0.5, 0.5, 3),
        "blocks": rng.normal(0.3, steep, (2, len(BLOCKS))),
        "hinges": rng.normal(0, steep, (2, len(HINGES))),
        "curves": rng.normal(0, 0.14 * steep, (2, len(SINGLES), len(KNOTS))).cumsum(axis=2),
        "block_base": rng.uniform(0.1, 0.9, len(BLOCKS)),
        "hinge_base": rng.uniform(0.2, 0.8, len(HINGES)),
        "single_base": rng.uniform(0.2, 0.8, len(SINGLES)),
        "decisions": np.array([3000.0, 2000.0, 400.0]),
        "prior_worth": np.array([1500.0, 500.0, 100.0]),
        "calibration": np.array([[0.9, 0.1], [1.1, -0.2]]),
    }
    return Learned(**{**columns, **changes})
