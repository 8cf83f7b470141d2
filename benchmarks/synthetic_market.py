"""The market step on the synthetic market of Su, Bayoumi and Joachims (The Web Conference 2022).

    python -m benchmarks.synthetic_market --lambda 0.5 --environment random --examination inv

Prints one JSON object: expected matches of lists by own probability (naive), by the product of both
(reciprocal), by the transferable-utility equilibrium (tu) and after the welfare ascent (engine); the
engine's lists played at random; and how welfare rose sweep by sweep. The columns are proactive, the rows
screen by their own relevance, and everybody has room for one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np

from matching.engine.errors import EngineError
from matching.engine.market.ascent import Ascended, AscentRules, ascend_in_turn
from matching.engine.market.edges import Edges, Orientation, orient, ranks_within
from matching.engine.market.examination import Attention, Examination
from matching.engine.market.expectation import expected_matches, simulate
from matching.engine.market.starts import Start, starts_by_welfare
from matching.engine.types import FloatArray, Side

ENVIRONMENTS = ("random", "similar", "reverse")
_NOISE = 0.2
_RULES = AscentRules(sweeps=40, tolerance=1e-8)


def relevances(
    rows: int, columns: int, mix: float, environment: str, seed: int
) -> tuple[FloatArray, FloatArray]:
    """[rows, columns] what the rows want and what the columns want.

    `mix` (λ) is the weight of common popularity, which falls linearly along the receiving side.
    """
    # The published generator is numpy's legacy one; another would draw another market.
    random = np.random.RandomState(seed)  # noqa: NPY002
    of_columns = random.uniform(size=(columns, rows))
    if environment == "random":
        of_rows = random.uniform(size=(rows, columns))
    else:
        like = of_columns.T if environment == "similar" else 1 - of_columns.T
        of_rows = np.clip(like + random.normal(0, _NOISE, size=(rows, columns)), 0, 1)
    of_columns = np.clip((1 - mix) * of_columns + mix * np.linspace(1, 0.01, rows), 0, 1)
    of_rows = np.clip((1 - mix) * of_rows + mix * np.linspace(1, 0.01, columns), 0, 1)
    return of_rows, of_columns.T


def best_ascent(orientation: Orientation, attention: Attention, starts: list[Start], most: int) -> Ascended:
    """The ascent that ends highest, of those from the best starts."""
    climbed = []
    for number, start in enumerate(starts[:most], 1):
        climbed.append(ascend_in_turn(orientation, start.ranks, attention, _RULES))
        print(f"start {number} ({start.name}): {climbed[-1].welfare[-1]:.3f}", file=sys.stderr)
    return max(climbed, key=lambda ascended: float(ascended.welfare[-1]))


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    began = time.perf_counter()
    wants = relevances(
        arguments.rows, arguments.columns, arguments.mix, arguments.environment, arguments.seed
    )
    edges = Edges.of_dense(*wants)
    orientation = orient(edges, Side.ANCHOR)
    attention = Attention(Examination(arguments.examination), np.ones(arguments.rows))

    def welfare(keys: FloatArray) -> float:
        return expected_matches(orientation, ranks_within(keys, orientation.starts), attention)

    starts = starts_by_welfare(
        edges, orientation, attention, np.ones(arguments.rows), np.ones(arguments.columns)
    )
    best = best_ascent(orientation, attention, starts, arguments.starts)
    played = simulate(
        orientation, best.ranks, attention, np.random.default_rng(arguments.seed), arguments.runs
    )
    return {
        "rows": arguments.rows,
        "columns": arguments.columns,
        "lambda": arguments.mix,
        "environment": arguments.environment,
        "examination": arguments.examination,
        "welfare": {
            "naive": welfare(orientation.applies),
            "reciprocal": welfare(orientation.mutual),
            "tu": starts[0].welfare,
            "engine": float(best.welfare[-1]),
        },
        "monte_carlo": {"mean": played.mean, "se": played.standard_error},
        "sweeps": best.welfare.tolist(),
        "seconds": round(time.perf_counter() - began, 2),
    }


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("a number from 0 to 1 is needed")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("a whole number of at least 1 is needed")
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=_count, default=100)
    parser.add_argument("--columns", type=_count, default=150)
    parser.add_argument("--lambda", dest="mix", type=_share, default=0.5, help="weight of common popularity")
    parser.add_argument("--environment", choices=ENVIRONMENTS, default="random")
    parser.add_argument("--examination", choices=[curve.value for curve in Examination], default="inv")
    parser.add_argument("--seed", type=int, default=621)
    parser.add_argument("--starts", type=_count, default=4, help="ascents from so many of the best starts")
    parser.add_argument("--runs", type=int, default=2000, help="markets played at random")
    try:
        print(json.dumps(measure(parser.parse_args())))
    except EngineError as error:
        raise SystemExit(f"synthetic_market: {error}") from error


if __name__ == "__main__":
    main()
