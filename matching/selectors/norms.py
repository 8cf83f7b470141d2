"""What terms the town's matches agree on, by category (layer: selectors).

One query reads the agreed matches of all categories in question. A norm is told only where so many parties
agreed that it gives away nobody's terms.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from numpy.typing import NDArray

from accounts.models import Stall
from matching.models import Match
from matching.policy import NORM_MATCHES_MIN, NORM_PARTIES_MIN, NORMS_OVER
from matchmaker.core import clock

TOO_FEW = "too_few"
_FOUR_DECIMALS = Decimal("0.0001")


@dataclass(frozen=True)
class Quartiles:
    """The middle of some rates, and the bounds of their middle half."""

    lower: Decimal
    median: Decimal
    upper: Decimal


@dataclass(frozen=True)
class Norm:
    """What is usual in one category; `commission` is None, and all else 0 or None, where too few agreed."""

    category: str
    matches: int = 0
    commission: Quartiles | None = None
    pure_commission_rate: Decimal | None = None
    slot_fee_median_cents: int | None = None

    @property
    def why_none(self) -> str:
        """The code of why there is no norm, empty where there is one."""
        return "" if self.commission else TOO_FEW


@dataclass(frozen=True)
class _Agreed:
    """The frozen terms of one match, and whose they are."""

    merchant_id: int
    anchor_id: int
    commission_rate: Decimal
    slot_fee_cents: int
    categories: Sequence[str]


def norms_of_stall(stall: Stall) -> list[Norm]:
    """Return the norms of each category of the stall, in its order; one query."""
    return norms_of(stall.categories)


def norms_of(categories: Iterable[str]) -> list[Norm]:
    """Return the norm of each category from the matches that agreed in the last 180 days; one query.

    A match counts in every category of its stall, whatever became of it after both said yes.
    """
    wanted = list(dict.fromkeys(categories))
    agreed = _agreed_in(wanted) if wanted else []
    return [_norm(code, [row for row in agreed if code in row.categories]) for code in wanted]


def _agreed_in(categories: Sequence[str]) -> list[_Agreed]:
    """Return the matches of stalls in one of the categories: found by the text of their JSON list."""
    names = [Q(words__contains=f'"{code}"') for code in categories]
    rows = (
        Match.objects.filter(agreed_at__gt=clock.sql_now() - NORMS_OVER, terms__isnull=False)
        .annotate(words=Cast("stall__categories", TextField()))
        .filter(Q(*names, _connector=Q.OR))
    )
    return [
        _Agreed(*row)
        for row in rows.values_list(
            "stall__merchant_id",
            "anchor_id",
            "terms__commission_rate",
            "terms__slot_fee_cents",
            "stall__categories",
        )
    ]


def _norm(category: str, agreed: Sequence[_Agreed]) -> Norm:
    if not _are_enough(agreed):
        return Norm(category)
    with_fee = [row for row in agreed if row.slot_fee_cents]
    return Norm(
        category,
        matches=len(agreed),
        commission=_quartiles(np.array([float(row.commission_rate) for row in agreed])),
        pure_commission_rate=_rate(1 - len(with_fee) / len(agreed)),
        # Else the one who pays a fee would be told by it.
        slot_fee_median_cents=_median_fee(with_fee) if _are_enough(with_fee) else None,
    )


def _are_enough(agreed: Sequence[_Agreed]) -> bool:
    """Whether a figure over these gives nobody's terms away."""
    parties = min(len({row.merchant_id for row in agreed}), len({row.anchor_id for row in agreed}))
    return len(agreed) >= NORM_MATCHES_MIN and parties >= NORM_PARTIES_MIN


def _quartiles(rates: NDArray[np.float64]) -> Quartiles:
    lower, median, upper = np.quantile(rates, [0.25, 0.5, 0.75])
    return Quartiles(_rate(lower), _rate(median), _rate(upper))


def _rate(value: float) -> Decimal:
    return Decimal(float(value)).quantize(_FOUR_DECIMALS)


def _median_fee(agreed: Sequence[_Agreed]) -> int:
    return round(float(np.median([row.slot_fee_cents for row in agreed])))
