"""What an asker may narrow a list down to, as a mask over the partners (layer: pure).

Figures that cards show as bands are asked for by band too: a filter on the figure itself would tell it in
thirty questions.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accounts.cards import COMMISSION_STEP, FOLLOWER_EDGES, RETURN_STEP
from accounts.choices import PRICE_EDGES_CENTS
from matching.engine.types import Parties, StreamingPermit, Vocabulary

Mask = NDArray[np.bool_]
COMMISSION_EDGES = tuple(percent / 100 for percent in range(0, 101, COMMISSION_STEP))
RETURN_EDGES = tuple(percent / 100 for percent in range(0, 101, RETURN_STEP))
PERMITS = {permit.name.lower(): permit for permit in StreamingPermit}


@dataclass(frozen=True)
class Filters:
    """Wishes about the partners of a list; None asks for nothing. Amounts in cents, rates in [0, 1].

    A partner that does not say a value is left out when that value is asked for.
    """

    category: str | None = None
    zone: str | None = None
    floor: int | None = None
    price_min_cents: int | None = None
    price_max_cents: int | None = None
    commission_min: float | None = None
    commission_max: float | None = None
    moq_max: int | None = None
    restock_days_max: int | None = None
    return_rate_max: float | None = None
    streaming_permit: str | None = None
    followers_min: int | None = None
    followers_max: int | None = None
    region: str | None = None
    language: str | None = None

    def given(self) -> dict[str, object]:
        """Return the wishes that are set."""
        return {spec.name: value for spec in fields(self) if (value := getattr(self, spec.name)) is not None}


def mask(filters: Filters, partners: Parties, words: Vocabulary) -> Mask:
    """Return which partners fulfil the wishes that columns can answer: all but zone and floor."""
    kept = np.ones(len(partners), dtype=np.bool_)
    for name, value in filters.given().items():
        if name in TESTS:
            kept &= TESTS[name](partners, words, value)
    return kept


def _holds(column: str, kind: str) -> Callable[[Parties, Vocabulary, str], Mask]:
    def test(partners: Parties, words: Vocabulary, code: str) -> Mask:
        codes = getattr(words, kind)
        if code not in codes:
            return np.zeros(len(partners), dtype=np.bool_)
        return np.asarray(getattr(partners, column)[:, codes.index(code)])

    return test


def _bands(
    values: NDArray[Any], edges: tuple[float, ...], *, ends_at_it: bool = False
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the band (from, to) of every value as cards show it; unknown stays NaN.

    A value on an edge begins a band, or with `ends_at_it` ends one, as the highest price does.
    """
    steps = np.asarray(edges, dtype=values.dtype)  # in its own precision, or 0.35 < 0.35
    if edges is FOLLOWER_EDGES:
        steps = np.append(steps, np.inf)  # the only band without an end
    at = np.clip(
        np.searchsorted(steps, values, side="left" if ends_at_it else "right") - 1, 0, len(steps) - 2
    )
    unknown = np.isnan(values)
    return np.where(unknown, values, steps[at]), np.where(unknown, values, steps[at + 1])


def _reaches(
    column: str, edges: tuple[float, ...], *, ends_at_it: bool = False
) -> Callable[[Parties, Vocabulary, float], Mask]:
    """The partner's band reaches above the value, or up to it where bands end at a value."""

    def test(partners: Parties, words: Vocabulary, value: float) -> Mask:
        values = getattr(partners, column)
        _low, high = _bands(values, edges, ends_at_it=ends_at_it)
        wanted = values.dtype.type(value)
        # No share is above 1; those of the last band are asked for by it.
        is_top = value >= edges[-1] and edges is not FOLLOWER_EDGES
        return np.asarray(high >= wanted if ends_at_it or is_top else high > wanted)

    return test


def _begins(
    column: str, edges: tuple[float, ...], *, at_it: bool = False
) -> Callable[[Parties, Vocabulary, float], Mask]:
    """The partner's band begins below the value; `at_it`: or there, for figures that people make round."""

    def test(partners: Parties, words: Vocabulary, value: float) -> Mask:
        values = getattr(partners, column)
        low, _high = _bands(values, edges)
        wanted = values.dtype.type(value)
        return np.asarray(low <= wanted if at_it or value <= edges[0] else low < wanted)

    return test


def _at_most(column: str) -> Callable[[Parties, Vocabulary, float], Mask]:
    """What cards show as it is."""

    def test(partners: Parties, words: Vocabulary, value: float) -> Mask:
        values = getattr(partners, column)
        return np.asarray(values <= values.dtype.type(value))

    return test


def _region(partners: Parties, words: Vocabulary, code: str) -> Mask:
    if code not in words.regions:
        return np.zeros(len(partners), dtype=np.bool_)
    return np.asarray(partners.region == words.regions.index(code))


def _permit(partners: Parties, words: Vocabulary, code: str) -> Mask:
    return np.asarray(partners.streaming_permit == PERMITS[code])


TESTS: dict[str, Callable[[Parties, Vocabulary, Any], Mask]] = {
    "category": _holds("categories", "categories"),
    "language": _holds("languages", "languages"),
    "region": _region,
    "price_min_cents": _reaches("price_high_cents", PRICE_EDGES_CENTS, ends_at_it=True),
    "price_max_cents": _begins("price_low_cents", PRICE_EDGES_CENTS),
    "commission_min": _reaches("commission_rate", COMMISSION_EDGES),
    "commission_max": _begins("commission_rate", COMMISSION_EDGES, at_it=True),
    "moq_max": _at_most("moq"),
    "restock_days_max": _at_most("restock_days"),
    "return_rate_max": _begins("return_rate", RETURN_EDGES),
    "streaming_permit": _permit,
    "followers_min": _reaches("followers", FOLLOWER_EDGES),
    "followers_max": _begins("followers", FOLLOWER_EDGES),
}
