"""Parties as sparse vectors, made from the schema of a market folder alone.

`shared_vectors` holds what both sides say, in the same columns, for cosine similarity. `profile_vectors`
holds all that one side says, for models that learn what goes with what.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from benchmarks.market_folder import FloatArray, IntArray, Market, PartyTable
from benchmarks.pair_features import unit_rows

BINS = 8  # a number as one of this many bins of equal frequency
MOST_COLUMNS = 2_500  # the most frequent; keeps the Gram matrix of a profile small
CONSTANT = 0.3  # lets a ridge learn how often anybody is chosen


def shared_vectors(market: Market) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Same-named features of both sides: standard numbers, one-hot categories, TF-IDF of tags."""
    rows, columns = market.rows, market.columns
    blocks = []
    for name in rows.features.numbers.keys() & columns.features.numbers.keys():
        blocks.append((name, _standard(rows.features.numbers[name], columns.features.numbers[name])))
    for name in rows.features.categories.keys() & columns.features.categories.keys():
        width = len(market.levels[name])
        both = [_one_hot(table.features.categories[name], width) for table in (rows, columns)]
        blocks.append((name, (both[0], both[1])))
    for name in rows.features.tags.keys() & columns.features.tags.keys():
        blocks.append((name, _tf_idf(rows.features.tags[name], columns.features.tags[name])))
    if not blocks:
        return sparse.csr_matrix((len(rows), 1)), sparse.csr_matrix((len(columns), 1))
    blocks.sort(key=lambda block: block[0])
    first, second = (sparse.hstack([block[1][side] for block in blocks], format="csr") for side in (0, 1))
    return unit_rows(first), unit_rows(second)


def profile_vectors(market: Market, table: PartyTable) -> sparse.csr_matrix:
    """[parties, features] of one side, each of its features a block, rows of length 1 and a constant."""
    blocks = [_binned(values) for _, values in sorted(table.features.numbers.items())]
    for name, codes in sorted(table.features.categories.items()):
        blocks.append(_one_hot(codes, len(market.levels[name])))
    for _, words in sorted(table.features.tags.items()):
        blocks.append(unit_rows(_weighted(words, _idf(words))))
    constant = sparse.csr_matrix(np.full((len(table), 1), CONSTANT))
    if not blocks:
        return constant
    frequent = _most_frequent(sparse.hstack(blocks, format="csr"))
    return sparse.csr_matrix(sparse.hstack([unit_rows(frequent), constant], format="csr"))


def _most_frequent(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
    kept = np.argsort(-counts, kind="stable")[:MOST_COLUMNS]
    return matrix[:, np.sort(kept[counts[kept] > 1])]


def _standard(a: FloatArray, b: FloatArray) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    both = np.concatenate([a, b])
    known = both[~np.isnan(both)]
    mean, sd = (known.mean(), known.std()) if len(known) else (0.0, 1.0)
    first, second = (np.nan_to_num((side - mean) / (sd or 1.0))[:, None] for side in (a, b))
    return sparse.csr_matrix(first), sparse.csr_matrix(second)


def _one_hot(codes: IntArray, width: int) -> sparse.csr_matrix:
    at = np.flatnonzero(codes >= 0)
    return sparse.csr_matrix((np.ones(len(at)), (at, codes[at])), shape=(len(codes), width))


def _binned(values: FloatArray) -> sparse.csr_matrix:
    known = values[~np.isnan(values)]
    if not len(known):
        return sparse.csr_matrix((len(values), 1))
    edges = np.unique(np.quantile(known, np.linspace(0.0, 1.0, BINS + 1)[1:-1]))
    codes = np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="right"))
    return _one_hot(codes, len(edges) + 1)


def _idf(words: sparse.csr_matrix) -> FloatArray:
    counts = np.bincount(words.indices, minlength=words.shape[1])
    return np.log((1.0 + words.shape[0]) / (1.0 + counts)) + 1.0


def _weighted(words: sparse.csr_matrix, weights: FloatArray) -> sparse.csr_matrix:
    return sparse.csr_matrix(words @ sparse.diags(weights))


def _tf_idf(a: sparse.csr_matrix, b: sparse.csr_matrix) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    weights = _idf(sparse.csr_matrix(sparse.vstack([a, b])))
    return unit_rows(_weighted(a, weights)), unit_rows(_weighted(b, weights))
