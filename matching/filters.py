"""What an asker may narrow a list down to, as a mask over the partners (layer: pure)."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.types import Parties, StreamingPermit, Vocabulary

Mask = NDArray[np.bool_]
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


def _at_least(column: str) -> Callable[[Parties, Vocabulary, float], Mask]:
    def test(partners: Parties, words: Vocabulary, value: float) -> Mask:
        values = getattr(partners, column)
        return np.asarray(values >= values.dtype.type(value))  # in its own precision, or 0.2 < 0.2

    return test


def _at_most(column: str) -> Callable[[Parties, Vocabulary, float], Mask]:
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
    "price_min_cents": _at_least("price_high_cents"),
    "price_max_cents": _at_most("price_low_cents"),
    "commission_min": _at_least("commission_rate"),
    "commission_max": _at_most("commission_rate"),
    "moq_max": _at_most("moq"),
    "restock_days_max": _at_most("restock_days"),
    "return_rate_max": _at_most("return_rate"),
    "streaming_permit": _permit,
    "followers_min": _at_least("followers"),
    "followers_max": _at_most("followers"),
}
