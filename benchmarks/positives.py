"""Ranking in a folder of positives: new rows, new columns, and one more positive of known rows.

Every split hides something, learns from the rest and ranks all columns (the held-out ones, for
new-columns) for each row that something was hidden from; what is known already is not ranked again.
Pairs are scored in tiles, never all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import sparse

from benchmarks.csv_table import FolderError
from benchmarks.market_folder import FloatArray, IntArray, Market
from matching.engine import evaluation
from matching.engine.evaluation import RankedLists
from matching.engine.learning.ease import FEWEST_POSITIVES
from matching.engine.types import BoolArray

HELD_OUT = 0.15
TILE = 256

Scorer = Callable[[IntArray], FloatArray]  # rows -> [rows, candidates]


class Split(StrEnum):
    """What is hidden."""

    NEW_ROWS = "new-rows"
    NEW_COLUMNS = "new-columns"
    KNOWN = "known"


@dataclass(frozen=True)
class Task:
    """What may be learned from, and what is to be found."""

    split: Split
    known: sparse.csr_matrix  # [rows, columns] positives that may be learned from
    hidden: sparse.csr_matrix  # [rows, columns] positives to be found
    rows: IntArray  # rows that get a list
    candidates: IntArray  # columns that are ranked, ascending
    learn_rows: BoolArray  # [rows] not held out
    learn_columns: BoolArray


def positives_of(market: Market) -> sparse.csr_matrix:
    """[rows, columns] 1 where the row chose the column."""
    at = (market.decisions.row, market.decisions.column)
    shape = (len(market.rows), len(market.columns))
    return sparse.csr_matrix((np.ones(len(market.decisions)), at), shape=shape)


def make_task(positives: sparse.csr_matrix, split: Split, rng: np.random.Generator) -> Task:
    """A split of the positives; FolderError if it leaves nothing to learn from or to find."""
    rows, columns = positives.shape
    everything = (np.ones(rows, dtype=np.bool_), np.ones(columns, dtype=np.bool_))
    if split is Split.KNOWN:
        hidden = _one_of_each(positives, rng)
        learn = everything
    elif split is Split.NEW_ROWS:
        out = evaluation.held_out(rows, HELD_OUT, rng)
        hidden = _masked(positives, out[:, None])
        learn = (~out, everything[1])
    else:
        out = evaluation.held_out(columns, HELD_OUT, rng)
        hidden = _masked(positives, out[None, :])
        learn = (everything[0], ~out)
    known = sparse.csr_matrix(positives - hidden)
    known.eliminate_zeros()
    if not hidden.nnz or not known.nnz:
        raise FolderError(f"decisions: too few positives for {split}")
    candidates = np.flatnonzero(~learn[1]) if split is Split.NEW_COLUMNS else np.arange(columns)
    return Task(split, known, hidden, np.flatnonzero(np.diff(hidden.indptr)), candidates, *learn)


def _masked(positives: sparse.csr_matrix, mask: BoolArray) -> sparse.csr_matrix:
    entries = positives.tocoo()
    keep = np.broadcast_to(mask, positives.shape)[entries.row, entries.col]
    return sparse.csr_matrix(
        (entries.data[keep], (entries.row[keep], entries.col[keep])), shape=positives.shape
    )


def _one_of_each(positives: sparse.csr_matrix, rng: np.random.Generator) -> sparse.csr_matrix:
    """One positive, drawn, of every row that has enough of them."""
    counts = np.diff(positives.indptr)
    rows = np.flatnonzero(counts >= FEWEST_POSITIVES)
    at = positives.indptr[rows] + rng.integers(counts[rows])
    return sparse.csr_matrix((np.ones(len(rows)), (rows, positives.indices[at])), shape=positives.shape)


# --- ranking ----------------------------------------------------------------------------------------------


def tiles(task: Task, scorer: Scorer, rows: IntArray | None = None) -> Iterator[tuple[IntArray, FloatArray]]:
    """(rows, scores [rows, candidates]) with −inf for what is known already."""
    rows = task.rows if rows is None else rows
    for start in range(0, len(rows), TILE):
        some = rows[start : start + TILE]
        scores = np.array(scorer(some), dtype=np.float64)
        scores[task.known[some][:, task.candidates].nonzero()] = -np.inf
        yield some, scores


@dataclass(frozen=True)
class Found:
    """Where the hidden positives stand in the lists; `lists` has their entries only."""

    lists: RankedLists
    auc: FloatArray  # [lists]

    def figures(self) -> dict[str, float]:
        """Means over the lists."""
        return {
            "ndcg5": float(evaluation.ndcg(self.lists, 5).mean()),
            "ndcg10": float(evaluation.ndcg(self.lists, 10).mean()),
            "map": float(evaluation.average_precision(self.lists).mean()),
            "recall5": float(evaluation.recall(self.lists, 5).mean()),
            "auc_match": float(self.auc.mean()),
        }


def find(task: Task, scorer: Scorer) -> Found:
    """Ranks of the hidden positives; equal scores in order of the column."""
    hidden = sparse.csr_matrix(task.hidden[:, task.candidates])
    ranks: list[IntArray] = []
    areas: list[float] = []
    for some, scores in tiles(task, scorer):
        for row, own in zip(some, scores, strict=True):
            ranks.append(_ranks(own, hidden.indices[hidden.indptr[row] : hidden.indptr[row + 1]]))
            negatives = np.isfinite(own).sum() - len(ranks[-1])
            above = (ranks[-1] - np.arange(1, len(ranks[-1]) + 1)).mean()
            areas.append(1.0 - above / max(negatives, 1))
    rank = np.concatenate(ranks)
    start = np.cumsum([0, *map(len, ranks)])[:-1]
    lists = RankedLists(np.arange(len(rank)), rank, np.ones(len(rank)), start, task.rows)
    return Found(lists, np.array(areas))


def _ranks(scores: FloatArray, at: IntArray) -> IntArray:
    """[positives] ascending ranks of these entries in the descending order of scores."""
    own = scores[at][:, None]
    earlier = (scores == own) & (np.arange(len(scores)) < at[:, None])
    return np.sort(1 + (scores > own).sum(axis=1) + earlier.sum(axis=1))
