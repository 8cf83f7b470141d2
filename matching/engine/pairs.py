"""Given pairs in float64: what each part adds to each direction's logit, and the scores.

Layout [3 directions, parts, pairs]: sums run over whole rows, so a pair's score does not depend on
its neighbours, and equal parties tie exactly.
"""

from __future__ import annotations

import numpy as np

from matching.engine.encoding import BLOCKS
from matching.engine.model import Encoded, Model
from matching.engine.scoring import (
    COMPLETED,
    HINGES,
    PART_CODES,
    hinge_features,
    sigmoid,
    singles_of,
)
from matching.engine.types import FloatArray, IntArray, Side
from matching.engine.weights import DECISIONS

PAIRS_AT_ONCE = 8192  # keeps the products of one chunk within a few megabytes
_PART = {code: number for number, code in enumerate(PART_CODES)}


def pair_terms(
    model: Model, stalls: Encoded, anchors: Encoded, rows: IntArray, columns: IntArray
) -> FloatArray:
    """[3, parts, pairs] logits that each part adds to each direction, beside the base pair's."""
    terms = np.zeros((3, len(PART_CODES), len(rows)))
    _add_blocks(terms, model, stalls, anchors, rows, columns)
    _add_hinges(terms, model, stalls, anchors, rows, columns)
    _add_singles(terms, stalls, rows)
    _add_singles(terms, anchors, columns)
    return terms


def _add_blocks(
    terms: FloatArray, model: Model, stalls: Encoded, anchors: Encoded, rows: IntArray, columns: IntArray
) -> None:
    products = np.multiply(stalls.vectors[rows], anchors.vectors[columns], dtype=np.float64)
    similarity = np.add.reduceat(products, model.encoder.starts, axis=1).T
    for number, block in enumerate(BLOCKS):
        for direction in DECISIONS:
            scale = model.weights.block_scale[direction, number]
            terms[direction, _PART[block.part]] += scale * similarity[number]


def _add_hinges(
    terms: FloatArray, model: Model, stalls: Encoded, anchors: Encoded, rows: IntArray, columns: IntArray
) -> None:
    features = hinge_features(stalls.hinges[:, rows], anchors.hinges[:, columns])
    offsets = np.nan_to_num(features - model.weights.hinge_base[:, None], nan=0.0)
    for number, hinge in enumerate(HINGES):
        for direction in DECISIONS:
            scale = model.weights.hinge_scale[direction, number]
            terms[direction, _PART[hinge.part]] += scale * offsets[number]


def _add_singles(terms: FloatArray, encoded: Encoded, index: IntArray) -> None:
    side: Side = encoded.parties.side
    for number, single in enumerate(singles_of(side)):
        for direction in DECISIONS:
            terms[direction, _PART[single.part]] += encoded.singles[direction, number, index]
    terms[COMPLETED, _PART[f"{side}_reliability"]] += encoded.completion[index]


def directed_logits(model: Model, terms: FloatArray) -> FloatArray:
    """[3, pairs] logit of each direction."""
    return np.asarray(model.weights.biases[:, None] + terms.sum(axis=1))


def mutual_of(logits: FloatArray) -> FloatArray:
    """[pairs] product of the three probabilities."""
    probabilities = sigmoid(logits)
    return np.asarray(probabilities[0] * probabilities[1] * probabilities[2])


def pair_logits(
    model: Model, stalls: Encoded, anchors: Encoded, rows: IntArray, columns: IntArray
) -> FloatArray:
    """[3, pairs] logit of each direction in float64, computed in chunks."""
    out = np.empty((3, len(rows)))
    for start in range(0, len(rows), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        out[:, part] = directed_logits(model, pair_terms(model, stalls, anchors, rows[part], columns[part]))
    return out


def mutual_scores(
    model: Model, stalls: Encoded, anchors: Encoded, rows: IntArray, columns: IntArray
) -> FloatArray:
    """[pairs] mutual probability in float64."""
    return mutual_of(pair_logits(model, stalls, anchors, rows, columns))


def accepts_of(logits: FloatArray, decides: int) -> FloatArray:
    """[pairs] P(that side accepts) · √P(both complete) from logits [3, pairs].

    With the root of P(completed) on each side, the product of both sides is the mutual probability.
    """
    return np.asarray(sigmoid(logits[decides]) * np.sqrt(sigmoid(logits[COMPLETED])))
