"""The engine and its rivals on a folder of positives: each a scorer of rows against the candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from benchmarks.market_folder import FloatArray, IntArray, Market
from benchmarks.party_vectors import profile_vectors, shared_vectors
from benchmarks.positives import Scorer, Split, Task, find, make_task, tiles
from matching.engine import evaluation
from matching.engine.learning.bridge import Bridge, across, fit_ridge
from matching.engine.learning.calibration import Calibration, fit_calibration
from matching.engine.learning.ease import fit_ease

RIDGE = (1.0, 10.0, 100.0)  # a and b of the bridge
SHARE_OF_BRIDGE = (0.0, 0.5, 1.0)  # t
EASE_PENALTY = (30.0, 100.0, 300.0)
INNER_K = 20  # the inner choice looks further down the list than the figures: less noise
ROWS_TO_CALIBRATE = 300

Told = Callable[[str], None]


def cosine(market: Market, task: Task) -> Scorer:
    """Similarity of what both sides say."""
    x, y = shared_vectors(market)
    partners = sparse.csr_matrix(y[task.candidates].T)
    return lambda rows: np.asarray((x[rows] @ partners).toarray())


def popularity(market: Market, task: Task) -> Scorer:
    """How often a column was chosen; of columns nobody could choose, what their profiles lead to expect."""
    counts = np.log1p(np.asarray(task.known.sum(axis=0)).ravel())
    if task.split is Split.NEW_COLUMNS:
        y = profile_vectors(market, market.columns)
        known = sparse.csr_matrix(counts[task.learn_columns][:, None])
        counts = np.asarray(y @ fit_ridge(y[task.learn_columns], known, RIDGE[1])).ravel()
    return lambda rows: np.broadcast_to(counts[task.candidates], (len(rows), len(task.candidates)))


def chance(task: Task, seed: int) -> Scorer:
    """A seeded order of its own for every row."""

    def scorer(rows: IntArray) -> FloatArray:
        width = len(task.candidates)
        return np.stack([np.random.default_rng((seed, int(row))).random(width) for row in rows])

    return scorer


@dataclass(frozen=True)
class Fitted:
    """The engine's scorer with the sigmoid that makes P(row accepts) of its score, and what was chosen."""

    scorer: Scorer
    calibration: Calibration
    choice: dict[str, float]


def engine(market: Market, task: Task, rng: np.random.Generator, told: Told) -> Fitted:
    """Bridge for new parties, EASE for known rows; chosen and calibrated on an inner split."""
    inner = make_inner(task, rng)
    makers = _ease_models if task.split is Split.KNOWN else _bridges(market)
    best: tuple[float, dict[str, float], Scorer] | None = None
    for choice, scorer in makers(inner, None):
        figure = float(evaluation.ndcg(find(inner, scorer).lists, INNER_K).mean())
        told(f"{choice}: inner NDCG@{INNER_K} {figure:.4f}")
        if best is None or figure > best[0]:
            best = figure, choice, scorer
    if best is None:
        raise ValueError("models: none to choose from")
    calibration = _calibrate(inner, best[2], rng)
    _, final = next(makers(task, best[1]))
    return Fitted(final, calibration, best[1])


def make_inner(task: Task, rng: np.random.Generator) -> Task:
    """The same split again inside what may be learned from; held-out parties stay out of it."""
    rows, columns = np.flatnonzero(task.learn_rows), np.flatnonzero(task.learn_columns)
    inner = make_task(sparse.csr_matrix(task.known[rows][:, columns]), task.split, rng)
    learn_rows, learn_columns = np.zeros_like(task.learn_rows), np.zeros_like(task.learn_columns)
    learn_rows[rows], learn_columns[columns] = inner.learn_rows, inner.learn_columns
    return replace(
        inner,
        known=_placed(inner.known, rows, columns, task.known.shape),
        hidden=_placed(inner.hidden, rows, columns, task.known.shape),
        rows=rows[inner.rows],
        candidates=columns[inner.candidates],
        learn_rows=learn_rows,
        learn_columns=learn_columns,
    )


def _placed(
    small: sparse.csr_matrix, rows: IntArray, columns: IntArray, shape: tuple[int, int]
) -> sparse.csr_matrix:
    entries = small.tocoo()
    return sparse.csr_matrix((entries.data, (rows[entries.row], columns[entries.col])), shape=shape)


Makers = Callable[[Task, "dict[str, float] | None"], "Iterator[tuple[dict[str, float], Scorer]]"]


def _ease_models(task: Task, only: dict[str, float] | None) -> Iterator[tuple[dict[str, float], Scorer]]:
    for penalty in (only["penalty"],) if only else EASE_PENALTY:
        model = fit_ease(task.known, penalty)

        def scorer(rows: IntArray, weights: FloatArray = model.weights) -> FloatArray:
            scores = np.asarray(task.known[rows] @ weights)
            return scores[:, task.candidates]

        yield {"penalty": penalty}, scorer


def _bridges(market: Market) -> Makers:
    """Bridges from the side that is new to the side that is known."""
    x, y = profile_vectors(market, market.rows), profile_vectors(market, market.columns)

    def makers(task: Task, only: dict[str, float] | None) -> Iterator[tuple[dict[str, float], Scorer]]:
        turned = task.split is Split.NEW_COLUMNS
        new, old = (y, x) if turned else (x, y)
        learn = task.learn_columns if turned else task.learn_rows
        known = sparse.csr_matrix((task.known.T if turned else task.known).tocsr()[learn])
        for a in (only["a"],) if only else RIDGE:
            v = fit_ridge(new[learn], known, a)
            for b in (only["b"],) if only else RIDGE:
                bridge = across(v, old, b)
                # Without a share of the bridge its penalty does not matter, so one is tried.
                shares = SHARE_OF_BRIDGE if b == RIDGE[0] else SHARE_OF_BRIDGE[1:]
                for t in (only["t"],) if only else shares:
                    yield {"a": a, "b": b, "t": t}, _bridge_scorer(task, new, old, v, bridge, t, turned)

    return makers


def _bridge_scorer(
    task: Task,
    new: sparse.csr_matrix,
    old: sparse.csr_matrix,
    v: FloatArray,
    bridge: Bridge,
    t: float,
    turned: bool,
) -> Scorer:
    """(1 − t) · xV + t · xWYᵀ, with rows and columns exchanged if the columns are the new ones."""

    def scorer(rows: IntArray) -> FloatArray:
        if turned:
            own, others = new[task.candidates], old[rows]
            return np.asarray((1.0 - t) * (own @ v[:, rows]) + t * bridge.scores(own, others)).T
        own, others = new[rows], old[task.candidates]
        return np.asarray((1.0 - t) * (own @ v[:, task.candidates]) + t * bridge.scores(own, others))

    return scorer


def _calibrate(task: Task, scorer: Scorer, rng: np.random.Generator) -> Calibration:
    """The sigmoid from scores to P(row accepts), fitted on lists of the inner split."""
    some = np.sort(rng.choice(task.rows, min(ROWS_TO_CALIBRATE, len(task.rows)), replace=False))
    scores, answers = [], []
    for rows, tile in tiles(task, scorer, some):
        ranked = np.isfinite(tile)
        scores.append(tile[ranked])
        answers.append(task.hidden[rows][:, task.candidates].toarray()[ranked])
    score, answer = np.concatenate(scores), np.concatenate(answers)
    spread = float(score.std()) or 1.0
    fitted = fit_calibration(score / spread, answer, np.ones(len(score)))
    return Calibration(fitted.slope / spread, fitted.shift)
