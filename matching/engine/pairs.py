"""Given pairs in float64: what each part adds to each direction's logit, and the scores.

Layout [3 directions, parts, pairs]: sums run over whole rows, so a pair's score does not depend on
its neighbours, and equal parties tie exactly.
"""

from __future__ import annotations

import numpy as np

from matching.engine.encoding import BLOCKS
from matching.engine.model import Encoded, Model
from matching.engine.scoring import (
    ANCHOR_DECIDES,
    COMPLETED,
    HINGES,
    PART_CODES,
    STALL_DECIDES,
    hinge_features,
    sigmoid,
    singles_of,
)
from matching.engine.types import FloatArray, IntArray, Side

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
    for block, raw in zip(BLOCKS, similarity, strict=True):
        for direction in (STALL_DECIDES, ANCHOR_DECIDES):
            terms[direction, _PART[block.part]] += model.prior.block_scale[direction] * raw


def _add_hinges(
    terms: FloatArray, model: Model, stalls: Encoded, anchors: Encoded, rows: IntArray, columns: IntArray
) -> None:
    features = hinge_features(stalls.hinges[:, rows], anchors.hinges[:, columns])
    offsets = np.nan_to_num(features - model.prior.hinge_base[:, None], nan=0.0)
    for number, hinge in enumerate(HINGES):
        for direction in (STALL_DECIDES, ANCHOR_DECIDES):
            terms[direction, _PART[hinge.part]] += (
                model.prior.hinge_scale[direction, number] * offsets[number]
            )


def _add_singles(terms: FloatArray, encoded: Encoded, index: IntArray) -> None:
    side: Side = encoded.parties.side
    for single, logits in zip(singles_of(side), encoded.singles, strict=True):
        terms[single.direction, _PART[single.part]] += logits[index]
    terms[COMPLETED, _PART[f"{side}_reliability"]] += encoded.completion[index]


def directed_logits(model: Model, terms: FloatArray) -> FloatArray:
    """[3, pairs] logit of each direction."""
    return np.asarray(model.prior.biases[:, None] + terms.sum(axis=1))


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
