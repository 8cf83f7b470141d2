"""Whether a ridge bridge between the two sides' profiles adds to the directed models; one JSON object.

    python -m benchmarks.bridge --market FOLDER [--made]

Asked by inner cross-validation alone: one group is left out as a test would, and everything here happens in
the others. Of those, each fold's pairs are predicted by models that saw neither their rows nor their columns:
the directed models, and a bridge W = (XᵀX + aI)⁻¹ Xᵀ R Y (YᵀY + bI)⁻¹ fitted on what the directed models
leave over, R = answer − out-of-fold probability. A second logistic step, cross-fitted by fold too, gives the
bridge its weight. `gain` is by how much it lowers the log loss, with an interval over groups drawn again;
the best of all (a, b) is shown, which favours the bridge.

`--made` replaces the answers by a taste that is bilinear in the profiles, to show that a gain would be seen.
"""

from __future__ import annotations

import argparse
import json
from itertools import product

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from benchmarks.directed import _learn_profiles
from benchmarks.market_folder import FloatArray, IntArray, Market, load_market
from benchmarks.party_vectors import profile_vectors
from matching.engine.evaluation import auc, bootstrap_over_groups
from matching.engine.learning.bridge import fit_bridge
from matching.engine.scoring import sigmoid
from matching.engine.types import BoolArray

FOLDS = 5
PENALTIES = (30.0, 100.0, 300.0, 1000.0)
DIRECTIONS = ("row", "column")


def made_answers(market: Market, rng: np.random.Generator) -> FloatArray:
    """[2, pairs] answers by a taste that is bilinear in both profiles."""
    x, y = (profile_vectors(market, side).toarray() for side in (market.rows, market.columns))
    taste = rng.normal(size=(2, x.shape[1], y.shape[1]))
    at = market.decisions
    logits = np.einsum("np,dpq,nq->dn", x[at.row], taste, y[at.column], optimize=True)
    logits = 2.0 * (logits - logits.mean(axis=1, keepdims=True)) / logits.std(axis=1, keepdims=True)
    return np.asarray(rng.random(logits.shape) < sigmoid(logits), dtype=np.float64)


def bridged(
    market: Market, residual: FloatArray, own: IntArray, fold: IntArray, a: float, b: float
) -> FloatArray:
    """[own] scores of a bridge that saw no pair of the same fold."""
    x, y = (profile_vectors(market, side) for side in (market.rows, market.columns))
    row, column = market.decisions.row[own], market.decisions.column[own]
    scores = np.empty(len(own))
    for number in range(FOLDS):
        seen, asked = fold != number, fold == number
        shape = (x.shape[0], y.shape[0])
        # Residuals sum to about 0, so the mean of all but a fold would tell the mean of the fold.
        left = residual[seen] - residual[seen].mean()
        r = sparse.csr_matrix((left, (row[seen], column[seen])), shape)
        w = fit_bridge(x, r, y, a, b).weights
        carried = np.asarray(x[row[asked]] @ w)
        scores[asked] = np.asarray(y[column[asked]].multiply(carried).sum(axis=1)).ravel()
    return scores


def second_step(features: FloatArray, y: FloatArray, fold: IntArray) -> FloatArray:
    """[pairs] cross-fitted probabilities of a logistic step over a few logits."""
    scale = features.std(axis=0)
    x = features / np.where(scale > 0, scale, 1.0)
    said = np.empty(len(y))
    for number in range(FOLDS):
        seen = fold != number
        model = LogisticRegression(C=1e3).fit(x[seen], y[seen])
        said[~seen] = model.predict_proba(x[~seen])[:, 1]
    return said


def losses(p: FloatArray, y: FloatArray) -> FloatArray:
    """[pairs] log loss of each."""
    kept = np.clip(p, 1e-9, 1.0 - 1e-9)
    return np.asarray(-(y * np.log(kept) + (1.0 - y) * np.log1p(-kept)))


def ask(market: Market, held: BoolArray, says: FloatArray, seed: int) -> dict[str, object]:
    """What inner cross-validation outside `held` says, for each direction."""
    own = np.flatnonzero(~held)
    groups = market.decisions.group[own]
    _table, _models, logits = _learn_profiles(market, held)
    names = np.unique(groups)
    folds = dict(
        zip(names.tolist(), np.random.default_rng(seed).permutation(len(names)) % FOLDS, strict=True)
    )
    fold = np.array([folds[group] for group in groups.tolist()])
    found: dict[str, object] = {}
    for direction, name in enumerate(DIRECTIONS):
        profile, y = np.asarray(logits[direction])[:, None], says[direction][own]
        alone = second_step(profile, y, fold)
        best: dict[str, object] = {}
        for a, b in product(PENALTIES, PENALTIES):
            scores = bridged(market, y - alone, own, fold, a, b)
            both = second_step(np.column_stack([profile, scores]), y, fold)
            gain = losses(alone, y) - losses(both, y)
            if not best or float(gain.mean()) > float(str(best["gain"])):
                interval = bootstrap_over_groups(gain, groups, np.random.default_rng(seed))
                best = {
                    "a": a,
                    "b": b,
                    "gain": round(float(gain.mean()), 5),
                    "interval": [round(interval.low, 5), round(interval.high, 5)],
                    "log_loss": [round(float(losses(p, y).mean()), 4) for p in (alone, both)],
                    "auc": [round(auc(p, y), 4) for p in (alone, both)],
                }
        found[name] = best
    return found


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--market", required=True)
    parser.add_argument("--made", action="store_true")
    parser.add_argument("--held", type=int, default=0, help="number of the group that is left out")
    parser.add_argument("--seed", type=int, default=621)
    options = parser.parse_args()
    market = load_market(options.market)
    says = np.stack([market.decisions.row_says, market.decisions.column_says])
    if options.made:
        says = made_answers(market, np.random.default_rng(options.seed))
    held = market.decisions.group == options.held
    print(json.dumps({"held": options.held, "made": options.made, **ask(market, held, says, options.seed)}))


if __name__ == "__main__":
    main()
