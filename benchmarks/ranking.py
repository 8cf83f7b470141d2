"""How well the engine ranks on any market folder, beside cosine, popularity and chance.

    python -m benchmarks.ranking MARKET_DIR --split cold|warm|new-rows|new-columns|known

Prints one JSON object. cold and warm need decisions of both sides in groups; the others a folder whose
schema says `"candidates": "all"`. `ece` is that of the directed decisions; rivals' scores become
probabilities by a sigmoid learned outside. In folders of positives `auc_match` is the mean over lists.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks import positive_models, positives
from benchmarks.csv_table import FolderError
from benchmarks.directed import out_of_fold, refuse_unfit, tested
from benchmarks.market_folder import FloatArray, IntArray, Market, load_market
from benchmarks.rivals import rivals_out_of_fold
from matching.engine import evaluation
from matching.engine.learning.calibration import Calibration
from matching.engine.learning.mutual import combine
from matching.engine.scoring import sigmoid

GROUPED = ("cold", "warm")
FEWEST_CANDIDATES = 4
SEED = 20240601


def told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# --- decisions of both sides, in groups -------------------------------------------------------------------


def rank_groups(market: Market, split: str) -> dict[str, object]:
    """Figures of all methods, every group ranked by what was learned outside it."""
    refuse_unfit(market, split)
    made = out_of_fold(market, split, lambda done, all_of: told(f"engine: group {done} of {all_of}"))
    rivals = rivals_out_of_fold(market, split, np.random.default_rng(SEED))
    at = tested(market, split)
    methods, lists = {}, {}
    forecasts = {"engine": (combine(made.row, made.column), made.row, made.column), **rivals}
    for name, (score, row, column) in forecasts.items():
        methods[name], lists[name] = _figures(market, at, score, row, column)
    difference = lists["engine"].ndcg5 - lists["cosine"].ndcg5
    interval = evaluation.bootstrap_over_groups(
        difference, lists["engine"].group, np.random.default_rng(SEED)
    )
    return {"methods": methods, "engine_minus_cosine_ndcg5": [interval.low, interval.high]}


class _Lists:
    """NDCG@5 of every list, with its group, for paired comparison."""

    def __init__(self, ndcg5: FloatArray, group: IntArray) -> None:
        self.ndcg5, self.group = ndcg5, group


def _figures(
    market: Market, at: IntArray, score: FloatArray, row: FloatArray, column: FloatArray
) -> tuple[dict[str, float], _Lists]:
    decisions = market.decisions
    match = (decisions.row_says * decisions.column_says)[at]
    parts = []
    for party, parties in ((decisions.row, len(market.rows)), (decisions.column, len(market.columns))):
        name = (decisions.group * parties + party)[at]
        parts.append(evaluation.rank_lists(name, score, match, FEWEST_CANDIDATES))
    if not sum(map(len, parts)):
        raise FolderError(f"decisions: nobody has a match among at least {FEWEST_CANDIDATES} candidates")
    answers = np.concatenate([decisions.row_says[at], decisions.column_says[at]])
    ndcg5 = np.concatenate([evaluation.ndcg(lists, 5) for lists in parts])
    group = np.concatenate([decisions.group[at][lists.entry[lists.start]] for lists in parts])
    figures = {
        "ndcg5": float(ndcg5.mean()),
        "ndcg10": float(np.concatenate([evaluation.ndcg(lists, 10) for lists in parts]).mean()),
        "map": float(np.concatenate([evaluation.average_precision(lists) for lists in parts]).mean()),
        "recall5": float(np.concatenate([evaluation.recall(lists, 5) for lists in parts]).mean()),
        "auc_match": evaluation.auc(score, match),
        "ece": evaluation.reliability(np.concatenate([row, column]), answers).ece,
    }
    return figures, _Lists(ndcg5, group)


# --- positives of one side --------------------------------------------------------------------------------


def rank_positives(market: Market, split: str) -> dict[str, object]:
    """Figures of all methods on a folder of positives."""
    if not market.all_candidates:
        raise FolderError(
            f'schema.json: {split} needs "candidates": "all" and positives of the row side; this folder '
            "lists decisions of both sides, use cold or warm"
        )
    rng = np.random.default_rng(SEED)
    task = positives.make_task(positives.positives_of(market), positives.Split(split), rng)
    told(f"{len(task.rows)} lists of {len(task.candidates)} candidates, {task.known.nnz} positives known")
    fitted = positive_models.engine(market, task, rng, told)
    scorers = {
        "engine": fitted.scorer,
        "cosine": positive_models.cosine(market, task),
        "popularity": positive_models.popularity(market, task),
        "random": positive_models.chance(task, SEED),
    }
    methods: dict[str, dict[str, float | None]] = {}
    found = {}
    for name, scorer in scorers.items():
        found[name] = positives.find(task, scorer)
        calibration = fitted.calibration if name == "engine" else None
        methods[name] = {**found[name].figures(), "ece": _ece(task, scorer, calibration)}
        told(f"{name}: NDCG@5 {methods[name]['ndcg5']:.4f}")
    ndcg5 = {name: evaluation.ndcg(one.lists, 5) for name, one in found.items()}
    interval = evaluation.bootstrap_over_groups(ndcg5["engine"] - ndcg5["cosine"], task.rows, rng)
    return {
        "methods": methods,
        "engine_minus_cosine_ndcg5": [interval.low, interval.high],
        "chosen": fitted.choice,
    }


def _ece(task: positives.Task, scorer: positives.Scorer, calibration: Calibration | None) -> float | None:
    """Calibration error over all ranked pairs, summed by tile; null for scores that are no probability."""
    if calibration is None:
        return None
    bins = np.zeros((3, evaluation.BINS))
    for rows, scores in positives.tiles(task, scorer):
        ranked = np.isfinite(scores)
        p = sigmoid(np.clip(calibration(scores[ranked]), -500.0, 500.0))
        curve = evaluation.reliability(p, task.hidden[rows][:, task.candidates].toarray()[ranked])
        sums = (curve.predicted * curve.count, curve.observed * curve.count, curve.count)
        bins += np.nan_to_num(np.array(sums, dtype=np.float64))
    return float(np.abs(bins[0] - bins[1]).sum() / bins[2].sum())


def main(arguments: list[str] | None = None) -> None:
    """Read a folder, rank one split, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("market", help="folder with schema.json")
    parser.add_argument("--split", required=True, choices=[*GROUPED, *map(str, positives.Split)])
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    ranked: Callable[[Market, str], dict[str, object]]
    ranked = rank_groups if options.split in GROUPED else rank_positives
    try:
        figures = ranked(load_market(options.market), options.split)
    except FolderError as error:
        parser.exit(2, f"{error}\n")
    print(json.dumps({**figures, "seconds": round(time.perf_counter() - start, 1)}))


if __name__ == "__main__":
    main()
