"""Match day by itself: the exact allocation of a matrix of scores, or of a random sparse market.

    python -m benchmarks.matchday --scores S.npy --row-capacity R.npy --column-capacity C.npy
                                  [--exact-columns]
    python -m benchmarks.matchday --random-edges 120000 --rows 2000 --columns 10000

`S` is a matrix, NaN where two cannot be paired; `R` and `C` are whole numbers of bookings, 0 allowed. `value`
is the sum of scores of the chosen pairs, `optimum` the bound that the prices prove for every allocation,
`gap` the share between them (exact: both are counted in whole units of `unit`). Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.allocation import Problem, blocking_pairs, gini, solve, solve_matrix
from matching.engine.allocation.flow import Allocation
from matching.engine.errors import EngineError


def read_array(path: Path, name: str) -> NDArray[Any]:
    """The array of a .npy file, left on disk; EngineError that names the option for anything else."""
    try:
        return np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except (OSError, ValueError) as error:
        raise EngineError(f"{name}: an array file (.npy) expected at {path} ({error})") from error


def random_market(edges: int, rows: int, columns: int, seed: int) -> Problem:
    """Different uniform edges with uniform weights; capacities 0 to 11 for rows and 0 to 4 for columns."""
    if not 0 < edges <= rows * columns:
        raise EngineError(f"random_edges: 1 to {rows * columns} expected, {edges} given")
    rng = np.random.default_rng(seed)
    keys = np.empty(0, dtype=np.int64)
    while len(keys) < edges:
        more = rng.integers(0, rows * columns, edges + edges // 8 + 8)
        keys = np.unique(np.concatenate([keys, more]))
    keys = np.sort(rng.permutation(keys)[:edges])
    return Problem(
        rows=keys // columns,
        columns=keys % columns,
        weights=rng.random(edges),
        row_capacity=rng.integers(0, 12, rows),
        column_capacity=rng.integers(0, 5, columns),
    )


def measured(work: Callable[[], tuple[Problem, Allocation]]) -> dict[str, Any]:
    """Solve, and tell what came of it; `seconds` are those of the solution and its proof."""
    began = time.perf_counter()
    problem, allocation = work()
    seconds = time.perf_counter() - began
    chosen = allocation.chosen
    return {
        "value": allocation.value,
        "optimum": allocation.optimum,
        "gap": allocation.gap,
        "blocking_pairs": len(blocking_pairs(problem, chosen)),
        "seconds": round(seconds, 3),
        "bookings": int(chosen.sum()),
        "edges": len(problem),
        "unit": allocation.unit,
        "gini_rows": round(gini(np.bincount(problem.rows[chosen], minlength=len(problem.row_capacity))), 4),
        "gini_columns": round(
            gini(np.bincount(problem.columns[chosen], minlength=len(problem.column_capacity))), 4
        ),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of the instance that the options describe."""
    if options.random_edges is not None:
        problem = random_market(options.random_edges, options.rows, options.columns, options.seed)
        return measured(lambda: (problem, solve(problem)))
    given = {name: getattr(options, name) for name in ("scores", "row_capacity", "column_capacity")}
    missing = [f"--{name.replace('_', '-')}" for name, path in given.items() if path is None]
    if missing:
        raise EngineError(f"{', '.join(missing)}: needed, or --random-edges with --rows and --columns")
    arrays = [read_array(path, name) for name, path in given.items()]

    def work() -> tuple[Problem, Allocation]:
        found = solve_matrix(*arrays, exact_columns=options.exact_columns)
        return found.problem, found.allocation

    return measured(work)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--row-capacity", type=Path)
    parser.add_argument("--column-capacity", type=Path)
    parser.add_argument("--exact-columns", action="store_true")
    parser.add_argument("--random-edges", type=int)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--columns", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=621)
    try:
        print(json.dumps(run(parser.parse_args(arguments))))
    except EngineError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
