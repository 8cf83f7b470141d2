"""What staff are told of a solved match day (layer: services)."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from matching.engine.allocation import (
    Timetable,
    Unmatched,
    blocking_pairs,
    gini,
    solve,
    why_unmatched,
)
from matching.engine.types import BoolArray, IntArray
from matching.models import MatchDay
from matching.services.matchdays.town import Town, main_reason

# Parties without a booking that the report names one by one, of each side; all are counted.
NAMED = 200
NO_COMMON_HOURS = "no_common_hours"
UNVERIFIED = "unverified"


def report_of(day: MatchDay, town: Town, found: Timetable) -> dict[str, Any]:
    """Return the report as JSON: the same town and wishes give the same report."""
    problem = town.problem
    chosen = found.starts >= 0
    return {
        "value": _rounded(found.value),
        "bound": _rounded(found.bound),
        "gap": _rounded(found.gap),
        "method": found.method,
        "pairs": int(chosen.sum()),
        "candidates": len(problem),
        "expected_net_gmv_cents": int((town.net_cents[chosen] * town.mutual[chosen]).sum()),
        "likely_sessions": _rounded(float(town.mutual[chosen].sum())),
        "outcomes": town.turnover.outcomes,
        "town_net_gmv_cents": int(np.rint(town.turnover.town_cents)),
        "blocking_pairs": len(blocking_pairs(problem, chosen)),
        "floor": _floor(day, town, found, chosen),
        "pins_without_hours": _pairs(town, found.without_hours),
        "sides": {
            "stall": _side(town, found, "stall", problem.rows, problem.row_capacity),
            "anchor": _side(town, found, "anchor", problem.columns, problem.column_capacity),
        },
    }


def _rounded(value: float) -> float:
    return float(np.round(value, 9))


def _pairs(town: Town, edges: IntArray) -> list[list[int]]:
    rows, columns = town.problem.rows[edges], town.problem.columns[edges]
    return [list(pair) for pair in zip(
        town.ids("stall")[rows].tolist(), town.ids("anchor")[columns].tolist(), strict=True
    )]  # fmt: skip


def _floor(day: MatchDay, town: Town, found: Timetable, chosen: BoolArray) -> dict[str, Any]:
    """Return how many newcomers there are, what they lack, and what their places cost in value."""
    problem = town.problem
    newcomers = short = 0
    for at, floor in ((problem.rows, problem.row_floor), (problem.columns, problem.column_floor)):
        newcomers += int((floor > 0).sum())
        short += int(np.maximum(floor - np.bincount(at[chosen], minlength=len(floor)), 0).sum())
    cost = 0.0
    if newcomers:
        nobody = replace(
            problem,
            row_floor=np.zeros_like(problem.row_floor),
            column_floor=np.zeros_like(problem.column_floor),
        )
        cost = max(solve(nobody).value - found.allocation.value, 0.0)
    return {
        "bookings": day.newcomer_floor,
        "newcomers": newcomers,
        "bookings_short": short,
        "cost": _rounded(cost),
    }


def _side(town: Town, found: Timetable, side: str, at: IntArray, capacity: IntArray) -> dict[str, Any]:
    """Return how full one side became, how evenly, and who went without and why."""
    got = np.bincount(at[found.chosen], minlength=len(capacity))
    reasons = _reasons(town, found, side)
    ids = town.ids(side)
    named = [
        {"id": int(ids[number]), "why": why, "rule": rule}
        for number, (why, rule) in list(reasons.items())[:NAMED]
    ]
    return {
        "parties": len(capacity),
        "booked": int((got > 0).sum()),
        "bookings_left": int(capacity.sum()),
        "gini": _rounded(gini(got[capacity > 0])),
        "unmatched": dict(sorted(Counter(why for why, _rule in reasons.values()).items())),
        "rules": dict(sorted(Counter(rule for _why, rule in reasons.values() if rule).items())),
        "named": named,
    }


def _reasons(town: Town, found: Timetable, side: str) -> dict[int, tuple[str, str]]:
    """Return number of the party -> why it got nothing, and the hard rule behind it where one is."""
    problem = town.problem
    own = problem.columns if side == "anchor" else problem.rows
    verified = town.market.side(side).parties.verified
    counts = town.ruled_out[side]
    has_hour = np.bincount(own[found.possible], minlength=len(counts)) > 0
    told = {}
    for number, why in why_unmatched(problem, found.starts >= 0, columns=side == "anchor").items():
        rule = ""
        if why is Unmatched.NO_CANDIDATE:
            rule = main_reason(counts[number]) if verified[number] else UNVERIFIED
        elif why is Unmatched.BEATEN and not has_hour[number]:
            rule = NO_COMMON_HOURS
        told[number] = (str(why), rule)
    return told
