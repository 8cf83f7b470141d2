"""The whole town as one problem: candidate pairs, what they are worth, and what is free (layer: services)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from math import ceil

import numpy as np
from numpy.typing import NDArray

from accounts.models import Anchor, CalendarException, Holiday, Stall
from matching.choices import PairWish, Side
from matching.engine.allocation import Calendars, Problem
from matching.engine.allocation.worth import Turnover, turnover_of
from matching.engine.pairs import mutual_scores
from matching.engine.retrieval import Query, Ranked, top_k
from matching.engine.types import HOURS_A_WEEK, FloatArray, IntArray, Rule, rows_of
from matching.engine.types import Side as EngineSide
from matching.models import AnchorHour, MatchDay, StallHour, WeekLoad
from matching.policy import ANSWER_WITHIN
from matching.selectors.matchdays import weeks_of
from matching.selectors.outcomes import outcomes_for_learning
from matching.snapshot.exclusions import read_exclusions
from matching.snapshot.market import Market, current_market
from matchmaker.core import clock
from matchmaker.core.errors import Conflict
from matchmaker.core.weeks import TOWN_ZONE

BEST_OF_STALL = 200
BEST_OF_ANCHOR = 20
# Somebody who joined so lately and has never had a match of their own is a newcomer.
NEWCOMER_DAYS = 90

Progress = Callable[[int, int], None]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Town:
    """One match day for the engine; rows are stalls and columns anchors, both by ascending id."""

    market: Market
    problem: Problem
    calendars: Calendars
    mutual: FloatArray  # [e]
    net_cents: IntArray  # [e]
    turnover: Turnover
    ruled_out: dict[str, NDArray[np.uint32]]  # side -> [parties, rules + 1]

    def ids(self, side: str) -> Ids:
        """Return the ids of the parties of one side."""
        return self.market.side(side).parties.ids


def town_of(day: MatchDay, progress: Progress) -> Town:
    """Return the town as it is now, as the day wants it; `progress` counts parties ranked.

    Raises Conflict: no_engine_run, no_stall, no_anchor.
    """
    market = _market()
    of_stalls, of_anchors = _ranked(market, progress)
    rows, columns = _edges(market, of_stalls, of_anchors)
    wishes = {(p.stall_id, p.anchor_id): p.wish for p in day.pairs.exclude(wish=PairWish.NONE)}
    rows, columns, pinned, forbidden = _with_wishes(market, rows, columns, wishes)
    mutual = mutual_scores(market.model, market.stalls, market.anchors, rows, columns)
    turnover = _turnover(market)
    net_cents = turnover.expected_cents(rows, columns)
    calendars = _calendars(day, market)
    row_floor, column_floor = (_floor(day, market, side) for side in ("stall", "anchor"))
    problem = Problem(
        rows=rows,
        columns=columns,
        weights=turnover.weights(mutual, net_cents, float(day.rho)),
        row_capacity=calendars.row_weeks.sum(axis=1),
        column_capacity=calendars.column_weeks.sum(axis=1),
        pinned=pinned,
        forbidden=forbidden,
        row_floor=row_floor,
        column_floor=column_floor,
    )
    counts = {"stall": of_stalls.counts, "anchor": of_anchors.counts}
    return Town(market, problem, calendars, mutual, net_cents, turnover, counts)


def _market() -> Market:
    there = {"no_stall": Stall.objects.exists(), "no_anchor": Anchor.objects.exists()}
    for code, exists in there.items():
        if not exists:
            raise Conflict(code=code)
    market = current_market()
    if market is None:
        raise Conflict(code="no_engine_run")
    return market


# --- candidates --------------------------------------------------------------------------------------


def _ranked(market: Market, progress: Progress) -> tuple[Ranked, Ranked]:
    """Return each stall's and each anchor's best partners under every hard rule."""
    exclusions = read_exclusions()
    total = len(market.stalls) + len(market.anchors)

    def best(side: EngineSide, subjects: int, k: int, done: int) -> Ranked:
        query = Query(side, np.arange(subjects), k)
        return top_k(
            market.model, market.stalls, market.anchors, exclusions, query,
            lambda number, _total: progress(done + number, total),
        )  # fmt: skip

    return (
        best(EngineSide.STALL, len(market.stalls), BEST_OF_STALL, 0),
        best(EngineSide.ANCHOR, len(market.anchors), BEST_OF_ANCHOR, len(market.stalls)),
    )


def _edges(market: Market, of_stalls: Ranked, of_anchors: Ranked) -> tuple[IntArray, IntArray]:
    """Return the pairs on anybody's list, both sides verified, by row and column."""
    width = len(market.anchors)
    row, rank = np.nonzero(of_stalls.partner_rows >= 0)
    column, other = np.nonzero(of_anchors.partner_rows >= 0)
    keys = np.union1d(
        row * width + of_stalls.partner_rows[row, rank],
        of_anchors.partner_rows[column, other] * width + column,
    )
    rows, columns = keys // width, keys % width
    # Who is not verified has a list of its own, which a match day is not.
    both = market.stalls.parties.verified[rows] & market.anchors.parties.verified[columns]
    return rows[both], columns[both]


def _with_wishes(
    market: Market, rows: IntArray, columns: IntArray, wishes: dict[tuple[int, int], str]
) -> tuple[IntArray, IntArray, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the pairs with those added that are pinned, and which are pinned and forbidden."""
    width = len(market.anchors)
    keys = rows * width + columns
    at = {}
    for wish in (PairWish.PINNED, PairWish.FORBIDDEN):
        pairs = sorted(pair for pair, said in wishes.items() if said == wish)
        table = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
        mine = rows_of(market.stalls.parties.ids, table[:, 0])
        theirs = rows_of(market.anchors.parties.ids, table[:, 1])
        known = (mine >= 0) & (theirs >= 0)
        at[wish] = mine[known] * width + theirs[known]
    keys = np.union1d(keys, at[PairWish.PINNED])
    pinned, forbidden = (np.isin(keys, at[wish]) for wish in (PairWish.PINNED, PairWish.FORBIDDEN))
    return keys // width, keys % width, pinned, forbidden


def _turnover(market: Market) -> Turnover:
    """Return what sessions brought, as far as both sides believe it."""
    found = outcomes_for_learning().values_list(
        "booking__stall_id", "booking__session__anchor_id", "gmv_cents", "refunded_cents", "cancelled_cents"
    )
    table = np.asarray(list(found.order_by("pk")), dtype=np.int64).reshape(-1, 5)
    rows = rows_of(market.stalls.parties.ids, table[:, 0])
    columns = rows_of(market.anchors.parties.ids, table[:, 1])
    known = (rows >= 0) & (columns >= 0)
    net = table[:, 2] - table[:, 3] - table[:, 4]
    return turnover_of(
        market.stalls.parties.categories, len(market.anchors), rows[known], columns[known], net[known]
    )


def _floor(day: MatchDay, market: Market, side: str) -> IntArray:
    """Return for each party the bookings that it should get before value counts."""
    parties = market.side(side).parties
    newcomer = (parties.accepted == 0) & (parties.days_since_joined <= NEWCOMER_DAYS)
    could = newcomer & parties.verified & ~parties.archived
    return np.asarray(could * int(day.newcomer_floor), dtype=np.int64)


def main_reason(counts: NDArray[np.uint32]) -> str:
    """Return the code of the rule that ruled out most partners, empty where none did."""
    most = int(counts[1:].argmax()) + 1
    return Rule(most).code if counts[most] else ""


# --- calendars ---------------------------------------------------------------------------------------


def first_moment(day: MatchDay) -> datetime:
    """Return Monday 00:00 of the first week in the town: hour 0 of the day's timetable."""
    return datetime.combine(day.first_week_on, time(), TOWN_ZONE)


def _calendars(day: MatchDay, market: Market) -> Calendars:
    """Return the free hours of the day's weeks: weekly hours, exceptions, and what is booked already."""
    hours = day.weeks * HOURS_A_WEEK
    of_stalls = _free(day, Stall, market.stalls.parties.ids)
    of_anchors = _free(day, Anchor, market.anchors.parties.ids)
    hosts = dict(Stall.objects.values_list("pk", "hosts_at_once"))
    most = np.asarray([hosts[pk] for pk in market.stalls.parties.ids.tolist()])
    row_hosts = of_stalls * np.minimum(most, 100)[:, None]
    began, ends = first_moment(day), first_moment(day) + timedelta(hours=hours)
    for rows, at in _booked(StallHour, "stall_id", market.stalls.parties.ids, began, ends):
        row_hosts[rows, at] = max(row_hosts[rows, at] - 1, 0)
    for columns, at in _booked(AnchorHour, "anchor_id", market.anchors.parties.ids, began, ends):
        of_anchors[columns, at] = False
    return Calendars(
        row_hosts=row_hosts.astype(np.int8),
        column_free=of_anchors,
        row_weeks=_left(day, Side.STALL, Stall, market.stalls.parties.ids),
        column_weeks=_left(day, Side.ANCHOR, Anchor, market.anchors.parties.ids),
        session_hours=day.session_hours,
        places=day.places,
    )


def _free(day: MatchDay, model: type[Stall] | type[Anchor], ids: Ids) -> NDArray[np.bool_]:
    """Return [parties, hours]: what weekly hours and exceptions leave of the hours of the day."""
    text = dict(model.objects.values_list("pk", "availability"))
    joined = "".join(text[pk] for pk in ids.tolist()).encode()
    week = (np.frombuffer(joined, dtype=np.uint8) == ord("1")).reshape(len(ids), HOURS_A_WEEK)
    free = np.tile(week, (1, day.weeks))
    last = day.first_week_on + timedelta(weeks=day.weeks, days=-1)
    side = model._meta.model_name
    if side == Side.STALL:
        for on, opened in Holiday.objects.filter(on__range=(day.first_week_on, last)).values_list(
            "on", "hours"
        ):
            free[:, _hours_of(day, on)] = _flags(opened)
    exceptions = CalendarException.objects.filter(
        on__range=(day.first_week_on, last), **{f"{side}__isnull": False}
    )
    for pk, on, opened in exceptions.values_list(f"{side}_id", "on", "hours"):
        row = int(rows_of(ids, np.asarray([pk]))[0])
        if row >= 0:
            free[row, _hours_of(day, on)] = _flags(opened)
    return free & _meant(day)


def _hours_of(day: MatchDay, on: object) -> slice:
    number = (on - day.first_week_on).days  # type: ignore[operator]
    return slice(24 * number, 24 * number + 24)


def _flags(text: str) -> NDArray[np.bool_]:
    return np.asarray(np.frombuffer(text.encode(), dtype=np.uint8) == ord("1"))


def _meant(day: MatchDay) -> NDArray[np.bool_]:
    """Return [hours]: those of the day's own span that leave both sides their time for an answer."""
    hours = np.arange(day.weeks * HOURS_A_WEEK)
    ahead = clock.now() + ANSWER_WITHIN - first_moment(day)
    soonest = max(ceil(ahead.total_seconds() / 3600), 0)
    of_day = hours % 24
    return np.asarray((of_day >= day.from_hour) & (of_day < day.to_hour) & (hours >= soonest))


def _booked(
    model: type[StallHour] | type[AnchorHour], name: str, ids: Ids, began: datetime, ends: datetime
) -> list[tuple[int, int]]:
    """Return (row, hour) of every hour that is taken already."""
    taken = model.objects.filter(hour_at__gte=began, hour_at__lt=ends).values_list(name, "hour_at")
    found = [(pk, int((hour - began).total_seconds() // 3600)) for pk, hour in taken]
    rows = rows_of(ids, np.asarray([pk for pk, _hour in found], dtype=np.int64))
    return [(int(row), hour) for row, (_pk, hour) in zip(rows, found, strict=True) if row >= 0]


def _left(day: MatchDay, side: str, model: type[Stall] | type[Anchor], ids: Ids) -> IntArray:
    """Return [parties, weeks]: the bookings that each week still takes."""
    weekly = dict(model.objects.values_list("pk", "weekly_capacity"))
    left = np.repeat(np.asarray([[weekly[pk]] for pk in ids.tolist()], dtype=np.int64), day.weeks, axis=1)
    weeks = weeks_of(day)
    loads = WeekLoad.objects.filter(side=side, week_on__in=weeks, used__gt=0)
    for pk, week, used in loads.values_list("party_id", "week_on", "used"):
        row = int(rows_of(ids, np.asarray([pk]))[0])
        if row >= 0:
            left[row, weeks.index(week)] -= used
    return np.maximum(left, 0)
