"""Scores as sums: the base pair's score plus one part a feature, in points and in whole numbers.

The mutual probability is M = s(l1) s(l2) s(l3) with s the logistic function and every logit linear in
the features. Along the straight line from the base pair (t = 0) to this pair (t = 1) the
Aumann-Shapley share of a feature that adds d_j to logit j is  sum_j d_j * I_j  with
I_j = integral over t of M(t) (1 - s_j(t)), so three scalar integrals a pair serve all features.
Aumann and Shapley, Values of Non-Atomic Games (1974); Gauss-Legendre quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matching.engine.model import Encoded, Model
from matching.engine.pairs import PAIRS_AT_ONCE, directed_logits, mutual_of, pair_terms
from matching.engine.parallel import run_blocks, spans
from matching.engine.results import PairExplanations
from matching.engine.scoring import PART_CODES, sigmoid
from matching.engine.types import (
    Float32Array,
    FloatArray,
    IntArray,
)

Hundredths = NDArray[np.int16]
# 16 nodes leave less than 1e-10 when no logit moves by more than 8; wider moves take more: (least, nodes).
_NODES = ((0.0, 16), (6.0, 64), (16.0, 192))


def base_score(model: Model) -> float:
    """Points of the average candidate pair."""
    return float(100.0 * np.prod(sigmoid(model.weights.biases)))


def path_integrals(biases: FloatArray, logits: FloatArray) -> FloatArray:
    """[3, pairs] I_j of the module's formula for paths from `biases` [3] to `logits` [3, pairs]."""
    moves = logits - biases[:, None]
    widest = np.abs(moves).max(axis=0, initial=0.0)
    out = np.empty_like(moves)
    for number, (least, nodes) in enumerate(_NODES):
        most = _NODES[number + 1][0] if number + 1 < len(_NODES) else np.inf
        at = (widest >= least) & (widest < most)
        if at.any():
            out[:, at] = _integrals(biases, moves[:, at], nodes)
    return out


def _integrals(biases: FloatArray, moves: FloatArray, nodes: int) -> FloatArray:
    at, weights = np.polynomial.legendre.leggauss(nodes)
    total = np.zeros_like(moves)
    for t, weight in zip((at + 1.0) / 2.0, weights / 2.0, strict=True):
        probability = sigmoid(biases[:, None] + t * moves)
        mutual = probability[0] * probability[1] * probability[2]
        total += weight * mutual * (1.0 - probability)
    return total


def hundredths_of(base: float, scores: FloatArray, parts: FloatArray) -> Hundredths:
    """int16 [pairs, parts]: parts [parts, pairs] in points rounded so that the sums hold exactly.

    round(100 base) + sum of parts = round(100 score); the largest remainders are rounded up.
    """
    whole = np.rint(100.0 * scores) - np.rint(100.0 * base)
    return largest_remainder(np.ascontiguousarray((100.0 * parts).T), whole.astype(np.int64)).astype(np.int16)


def largest_remainder(values: FloatArray, totals: IntArray) -> IntArray:
    """Integers [n, parts] near `values` whose rows sum to `totals`, ties to the first part.

    Each is the floor or the ceiling of its value as long as the total is within that reach; what a
    distant total leaves over is spread round.
    """
    floors = np.floor(values)
    missing = totals - floors.sum(axis=1).astype(np.int64)
    order = np.argsort(floors - values, axis=1, kind="stable")
    rounds, rest = np.divmod(missing, values.shape[1])
    raised = np.arange(values.shape[1]) < rest[:, None]
    whole: IntArray = floors.astype(np.int64) + rounds[:, None]
    np.put_along_axis(whole, order, np.take_along_axis(whole, order, axis=1) + raised, axis=1)
    return whole


def whole_points(base: float, score: float, hundredths: Hundredths) -> tuple[int, int, list[int]]:
    """Base, score and parts of one pair in whole points as shown; base + sum of parts = score."""
    shown_base, shown_score = _whole(base), _whole(score)
    parts = largest_remainder(
        hundredths.astype(np.float64).reshape(1, -1) / 100.0, np.array([shown_score - shown_base])
    )
    return shown_base, shown_score, [int(part) for part in parts[0]]


def _whole(points: float) -> int:
    # From the hundredths, so that the number shown rounds the number stored.
    return int((round(100.0 * points) + 50) // 100)


@dataclass(frozen=True)
class _Chunk:
    """Explanations of some pairs, parts first."""

    scores: FloatArray
    probabilities: FloatArray  # [3, pairs]
    parts: FloatArray  # [3, parts, pairs] points


def explain_chunk(
    model: Model, stalls: Encoded, anchors: Encoded, rows: IntArray, columns: IntArray
) -> _Chunk:
    """Scores and parts of pairs given by row numbers."""
    terms = pair_terms(model, stalls, anchors, rows, columns)
    logits = directed_logits(model, terms)
    shares = path_integrals(model.weights.biases, logits)
    return _Chunk(100.0 * mutual_of(logits), sigmoid(logits), 100.0 * terms * shares[:, None, :])


def explain_rows(
    model: Model, stalls: Encoded, anchors: Encoded, rows: IntArray, columns: IntArray
) -> tuple[FloatArray, Hundredths]:
    """Points [pairs] and parts in hundredths [pairs, parts] of many pairs, in two threads."""
    scores = np.empty(len(rows))
    hundredths = np.empty((len(rows), len(PART_CODES)), dtype=np.int16)
    base = base_score(model)

    def one(at: slice) -> None:
        chunk = explain_chunk(model, stalls, anchors, rows[at], columns[at])
        scores[at] = chunk.scores
        hundredths[at] = hundredths_of(base, chunk.scores, chunk.parts.sum(axis=0))

    run_blocks(one, spans(len(rows), PAIRS_AT_ONCE))
    return scores, hundredths


def confidence(stalls: Encoded, anchors: Encoded, rows: IntArray, columns: IntArray) -> Float32Array:
    """[pairs] share of history, as against the prior, in what is known of both: 0 none, towards 1."""
    return ((stalls.history[rows] + anchors.history[columns]) / 2.0).astype(np.float32)


def explain(
    model: Model, stalls: Encoded, anchors: Encoded, rows: IntArray, columns: IntArray
) -> PairExplanations:
    """Everything that staff see about these pairs, by direction."""
    chunks = [
        explain_chunk(model, stalls, anchors, rows[at], columns[at]) for at in spans(len(rows), PAIRS_AT_ONCE)
    ] or [explain_chunk(model, stalls, anchors, rows, columns)]
    scores = np.concatenate([chunk.scores for chunk in chunks])
    parts = np.concatenate([chunk.parts for chunk in chunks], axis=2)
    base = base_score(model)
    first, second, third = (float(p) for p in sigmoid(model.weights.biases))
    return PairExplanations(
        stall_ids=stalls.parties.ids[rows],
        anchor_ids=anchors.parties.ids[columns],
        scores=scores,
        base=base,
        probabilities=np.concatenate([chunk.probabilities for chunk in chunks], axis=1).T,
        base_probabilities=(first, second, third),
        parts=parts.transpose(2, 0, 1),
        hundredths=hundredths_of(base, scores, parts.sum(axis=0)),
        part_codes=PART_CODES,
        confidence=confidence(stalls, anchors, rows, columns),
    )
