"""What lists by predicted probabilities make of true decisions, in any market folder.

    python -m benchmarks.market MARKET_DIR --split cold|warm

Predictions only rank; the true decisions decide. One side is proactive and examines rank k of its list
with probability 1/k, the other screens its applicants by its own predicted probability, for every method,
and takes up the r-th with 1/r; both choices of the proactive side are averaged. Prints one JSON object:

- `matches`: expected mutual matches, summed over the groups;
- `gini`: of exposure Σ 1/rank over the reactive side, per group, weighted by the reactive side's size;
- `vs_product`: 95 % interval of matches over those of product lists, less 1, by bootstrap over groups.

Methods: engine (welfare ascent), product of both probabilities, popularity (the mean predicted
probability of being accepted), random lists (mean of several), tu (equilibrium of transferable utility;
surplus and β chosen by simulated welfare on the predictions).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.csv_table import FolderError
from benchmarks.directed import SPLITS, Predictions, out_of_fold
from benchmarks.market_folder import Market, load_market
from matching.engine.errors import EngineError
from matching.engine.market.ascent import AscentRules
from matching.engine.market.edges import Edges, Orientation, orient, ranks_within
from matching.engine.market.examination import Attention, Examination
from matching.engine.market.expectation import expected_by_entry
from matching.engine.market.spread import ascend
from matching.engine.market.starts import starts_by_welfare
from matching.engine.types import FloatArray, IntArray, Side

_RULES = AscentRules(sweeps=20, tolerance=1e-7)
_RESAMPLES = 2000


@dataclass(frozen=True)
class Told:
    """The predicted pairs of a folder as edges, with what was truly decided."""

    edges: Edges
    row_says: FloatArray  # [E]
    column_says: FloatArray  # [E]
    group: IntArray  # [E]


def told(market: Market, predictions: Predictions) -> Told:
    """Every party of a group is a party of its own: who came twice makes two lists."""
    decisions, at = market.decisions, predictions.at
    group = decisions.group[at]
    rows = np.unique(group * len(market.rows) + decisions.row[at], return_inverse=True)[1]
    columns = np.unique(group * len(market.columns) + decisions.column[at], return_inverse=True)[1]
    order = np.lexsort((columns, rows))
    edges = Edges(
        rows[order],
        columns[order],
        np.clip(predictions.row[order], 0.0, 1.0),
        np.clip(predictions.column[order], 0.0, 1.0),
        int(rows.max(initial=-1)) + 1,
        int(columns.max(initial=-1)) + 1,
    )
    at = at[order]
    return Told(edges, decisions.row_says[at], decisions.column_says[at], decisions.group[at])


@dataclass(frozen=True)
class Figures:
    """What one method's lists make, by group."""

    matches: FloatArray  # [groups]
    gini: FloatArray  # [groups]
    reactive: FloatArray  # [groups] size of the reactive side


def truly(
    data: Told, orientation: Orientation, ranks: IntArray, attention: Attention, groups: int
) -> Figures:
    """Lists judged by the true decisions; the queues stay in the order of the predictions."""
    by_stall = orientation.proactive is Side.STALL
    says = (data.row_says, data.column_says) if by_stall else (data.column_says, data.row_says)
    truth = replace(orientation, applies=says[0][orientation.edge], screened=says[1][orientation.edge])
    group = data.group[orientation.edge]
    matches = np.bincount(group, weights=expected_by_entry(truth, ranks, attention), minlength=groups)
    exposure = np.bincount(
        orientation.partner,
        weights=attention.exposure(ranks, np.ones(len(ranks))),
        minlength=orientation.n_partners,
    )
    group_of = np.zeros(orientation.n_partners, dtype=np.int64)
    group_of[orientation.partner] = group
    gini = np.array([gini_of(exposure[group_of == number]) for number in range(groups)])
    return Figures(matches, gini, np.bincount(group_of, minlength=groups).astype(float))


def gini_of(values: FloatArray) -> float:
    """Mean absolute difference of two parties ÷ twice the mean; 0 for nobody or nothing."""
    ordered = np.sort(values)
    total, size = float(ordered.sum()), len(ordered)
    if not total:
        return 0.0
    return float((2 * np.arange(1, size + 1) - size - 1) @ ordered / (size * total))


def _lists(edges: Edges, orientation: Orientation, attention: Attention) -> dict[str, IntArray]:
    """Ranks of every method but random."""
    received = np.bincount(
        orientation.partner, weights=orientation.applies, minlength=orientation.n_partners
    ) / np.maximum(np.diff(orientation.queue_starts), 1)
    masses = np.ones(edges.n_rows), np.ones(edges.n_columns)
    starts = starts_by_welfare(edges, orientation, attention, *masses)
    return {
        "engine": ascend(orientation, starts[0].ranks, attention, _RULES).ranks,
        "product": ranks_within(orientation.mutual, orientation.starts),
        "popularity": ranks_within(received[orientation.partner], orientation.starts),
        "tu": starts[0].ranks,
    }


def figures_of(data: Told, groups: int, seed: int, draws: int) -> dict[str, list[Figures]]:
    """Per method, one entry a proactive side (and a draw, for random lists)."""
    found: dict[str, list[Figures]] = {}
    random = np.random.default_rng(seed)
    for side in Side:
        orientation = orient(data.edges, side)
        attention = Attention(Examination.INVERSE, np.ones(orientation.n_partners))
        lists = _lists(data.edges, orientation, attention)
        for name, ranks in lists.items():
            found.setdefault(name, []).append(truly(data, orientation, ranks, attention, groups))
        for _ in range(draws):
            ranks = ranks_within(random.random(len(orientation)), orientation.starts)
            found.setdefault("random", []).append(truly(data, orientation, ranks, attention, groups))
        print(f"{side.value}s proactive: done", file=sys.stderr)
    return found


def summary(found: dict[str, list[Figures]], seed: int) -> dict[str, dict[str, object]]:
    """Sums over the groups, mean over the sides, and intervals against product."""
    by_group = {name: np.mean([f.matches for f in figures], axis=0) for name, figures in found.items()}
    groups = len(by_group["product"])
    drawn = np.random.default_rng(seed).integers(groups, size=(_RESAMPLES, groups))
    product = by_group["product"][drawn].sum(axis=1)
    methods: dict[str, dict[str, object]] = {}
    for name, figures in found.items():
        gini = [float(f.gini @ f.reactive / f.reactive.sum()) for f in figures]
        methods[name] = {
            "matches": round(float(by_group[name].sum()), 2),
            "gini": round(float(np.mean(gini)), 4),
        }
        if name != "product":
            more = by_group[name][drawn].sum(axis=1) / np.where(product > 0, product, np.nan) - 1
            methods[name]["vs_product"] = [round(float(x), 4) for x in np.nanquantile(more, [0.025, 0.975])]
    return methods


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    began = time.perf_counter()
    market = load_market(arguments.folder)
    if market.all_candidates:
        raise FolderError(
            "schema.json: this folder lists positives of one side only, and what lists make cannot be "
            "judged without both sides' answers"
        )
    predictions = out_of_fold(
        market, arguments.split, lambda done, total: print(f"{done}/{total} groups", file=sys.stderr)
    )
    data = told(market, predictions)
    if not len(data.edges):
        raise FolderError(f"decisions: no pair to rank in the split {arguments.split}")
    found = figures_of(data, len(market.decisions.group_names), arguments.seed, arguments.draws)
    return {
        "split": arguments.split,
        "pairs": len(data.edges),
        "methods": summary(found, arguments.seed),
        "seconds": round(time.perf_counter() - began, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", metavar="MARKET_DIR")
    parser.add_argument("--split", choices=SPLITS, default="cold")
    parser.add_argument("--seed", type=int, default=0, help="of random lists and of the bootstrap")
    parser.add_argument("--draws", type=int, default=20, help="random lists for each side")
    try:
        print(json.dumps(measure(parser.parse_args())))
    except (FolderError, EngineError) as error:
        raise SystemExit(f"market: {error}") from error


if __name__ == "__main__":
    main()
