"""Solving a match day: the town as it is, the exact allocation and its hours (layer: services)."""

import hashlib
import json
import logging
from datetime import timedelta
from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from jobs.models import Job
from jobs.services import enqueue
from matching.choices import PairWish
from matching.engine.allocation import Timetable, timetable
from matching.engine.errors import EngineError
from matching.models import MatchDay, MatchDayPair
from matching.selectors.matchdays import Refusal, contradictions
from matching.services.matchdays.moving import require_staff, take_step
from matching.services.matchdays.report import report_of
from matching.services.matchdays.town import Progress, Town, first_moment, town_of
from matching.services.recommendations import QUEUE
from matching.states import MATCH_DAY_TRANSITIONS
from matchmaker.core.errors import Conflict

logger = logging.getLogger(__name__)

SOLVE_KIND = "matching.solve_match_day"
_TRIES = 3
_MILLION = 1_000_000
_SOLVABLE = next(row.sources for row in MATCH_DAY_TRANSITIONS if row.action == "solve")


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


def request_solve(*, actor: User, day: MatchDay) -> Job:
    """Write the job that solves the day, or solves it again after wishes changed.

    Raises NotAllowed, Conflict (wrong_state; the first contradiction among the wishes, by its own code).
    """
    require_staff(actor)
    day.refresh_from_db()
    if day.status not in _SOLVABLE:
        raise Conflict(code="wrong_state", status_now=day.status)
    for refusal in contradictions(day):
        raise refusal.as_error()
    with transaction.atomic():
        return enqueue(
            kind=SOLVE_KIND,
            key=f"matchday:{day.pk}:solve",
            args={"day_id": day.pk},
            queue=QUEUE,
            requested_by=actor,
        )


def solve_match_day(*, day_id: int, progress: Progress = _silent) -> dict[str, Any]:
    """Solve the day for the town as it is now and store pairs and report; what cannot be is told instead.

    A day that staff change meanwhile is solved again, so what is stored always fits its wishes.
    """
    for _try in range(_TRIES):
        day = MatchDay.objects.get(pk=day_id)
        if day.status not in _SOLVABLE:
            return {"day": day.pk, "status": day.status, "refused": [Refusal("wrong_state").as_json()]}
        try:
            return _solve(day, progress)
        except EngineError:
            logger.exception("match day %s cannot be solved", day.pk)
            return _refused(day, [Refusal("engine_error")])
        except Conflict as conflict:
            if conflict.code != "wrong_state":
                return _refused(day, [Refusal(conflict.code)])
    return {"day": day_id, "refused": [Refusal("changed_meanwhile").as_json()]}


def _solve(day: MatchDay, progress: Progress) -> dict[str, Any]:
    against = contradictions(day)
    if against:
        return _refused(day, against)
    # Ranking is most of the work; what follows takes about a quarter of its time.
    town = town_of(day, lambda done, total: progress(4 * done, 5 * total))
    found = timetable(town.problem, town.calendars)
    report = report_of(day, town, found)
    pairs = _pairs_of(day, town, found)
    digest = _digest(day, town, pairs)
    with transaction.atomic():
        take_step(
            "solve",
            day=day,
            actor=None,
            version=day.version,
            run=town.market.run,
            solved_at=timezone.now(),
            digest=digest,
            report=report,
        )
        _store(day, pairs)
    return {"day": day.pk, "status": day.status, "digest": digest, "pairs": len(pairs)}


def _refused(day: MatchDay, refusals: list[Refusal]) -> dict[str, Any]:
    """Keep on the day why it cannot be solved; its state stays."""
    told = [refusal.as_json() for refusal in refusals]
    MatchDay.objects.filter(pk=day.pk, status__in=_SOLVABLE, version=day.version).update(
        report=day.report | {"refused": told}, updated_at=timezone.now()
    )
    return {"day": day.pk, "status": day.status, "refused": told}


# --- pairs -------------------------------------------------------------------------------------------


def _pairs_of(day: MatchDay, town: Town, found: Timetable) -> list[MatchDayPair]:
    """Return the pairs brought together, by ids."""
    stalls, anchors, problem = town.ids("stall"), town.ids("anchor"), town.problem
    began = first_moment(day)
    return [
        MatchDayPair(
            day=day,
            stall_id=int(stalls[problem.rows[edge]]),
            anchor_id=int(anchors[problem.columns[edge]]),
            is_solved=True,
            starts_at=began + timedelta(hours=int(found.starts[edge])),
            mutual_millionths=_millionths(town.mutual[edge]),
            net_gmv_cents=int(town.net_cents[edge]),
            weight_millionths=_millionths(problem.weights[edge]),
        )
        for edge in found.chosen.tolist()
    ]


def _millionths(value: float) -> int:
    return int(np.rint(value * _MILLION))


def _digest(day: MatchDay, town: Town, pairs: list[MatchDayPair]) -> str:
    """Return sha256 over what was asked and what came of it, without ids of rows or times of computing."""
    wishes = day.pairs.exclude(wish=PairWish.NONE).order_by("stall_id", "anchor_id")
    content = {
        "settings": [
            str(getattr(day, name))
            for name in (
                "first_week_on", "weeks", "from_hour", "to_hour", "session_hours", "places", "rho",
                "newcomer_floor",
            )
        ],
        "run": town.market.run.fingerprint,
        "wishes": list(wishes.values_list("stall_id", "anchor_id", "wish")),
        "pairs": [
            [p.stall_id, p.anchor_id, p.starts_at.isoformat() if p.starts_at else "", p.weight_millionths]
            for p in pairs
        ],
    }  # fmt: skip
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _store(day: MatchDay, pairs: list[MatchDayPair]) -> None:
    """Replace the pairs of the solution before; wishes stay."""
    day.pairs.filter(wish=PairWish.NONE).delete()
    day.pairs.update(is_solved=False, starts_at=None, fault_code="", fault="")
    wished = {(pair.stall_id, pair.anchor_id): pair for pair in day.pairs.all()}
    fresh = []
    for pair in pairs:
        held = wished.get((pair.stall_id, pair.anchor_id))
        if held is None:
            fresh.append(pair)
            continue
        for name in _SOLVED:
            setattr(held, name, getattr(pair, name))
        held.save(update_fields=[*_SOLVED, "updated_at"])
    MatchDayPair.objects.bulk_create(fresh, batch_size=500)


_SOLVED = ("is_solved", "starts_at", "mutual_millionths", "net_gmv_cents", "weight_millionths")


def require_solved(day: MatchDay) -> None:
    """Raise Conflict (wrong_state) unless the day is solved as its wishes stand."""
    if day.status != "solved":
        message = _("Solve the match day first: it was never solved, or changed since.")
        raise Conflict(message, code="wrong_state", status_now=day.status)
