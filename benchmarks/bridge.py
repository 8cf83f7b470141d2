"""Does the bilinear bridge tell the directed models anything about newcomers? On a folder or a made town.

    python -m benchmarks.bridge MARKET_DIR|town|bilinear [--kinds row,column,both,warm] [--seed 621]

The base is what scores today: additive curves of the profiles beside what earlier answers tell. The bridge
(of yes, or of yes minus the base's probability) joins as one more feature of a second stage in each
direction. Held out are rows, columns, both (whole groups where each party has one only) or pairs of known
parties. Inside what may be learned from the same is held out again: a and b are chosen, and the second
stage is fitted, on scores of bridges and bases that saw nothing of the pair's held-out side.
`inner_gain` is what this inner cross-validation expects, the rest is measured outside; gains are log loss
saved per decision (nats) and NDCG@5 of the lists of single deciders, with intervals by drawing whole
groups (in a town: deciders) again. `town` decides by an additive truth, `bilinear` has a taste beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from benchmarks.bridge_problems import Problem, Side, of_folder, of_town
from benchmarks.csv_table import FolderError
from benchmarks.market_folder import FloatArray, IntArray
from benchmarks.positive_models import RIDGE
from matching.engine import evaluation
from matching.engine.learning.additive import fit_logistic
from matching.engine.learning.bridge import Bridge, across, fit_ridge
from matching.engine.learning.directed import (
    Choice,
    Models,
    fit_additive,
    fit_directed,
    grouped_folds,
)
from matching.engine.scoring import sigmoid
from matching.engine.types import BoolArray

KINDS = ("row", "column", "both", "warm")
VARIANTS = ("yes", "residual")
FOLDS = 4
HISTORY_WORTH = 5.0
FEWEST_CANDIDATES = 4
WEAK_PENALTY = (100.0,)  # C of the second stage: six coefficients need no shrinking

Masks = tuple[BoolArray, BoolArray]
Key = tuple[str, float, float]  # variant, a, b


# --- what is held out -------------------------------------------------------------------------------------


def held_out(
    problem: Problem, kind: str, within: Masks, rng: np.random.Generator
) -> Iterator[tuple[Masks, Masks]]:
    """(learned from, tested on) of each fold inside `within`; of a held-out party nothing is learned."""
    rows, columns = problem.x.shape[0], problem.y.shape[0]
    by_row, by_column = rng.permutation(rows) % FOLDS, rng.permutation(columns) % FOLDS
    by_pair = rng.integers(0, FOLDS, (rows, columns))
    if kind == "both" and _have_one_group_each(problem):
        number = grouped_folds(rng.permutation(problem.sides[0].about.group.max() + 1), FOLDS)
        for side in problem.sides:
            by_row[side.row] = by_column[side.column] = number[side.about.group]
    for fold in range(FOLDS):
        learn, test = [], []
        for side, own in zip(problem.sides, within, strict=True):
            new_row, new_column = by_row[side.row] == fold, by_column[side.column] == fold
            if kind == "both":
                out, tested = new_row | new_column, new_row & new_column
            else:
                held = {"row": new_row, "column": new_column, "warm": by_pair[side.row, side.column] == fold}
                out = tested = held[kind]
            learn.append(own & ~out)
            test.append(own & tested)
        if all(mask.any() for mask in (*learn, *test)):
            yield (learn[0], learn[1]), (test[0], test[1])


def _have_one_group_each(problem: Problem) -> bool:
    for side in problem.sides:
        for party in (side.row, side.column):
            pairs = np.unique(np.stack([party, side.about.group]), axis=1)
            if len(np.unique(party)) != pairs.shape[1]:
                return False
    return True


# --- the first stage --------------------------------------------------------------------------------------


def base_logits(problem: Problem, learn: Masks, choice: Choice) -> tuple[FloatArray, FloatArray]:
    """[pairs] of each direction, of all pairs, by curves that saw `learn` only."""
    first, second = (side.about.at(mask) for side, mask in zip(problem.sides, learn, strict=True))
    models: Models = fit_additive((first, second), (choice.c,), choice.pooled, problem.shape)[0]
    out = []
    for model, side, seen in zip(models, problem.sides, (first, second), strict=True):
        trust = len(seen.y) / (len(seen.y) + choice.prior_worth)
        out.append(trust * model.logit(side.about.x) + (1.0 - trust) * side.about.prior)
    return out[0], out[1]


def plain_features(
    problem: Problem, learn: Masks, base: tuple[FloatArray, FloatArray], test: Masks
) -> list[FloatArray]:
    """[tested pairs, 5] of each direction: the curves' logit, and residuals given and received by both."""
    sizes = problem.x.shape[0], problem.y.shape[0]
    told = []  # by direction: mean residual given by its deciders, received by the others
    for d, (side, mask) in enumerate(zip(problem.sides, learn, strict=True)):
        residual = (side.about.y - sigmoid(base[d]))[mask]
        by = []
        for party, size in zip((side.row, side.column), sizes, strict=True):
            total = np.bincount(party[mask], weights=residual, minlength=size)
            by.append(total / (np.bincount(party[mask], minlength=size) + HISTORY_WORTH))
        told.append(by)
    made = []
    for d, (side, mask) in enumerate(zip(problem.sides, test, strict=True)):
        parties = side.row[mask], side.column[mask]
        rates = [told[of][who][parties[who]] for of in (0, 1) for who in (0, 1)]
        made.append(np.column_stack([base[d][mask], *rates]))
    return made


def bridge_scores(
    problem: Problem, learn: Masks, base: tuple[FloatArray, FloatArray], test: Masks
) -> list[dict[Key, FloatArray]]:
    """Of each direction, xᵀWy of the tested pairs for every variant, a and b; W saw `learn` only.

    The residual bridge learns what the curves leave over on what they were fitted on, as boosting does.
    """
    made: list[dict[Key, FloatArray]] = []
    shape = problem.x.shape[0], problem.y.shape[0]
    for d, side in enumerate(problem.sides):
        seen, at = learn[d], test[d]
        scores: dict[Key, FloatArray] = {}
        y = side.about.y[seen]
        for variant, values in zip(VARIANTS, (y, y - sigmoid(base[d][seen])), strict=True):
            r = sparse.csr_matrix((values, (side.row[seen], side.column[seen])), shape=shape)
            for a in RIDGE:
                v = fit_ridge(problem.x, r, a)
                for b in RIDGE:
                    scores[variant, a, b] = _level(problem, across(v, problem.y, b))[
                        side.row[at], side.column[at]
                    ]
        made.append(scores)
    return made


def _level(problem: Problem, bridge: Bridge) -> FloatArray:
    """[rows, columns] scores with mean 0 and spread 1: their level tells only how many answers were seen."""
    scores = bridge.scores(problem.x, problem.y)
    return np.asarray((scores - scores.mean()) / (scores.std() or 1.0))


# --- the second stage -------------------------------------------------------------------------------------


def second_stage(learn_x: FloatArray, learn_y: FloatArray, test_x: FloatArray) -> FloatArray:
    """[tested] probabilities by a logistic regression on standardised columns."""
    mean, sd = learn_x.mean(axis=0), learn_x.std(axis=0)
    sd = np.where(sd > 0.0, sd, 1.0)
    coefficients, bias = fit_logistic((learn_x - mean) / sd, learn_y, np.ones(len(learn_y)), WEAK_PENALTY)[0]
    return sigmoid(bias + (test_x - mean) / sd @ coefficients)


@dataclass
class Inner:
    """One direction's features of the inner folds, none by a model that saw the pair."""

    plain: FloatArray
    bridge: dict[Key, FloatArray]
    y: FloatArray
    fold: IntArray

    def x(self, key: Key | None) -> FloatArray:
        return self.plain if key is None else np.column_stack([self.plain, self.bridge[key]])

    def loss(self, key: Key | None) -> float:
        """Log loss per decision, each inner fold by a second stage of the others."""
        p = np.empty(len(self.y))
        for fold in np.unique(self.fold):
            out = self.fold == fold
            p[out] = second_stage(self.x(key)[~out], self.y[~out], self.x(key)[out])
        return float(evaluation.log_loss(p, self.y).mean())


def inner_of(
    problem: Problem, kind: str, learn: Masks, choice: Choice, rng: np.random.Generator
) -> list[Inner]:
    """The second stage's examples of both directions, made inside `learn`."""
    parts: tuple[list[Inner], list[Inner]] = ([], [])
    for number, (seen, test) in enumerate(held_out(problem, kind, learn, rng)):
        base = base_logits(problem, seen, choice)
        plain, bridge = plain_features(problem, seen, base, test), bridge_scores(problem, seen, base, test)
        for d, side in enumerate(problem.sides):
            y = side.about.y[test[d]]
            parts[d].append(Inner(plain[d], bridge[d], y, np.full(len(y), number)))
    return [
        Inner(
            np.concatenate([part.plain for part in of]),
            {key: np.concatenate([part.bridge[key] for part in of]) for key in of[0].bridge},
            np.concatenate([part.y for part in of]),
            np.concatenate([part.fold for part in of]),
        )
        for of in parts
    ]


# --- one kind of newcomer ---------------------------------------------------------------------------------


@dataclass
class Tested:
    """What one direction of one outer fold came to."""

    y: FloatArray
    p: dict[str, FloatArray]  # "base" and the variants
    cluster: IntArray
    decider: IntArray
    expected: dict[str, float]  # inner gain of each variant's best a and b
    chosen: dict[str, tuple[float, float]]


def measure(problem: Problem, kind: str, seed: int) -> dict[str, object]:
    """All figures of one kind of held-out pairs."""
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    everything = tuple(np.ones(len(side.row), dtype=np.bool_) for side in problem.sides)
    parts: list[Tested] = []
    for learn, test in held_out(problem, kind, (everything[0], everything[1]), rng):
        first, second = (side.about.at(mask) for side, mask in zip(problem.sides, learn, strict=True))
        choice = fit_directed((first, second), problem.grid, problem.shape)[2]
        inner = inner_of(problem, kind, learn, choice, rng)
        base = base_logits(problem, learn, choice)
        plain, bridge = plain_features(problem, learn, base, test), bridge_scores(problem, learn, base, test)
        for d in (0, 1):
            parts.append(_tested(problem.sides[d], test[d], inner[d], plain[d], bridge[d]))
        print(f"{kind}: fold {len(parts) // 2} of {FOLDS}", file=sys.stderr, flush=True)
    return _figures(parts, np.random.default_rng(seed))


def _tested(
    side: Side, at: BoolArray, inner: Inner, plain: FloatArray, bridge: dict[Key, FloatArray]
) -> Tested:
    p = {"base": second_stage(inner.plain, inner.y, plain)}
    expected, chosen = {}, {}
    without = inner.loss(None)
    for variant in VARIANTS:
        losses = {key: inner.loss(key) for key in inner.bridge if key[0] == variant}
        key = min(losses, key=losses.__getitem__)
        expected[variant], chosen[variant] = without - losses[key], key[1:]
        p[variant] = second_stage(inner.x(key), inner.y, np.column_stack([plain, bridge[key]]))
    return Tested(side.about.y[at], p, side.cluster[at], side.decider[at], expected, chosen)


def _figures(parts: list[Tested], rng: np.random.Generator) -> dict[str, object]:
    y, cluster, decider = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("y", "cluster", "decider")
    )
    # One fold's scores are never ranked against another's.
    fold = np.repeat(np.arange(len(parts)), [len(part.y) for part in parts])
    decider = np.unique(np.stack([fold, decider]), axis=1, return_inverse=True)[1].ravel()
    p = {name: np.concatenate([part.p[name] for part in parts]) for name in ("base", *VARIANTS)}
    lists = {name: evaluation.rank_lists(decider, p[name], y, FEWEST_CANDIDATES) for name in p}
    ndcg = {name: evaluation.ndcg(lists[name], 5) for name in p}
    of_list = cluster[lists["base"].entry[lists["base"].start]]
    loss = {name: evaluation.log_loss(p[name], y) for name in p}
    figures: dict[str, object] = {
        "decisions": len(y),
        "lists": len(of_list),
        "base": {
            "log_loss": float(loss["base"].mean()),
            "ndcg5": float(ndcg["base"].mean()),
            "auc": evaluation.auc(p["base"], y),
        },
    }
    for name in VARIANTS:
        figures[name] = {
            "inner_gain": float(np.mean([part.expected[name] for part in parts])),
            "inner_wants_it": f"{sum(part.expected[name] > 0.0 for part in parts)} of {len(parts)}",
            "log_loss_gain": _interval(loss["base"] - loss[name], cluster, rng),
            "ndcg5_gain": _interval(ndcg[name] - ndcg["base"], of_list, rng),
            "auc_gain": evaluation.auc(p[name], y) - evaluation.auc(p["base"], y),
            "chosen": [part.chosen[name] for part in parts],
        }
    return figures


def _interval(values: FloatArray, group: IntArray, rng: np.random.Generator) -> list[float]:
    """[mean, low, high]"""
    made = evaluation.bootstrap_over_groups(values, group, rng)
    return [made.mean, made.low, made.high]


def main(arguments: list[str] | None = None) -> None:
    """Read or make a market, measure each kind of newcomer, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("market", help="folder with schema.json, or town, or bilinear")
    parser.add_argument("--kinds", default=",".join(KINDS), help="some of row,column,both,warm")
    parser.add_argument("--seed", type=int, default=621)
    options = parser.parse_args(arguments)
    kinds = options.kinds.split(",")
    if not set(kinds) <= set(KINDS):
        parser.error(f"--kinds: must be some of {','.join(KINDS)}")
    start = time.perf_counter()
    try:
        if options.market in ("town", "bilinear"):
            problem = of_town(options.seed, options.market == "bilinear")
        else:
            problem = of_folder(options.market)
    except FolderError as error:
        parser.exit(2, f"{error}\n")
    made = {kind: measure(problem, kind, options.seed) for kind in kinds}
    print(json.dumps({"kinds": made, "seconds": round(time.perf_counter() - start, 1)}))


if __name__ == "__main__":
    main()
