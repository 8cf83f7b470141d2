"""Features of pairs, made from the schema of a market folder alone, the same list for both directions.

Of every pair: values of the party that decides (`own`) and of the one it decides about (`partner`), how
far apart and how alike they are, what one wants times what the other has, and how the whole profiles
agree. Means and spreads come from the parties that may be learned from.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from benchmarks.market_folder import FloatArray, IntArray, Market, PartyTable
from matching.engine.types import BoolArray

# How readily a family of features speaks under the one penalty: a single summary of many values more, each
# of many interactions less (the idea of hierarchical shrinkage, Gelman and Hill 2007, chapter 21).
MAIN, INTERACTION, SUMMARY = 1.0, 0.5, 2.0
FREQUENT_WORDS = 20  # tags that get a column of their own; the others count in the overlap


class Column(NamedTuple):
    """One feature of all pairs."""

    name: str
    values: FloatArray  # [pairs], NaN unknown
    bent: bool
    scale: float


@dataclass(frozen=True)
class PairTable:
    """Both directions' features of the same pairs: 0 the row decides, 1 the column decides."""

    names: tuple[str, ...]
    x: tuple[FloatArray, FloatArray]  # [pairs, f]
    bent: BoolArray  # [f]
    scale: FloatArray  # [f]


@dataclass(frozen=True)
class Roles:
    """Who decides about whom; `of_*` are the entries of the tables for each pair."""

    market: Market
    own: PartyTable
    partner: PartyTable
    of_own: IntArray  # [pairs]
    of_partner: IntArray
    learn_own: BoolArray  # [n] parties that means and spreads may come from
    learn_partner: BoolArray

    def number(self, name: str) -> tuple[FloatArray, FloatArray]:
        """[pairs] of each role, NaN where that side does not have the feature."""
        return (
            _at(self.own.features.numbers.get(name), self.of_own),
            _at(self.partner.features.numbers.get(name), self.of_partner),
        )

    def standard(self, name: str) -> tuple[FloatArray, FloatArray]:
        """The same in standard deviations from the mean of both sides."""
        seen = [
            table.features.numbers[name][learn]
            for table, learn in ((self.own, self.learn_own), (self.partner, self.learn_partner))
            if name in table.features.numbers
        ]
        mean, sd = _moments(np.concatenate(seen))
        own, partner = self.number(name)
        return (own - mean) / sd, (partner - mean) / sd


def pair_table(market: Market, row: IntArray, column: IntArray, learn: BoolArray) -> PairTable:
    """Features of the pairs (row, column); `learn` tells which pairs' parties give means and spreads."""
    known_rows = np.isin(np.arange(len(market.rows)), row[learn])
    known_columns = np.isin(np.arange(len(market.columns)), column[learn])
    first = Roles(market, market.rows, market.columns, row, column, known_rows, known_columns)
    second = Roles(market, market.columns, market.rows, column, row, known_columns, known_rows)
    made = [list(_columns(roles)) for roles in (first, second)]
    x = [np.column_stack([column.values for column in side]) for side in made]
    return PairTable(
        names=tuple(column.name for column in made[0]),
        x=(x[0], x[1]),
        bent=np.array([column.bent for column in made[0]]),
        scale=np.array([column.scale for column in made[0]]),
    )


def _columns(roles: Roles) -> Iterator[Column]:
    yield from _number_columns(roles)
    yield from _profile_columns(roles)
    yield from _category_columns(roles)
    yield from _tag_columns(roles)
    yield from _wants_columns(roles)


def _names(roles: Roles, kind: str) -> list[str]:
    """Features of a kind on either side, in an order that does not depend on who decides."""
    tables = (roles.market.rows, roles.market.columns)
    return list(dict.fromkeys(name for table in tables for name in getattr(table.features, kind)))


def _on_both(roles: Roles, kind: str) -> list[str]:
    tables = (roles.own, roles.partner)
    return [name for name in _names(roles, kind) if all(name in getattr(t.features, kind) for t in tables)]


def _number_columns(roles: Roles) -> Iterator[Column]:
    both = set(_on_both(roles, "numbers"))
    for name in _names(roles, "numbers"):
        own, partner = roles.number(name)
        yield Column(f"own:{name}", own, True, MAIN)
        yield Column(f"partner:{name}", partner, True, MAIN)
        if name in both:
            own, partner = roles.standard(name)
            yield Column(f"apart:{name}", np.abs(own - partner), False, INTERACTION)
            yield Column(f"product:{name}", own * partner, False, INTERACTION)


def _profile_columns(roles: Roles) -> Iterator[Column]:
    """Correlation and distances of the whole profiles of same-named numbers, unknown ones at the mean."""
    names = _on_both(roles, "numbers")
    if len(names) < 3:
        return
    own, partner = (np.stack(side) for side in zip(*map(roles.standard, names), strict=True))
    apart = np.nan_to_num(own - partner)
    own, partner = np.nan_to_num(own), np.nan_to_num(partner)
    yield Column("profile_correlation", _correlation(own, partner), True, SUMMARY)
    yield Column("profile_distance", np.mean(apart**2, axis=0), True, SUMMARY)
    yield Column("profile_apart", np.mean(np.abs(apart), axis=0), True, SUMMARY)


def _category_columns(roles: Roles) -> Iterator[Column]:
    both = set(_on_both(roles, "categories"))
    for name in _names(roles, "categories"):
        own = _code_at(roles.own.features.categories.get(name), roles.of_own)
        partner = _code_at(roles.partner.features.categories.get(name), roles.of_partner)
        if name in both:
            same = np.where((own < 0) | (partner < 0), np.nan, own == partner)
            yield Column(f"same:{name}", same, False, MAIN)
        for code, level in enumerate(roles.market.levels[name]):
            for role, codes in (("own", own), ("partner", partner)):
                is_level = np.where(codes < 0, np.nan, codes == code)
                yield Column(f"{role}:{name}={level}", is_level, False, INTERACTION)


def _tag_columns(roles: Roles) -> Iterator[Column]:
    both = set(_on_both(roles, "tags"))
    for name in _names(roles, "tags"):
        own, partner = roles.own.features.tags.get(name), roles.partner.features.tags.get(name)
        if name in both:
            shared = cosine_of_pairs(own, partner, roles.of_own, roles.of_partner)
            yield Column(f"alike:{name}", shared, True, SUMMARY)
        for code in _frequent(roles.market, name):
            for role, words, at in (("own", own, roles.of_own), ("partner", partner, roles.of_partner)):
                column = np.full(len(at), np.nan)
                if words is not None:
                    column = words[:, [code]].toarray()[at, 0]
                yield Column(f"{role}:{name}={roles.market.levels[name][code]}", column, False, INTERACTION)


def _frequent(market: Market, name: str) -> IntArray:
    """The most frequent words of both sides together, ties by word."""
    tables = [
        table.features.tags[name] for table in (market.rows, market.columns) if name in table.features.tags
    ]
    counts = sum(np.asarray(words.sum(axis=0)).ravel() for words in tables)
    return np.sort(np.argsort(-np.asarray(counts), kind="stable")[:FREQUENT_WORDS])


def _wants_columns(roles: Roles) -> Iterator[Column]:
    """What the decider wants times what the partner has; normalised, the share of its wishes fulfilled."""
    wants = [
        (weight, quality)
        for weight, quality in roles.market.wants
        if weight in _names(roles, "numbers") and quality in _names(roles, "numbers")
    ]
    if not wants:
        return
    weights = np.stack([roles.number(weight)[0] for weight, _ in wants])
    qualities = np.stack([roles.number(quality)[1] for _, quality in wants])
    products = weights * qualities
    for (_, quality), values in zip(wants, products, strict=True):
        yield Column(f"wants:{quality}", values, False, MAIN)
    known = ~np.isnan(products)
    total = np.where(known.any(axis=0), np.where(known, products, 0.0).sum(axis=0), np.nan)
    spent = np.where(known, weights, 0.0).sum(axis=0)
    yield Column("wants_total", total, True, SUMMARY)
    yield Column("wants_share", total / np.where(spent > 0.0, spent, np.nan), True, SUMMARY)


# --- arithmetic -------------------------------------------------------------------------------------------


def _at(values: FloatArray | None, index: IntArray) -> FloatArray:
    return np.full(len(index), np.nan) if values is None else values[index]


def _code_at(codes: IntArray | None, index: IntArray) -> IntArray:
    return np.full(len(index), -1) if codes is None else codes[index]


def _moments(values: FloatArray) -> tuple[float, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nobody says it: NaN, and so unknown for all
        mean, sd = float(np.nanmean(values)), float(np.nanstd(values))
    return mean, sd if sd > 0.0 else 1.0


def _correlation(a: FloatArray, b: FloatArray) -> FloatArray:
    """[pairs] of profiles [features, pairs]; NaN where a profile is flat."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norm = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.where(norm > 0.0, (a * b).sum(axis=0) / np.where(norm > 0.0, norm, 1.0), np.nan)


def cosine_of_pairs(a: sparse.csr_matrix, b: sparse.csr_matrix, at_a: IntArray, at_b: IntArray) -> FloatArray:
    """[pairs] cosine of rows of two sparse matrices; NaN where either row is empty."""
    a, b = unit_rows(a), unit_rows(b)
    cosine = np.asarray(a[at_a].multiply(b[at_b]).sum(axis=1)).ravel()
    empty = (np.diff(a.indptr) == 0)[at_a] | (np.diff(b.indptr) == 0)[at_b]
    return np.where(empty, np.nan, cosine)


def unit_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows of length 1, or empty."""
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1.0 / np.where(norms > 0.0, norms, 1.0)) @ matrix)
