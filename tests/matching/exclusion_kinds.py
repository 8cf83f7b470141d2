"""Everything that takes a pair out, in one table, with what looks alike and takes out nobody."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.models import Anchor, Stall
from matching.choices import MatchStatus
from matching.engine.types import Rule
from matching.models import Block, Exclusivity, Match, PairRule, Reaction, WeekLoad
from matching.services.matches import propose_to_both
from matchmaker.core.weeks import coming_weeks, town_today
from tests.matching.market import make_merchant, make_staff, make_stall, session, terms

Exclude = Callable[[Stall, Anchor], Any]
EIGHT_PM = ("0" * 20 + "1" + "0" * 3) * 7
CHEAP = [1.0] + [0.0] * 15
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


LISTS, MOVES = frozenset({"list"}), frozenset({"propose", "answer", "approve"})


@dataclass(frozen=True)
class Kind:
    """One way to take a pair out, the rule that it is told as, and where it holds."""

    rule: Rule
    exclude: Exclude
    on: frozenset[str] = LISTS | MOVES
    # Whose list loses the other: who is not verified sees its own list and is shown to nobody.
    hides_from: tuple[str, ...] = ("stall", "anchor")


# --- one of the two ------------------------------------------------------------------------------


def of_stall(**values: Any) -> Exclude:
    return lambda stall, anchor: _change(stall, values)


def of_merchant(**values: Any) -> Exclude:
    return lambda stall, anchor: _change(stall.merchant, values)


def of_anchor(**values: Any) -> Exclude:
    return lambda stall, anchor: _change(anchor, values)


def both(*excludes: Exclude) -> Exclude:
    return lambda stall, anchor: [exclude(stall, anchor) for exclude in excludes]


def _change(party: Any, values: dict[str, Any]) -> None:
    """A value that is a function is of the day of the test."""
    type(party).objects.filter(pk=party.pk).update(
        **{name: value() if callable(value) else value for name, value in values.items()}
    )


def full(side: str) -> Exclude:
    def fill(stall: Stall, anchor: Anchor) -> None:
        party = stall if side == "stall" else anchor
        for week_on in coming_weeks(timezone.now()):
            row = {"side": side, "party_id": party.pk, "week_on": week_on}
            used = {"used": party.weekly_capacity, "capacity": party.weekly_capacity}
            WeekLoad.objects.update_or_create(**row, defaults=used)

    return fill


def yesterday() -> date:
    return town_today() - DAY


# --- the pair --------------------------------------------------------------------------------------


def react(side: str, kind: str, **values: Any) -> Exclude:
    return lambda stall, anchor: Reaction.objects.create(
        side=side, kind=kind, stall=stall, anchor=anchor, **{name: make() for name, make in values.items()}
    )


def passed(side: str, left: timedelta) -> Exclude:
    return react(side, "pass", until=lambda: timezone.now() + left)


def block(side: str) -> Exclude:
    return lambda stall, anchor: Block.objects.create(side=side, merchant=stall.merchant, anchor=anchor)


def forbid(left: timedelta | None = None) -> Exclude:
    return lambda stall, anchor: PairRule.objects.create(
        kind="forbid", stall=stall, anchor=anchor, until=left and timezone.now() + left
    )


def promise(first: int, last: int, category: str = "", *, to_itself: bool = False) -> Exclude:
    """The anchor is promised to another stall from day `first` to day `last`, today being 0."""

    def make(stall: Stall, anchor: Anchor) -> None:
        today = town_today()
        Exclusivity.objects.create(
            stall=stall if to_itself else make_stall(),
            anchor=anchor,
            category=category,
            starts_on=today + first * DAY,
            ends_on=today + last * DAY,
        )

    return make


def ended(status: str, ago: timedelta) -> Exclude:
    """An earlier match of the pair, made long before it ended, touched since."""

    def make(stall: Stall, anchor: Anchor) -> None:
        match = Match.objects.create(
            stall=stall, anchor=anchor, status=status, proposed_by="stall", ended_at=timezone.now() - ago
        )
        Match.objects.filter(pk=match.pk).update(created_at=timezone.now() - 300 * DAY)

    return make


def open_match(stall: Stall, anchor: Anchor) -> None:
    propose_to_both(actor=make_staff(), stall=stall, anchor=anchor, terms=terms(session(day=6)))


KINDS: dict[str, Kind] = {
    "archived stall": Kind(Rule.ARCHIVED, of_stall(archived_at=timezone.now)),
    "archived merchant": Kind(Rule.ARCHIVED, of_merchant(archived_at=timezone.now)),
    "archived anchor": Kind(Rule.ARCHIVED, of_anchor(archived_at=timezone.now)),
    "unverified merchant": Kind(Rule.UNVERIFIED, of_merchant(verification="pending"), hides_from=("anchor",)),
    "unverified anchor": Kind(Rule.UNVERIFIED, of_anchor(verification="refused"), hides_from=("stall",)),
    "lapsed merchant": Kind(Rule.UNVERIFIED, of_merchant(verified_until=yesterday), hides_from=("anchor",)),
    "lapsed anchor": Kind(Rule.UNVERIFIED, of_anchor(verified_until=yesterday), hides_from=("stall",)),
    "expired licence": Kind(Rule.LICENCE_EXPIRED, of_merchant(licence_expires_on=yesterday)),
    "minor": Kind(Rule.UNDER_AGE, of_anchor(birth_date=lambda: town_today() - 17 * 365 * DAY)),
    "banned stall": Kind(Rule.STREAMING_BANNED, of_stall(streaming_permit="banned")),
    # What an agreed match has booked is no news to its approval.
    "full stall": Kind(Rule.CAPACITY_FULL, full("stall"), on=LISTS | {"propose", "answer"}),
    "full anchor": Kind(Rule.CAPACITY_FULL, full("anchor"), on=LISTS | {"propose", "answer"}),
    # One common hour a day, and no session of two.
    "no common hours": Kind(
        Rule.NO_COMMON_HOURS, both(of_stall(availability=EIGHT_PM), of_anchor(availability=EIGHT_PM))
    ),
    "commission below the floor": Kind(
        Rule.COMMISSION_BELOW_FLOOR, of_anchor(is_commission_floor=True, commission_rate=Decimal("0.3000"))
    ),
    "prices apart": Kind(
        Rule.PRICE_DISJOINT,
        both(of_stall(price_min_cents=400_000, price_max_cents=450_000), of_anchor(price_shares=CHEAP)),
    ),
    "MOQ": Kind(Rule.MOQ_INFEASIBLE, both(of_stall(moq=50), of_anchor(moq_max=10))),
    "stock": Kind(Rule.STOCK_INFEASIBLE, of_anchor(stock_depth_min=1_000_000)),
    "passed by the stall": Kind(Rule.PASSED, passed("stall", 30 * DAY)),
    "passed by the anchor, for a minute more": Kind(Rule.PASSED, passed("anchor", MINUTE)),
    "never by the stall": Kind(Rule.NEVER, react("stall", "never")),
    "never by the anchor": Kind(Rule.NEVER, react("anchor", "never")),
    "blocked by the merchant": Kind(Rule.BLOCKED, block("stall")),
    "blocked by the anchor": Kind(Rule.BLOCKED, block("anchor")),
    "forbidden until lifted": Kind(Rule.FORBIDDEN, forbid()),
    "forbidden for a minute more": Kind(Rule.FORBIDDEN, forbid(MINUTE)),
    "declined just now": Kind(Rule.DECLINED, ended(MatchStatus.DECLINED, timedelta())),
    "declined almost 30 days ago": Kind(Rule.DECLINED, ended(MatchStatus.DECLINED, 30 * DAY - MINUTE)),
    "promised elsewhere with everything": Kind(Rule.EXCLUSIVE_ELSEWHERE, promise(0, 0)),
    "promised elsewhere with the category": Kind(Rule.EXCLUSIVE_ELSEWHERE, promise(-9, 9, "dresses")),
    "an open match": Kind(Rule.OPEN_MATCH, open_match, on=LISTS),  # a proposal answers it
}

FREE: dict[str, Exclude] = {
    "a pass that ended": passed("stall", -MINUTE),
    "a like": react("anchor", "like"),
    "a rule that ended": forbid(-MINUTE),
    "declined 30 days ago": ended(MatchStatus.DECLINED, 30 * DAY),
    **{
        f"{status} just now": ended(status, timedelta())
        for status in MatchStatus.values
        if status not in ("proposed", "agreed", "approved", "declined")
    },
    "a promise that ended yesterday": promise(-9, -1),
    "a promise from tomorrow": promise(1, 9),
    "a promise of another category": promise(0, 9, "coats"),
    "a promise to this very stall": promise(0, 9, to_itself=True),
    "another merchant's block": lambda stall, anchor: Block.objects.create(
        side="stall", merchant=make_merchant(), anchor=anchor
    ),
}
