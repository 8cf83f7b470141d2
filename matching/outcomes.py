"""What a session brought: which figures are possible, and what follows from them (layer: pure).

Money is whole cents, halves rounded up. A rate is a share in [0, 1] with four decimals, halves rounded up.
Whatever would be divided by nothing is None: unknown, never 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.validation.fields import Bad
from accounts.validation.values import whole_number
from matching.policy import OVERRUN_MAX
from matchmaker.core.errors import InvalidInput

# ¥100 bn, ten times the largest session that was ever in the news; far below what a bigint column holds.
MOST_CENTS = 10**13
# What an integer column of PostgreSQL holds.
MOST_COUNT = 2**31 - 1
RATE_STEPS = 10_000
NEEDED = ("gmv_cents", "orders", "buyers", "views", "viewers", "duration_seconds")


@dataclass(frozen=True)
class Figures:
    """What one booking's session brought: money in cents, people and orders as counts."""

    gmv_cents: int
    orders: int
    buyers: int
    views: int
    viewers: int
    duration_seconds: int
    refunded_cents: int = 0
    cancelled_cents: int = 0
    orders_cancelled: int = 0
    orders_returned: int = 0

    @property
    def orders_shipped(self) -> int:
        """Orders that were not cancelled before shipping."""
        return self.orders - self.orders_cancelled

    @classmethod
    def of(cls, row: Any) -> "Figures":
        """Return the figures that a row with columns of these names holds."""
        return cls(**{name: getattr(row, name) for name in FIGURES})


FIGURES = tuple(field.name for field in fields(Figures))


@dataclass(frozen=True)
class Metrics:
    """What follows from figures, by the formulas of the glossary."""

    orders_shipped: int
    net_gmv_cents: int
    gpm_cents: int | None
    uv_value_cents: int | None
    average_order_value_cents: int | None
    conversion_rate: Decimal | None
    return_rate: Decimal | None
    cancelled_before_shipping_rate: Decimal | None


def metrics_of(figures: Figures) -> Metrics:
    """Return net GMV, GPM, UV value, average order value and the rates of these figures."""
    return Metrics(
        orders_shipped=figures.orders_shipped,
        net_gmv_cents=figures.gmv_cents - figures.cancelled_cents - figures.refunded_cents,
        gpm_cents=_cents(figures.gmv_cents * 1000, figures.views),
        uv_value_cents=_cents(figures.gmv_cents, figures.viewers),
        average_order_value_cents=_cents(figures.gmv_cents, figures.buyers),
        conversion_rate=rate_of(figures.buyers, figures.viewers),
        return_rate=rate_of(figures.orders_returned, figures.orders_shipped),
        cancelled_before_shipping_rate=rate_of(figures.orders_cancelled, figures.orders),
    )


def fulfilment_rate(fulfilled: int, accepted: int) -> Decimal | None:
    """Return sessions that took place ÷ sessions that were accepted."""
    return rate_of(fulfilled, accepted)


def rate_of(part: int, whole: int) -> Decimal | None:
    """Return part ÷ whole with four decimals, None of nothing."""
    steps = _cents(part * RATE_STEPS, whole)
    return None if steps is None else Decimal(steps).scaleb(-4)


def _cents(amount: int, count: int) -> int | None:
    """Return amount ÷ count (neither negative), halves rounded up; in whole numbers, so that none is lost."""
    return (2 * amount + count) // (2 * count) if count else None


# --- what is possible ------------------------------------------------------------------------------


def limits_of(name: str) -> tuple[int, int]:
    """Return the least and the most that this figure alone can be."""
    return (1 if name == "duration_seconds" else 0), MOST_CENTS if name.endswith("_cents") else MOST_COUNT


@dataclass(frozen=True)
class _Bound:
    """`field` is at most (or at least) what the others allow; `text` says why, and names the bound."""

    field: str
    others: tuple[str, ...]
    bound: Callable[[Figures], int]
    text: Any
    is_least: bool = False

    def is_broken(self, figures: Figures) -> bool:
        value, bound = getattr(figures, self.field), self.bound(figures)
        return bool(value < bound if self.is_least else value > bound)


_BOUNDS = (
    _Bound("viewers", ("views",), lambda f: f.views,
           gettext_lazy("Every viewer is at least one view: give at most %(bound)s, the views.")),
    _Bound("viewers", ("views",), lambda f: 1 if f.views else 0,
           gettext_lazy("There were views, so give at least %(bound)s."), is_least=True),
    _Bound("buyers", ("viewers",), lambda f: f.viewers,
           gettext_lazy("Every buyer is a viewer: give at most %(bound)s, the viewers.")),
    _Bound("buyers", ("orders",), lambda f: f.orders,
           gettext_lazy("Every buyer has an order: give at most %(bound)s, the orders.")),
    _Bound("buyers", ("orders",), lambda f: 1 if f.orders else 0,
           gettext_lazy("There were orders, so give at least %(bound)s."), is_least=True),
    _Bound("gmv_cents", ("orders",), lambda f: MOST_CENTS if f.orders else 0,
           gettext_lazy("Without orders GMV is %(bound)s.")),
    _Bound("gmv_cents", ("orders",), lambda f: 1 if f.orders else 0,
           gettext_lazy("Orders count once they are paid, so give at least %(bound)s."), is_least=True),
    _Bound("orders_cancelled", ("orders",), lambda f: f.orders,
           gettext_lazy("Give at most %(bound)s, the orders.")),
    _Bound("orders_returned", ("orders", "orders_cancelled"), lambda f: max(f.orders_shipped, 0),
           gettext_lazy("Only what was shipped is returned: give at most %(bound)s, the orders less those "
                        "cancelled before shipping.")),
    _Bound("cancelled_cents", ("gmv_cents",), lambda f: f.gmv_cents,
           gettext_lazy("Give at most %(bound)s, the GMV.")),
    _Bound("cancelled_cents", ("orders_cancelled",), lambda f: MOST_CENTS if f.orders_cancelled else 0,
           gettext_lazy("No order was cancelled before shipping, so this is %(bound)s.")),
    _Bound("cancelled_cents", ("orders_cancelled",), lambda f: 1 if f.orders_cancelled else 0,
           gettext_lazy("Orders were cancelled before shipping, so give at least %(bound)s."), is_least=True),
    _Bound("refunded_cents", ("gmv_cents", "cancelled_cents"),
           lambda f: max(f.gmv_cents - f.cancelled_cents, 0),
           gettext_lazy("Give at most %(bound)s, the GMV less what was cancelled before shipping.")),
    _Bound("refunded_cents", ("orders", "orders_cancelled"),
           lambda f: MOST_CENTS if f.orders_shipped > 0 else 0,
           gettext_lazy("Nothing was shipped, so nothing was refunded after it: give %(bound)s.")),
)  # fmt: skip


def check_figures(values: Mapping[str, Any], *, planned: timedelta) -> Figures:
    """Return the figures; InvalidInput (impossible_figures) names every field that cannot be, and what can.

    `planned` is the length of the session: a broadcast may end late, by OVERRUN_MAX at most.
    """
    problems: dict[str, list[str]] = {
        str(name): [_("There is no such field.")] for name in values if name not in FIGURES
    }
    read = {name: _read(name, values, problems) for name in FIGURES}
    figures = Figures(**read)
    longest = int((planned + OVERRUN_MAX).total_seconds())
    bounds = (*_BOUNDS, _Bound("duration_seconds", (), lambda _f: longest, _TOO_LONG))
    unread = frozenset(problems)
    for bound in bounds:
        if not unread & {bound.field, *bound.others} and bound.is_broken(figures):
            told = problems.setdefault(bound.field, [])
            told.append(str(bound.text) % {"bound": bound.bound(figures)})
    if problems:
        message = _("These figures cannot be.")
        raise InvalidInput(message, code="impossible_figures", fields=problems)
    return figures


_TOO_LONG = gettext_lazy(
    "The session was planned shorter: give at most %(bound)s seconds, which leaves time for ending late."
)


def _read(name: str, values: Mapping[str, Any], problems: dict[str, list[str]]) -> int:
    """Return one figure by itself, or 0 and say in `problems` what is wrong with it."""
    if name not in values:
        if name in NEEDED:
            problems[name] = [_("This field is needed.")]
        return 0
    try:
        return whole_number(values[name], *limits_of(name))
    except Bad as bad:
        problems[name] = bad.parts[""]
        return 0
