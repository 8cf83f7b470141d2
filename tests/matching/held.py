"""Matches whose sessions are over, so that their outcomes can be told."""

from datetime import timedelta
from typing import Any

from django.db.models import F

from accounts.models import Anchor, Stall
from matching.models import Booking, Match, Session
from matching.services.history import PastMatch, PastMove, record_history
from matching.services.matches import approve_match
from matching.terms import WantedSession
from tests.matching.market import agreed, make_anchor, make_staff, make_stall, session, terms

FIGURES: dict[str, Any] = {
    "gmv_cents": 1_000_000, "orders": 100, "buyers": 80, "views": 6_000, "viewers": 3_000,
    "duration_seconds": 7_200, "refunded_cents": 180_000, "cancelled_cents": 100_000, "orders_cancelled": 10,
    "orders_returned": 18,
}  # fmt: skip
BETTER = FIGURES | {"gmv_cents": 1_200_000}


def held(stall: Stall | None = None, anchor: Anchor | None = None, *wanted: WantedSession) -> Match:
    """An approved match whose sessions were held three weeks before they were planned."""
    match = agreed(stall or make_stall(), anchor or make_anchor(), *wanted)
    match = approve_match(actor=make_staff(), match=match)
    sessions = Session.objects.filter(bookings__match=match)
    past = {name: F(name) - timedelta(weeks=3) for name in ("starts_at", "ends_at")}
    Session.objects.filter(pk__in=list(sessions.values_list("pk", flat=True))).update(**past)
    return Match.objects.select_related("stall__merchant", "anchor").get(pk=match.pk)


def bookings_in(match: Match) -> list[Booking]:
    """The match's bookings by time."""
    return list(match.bookings.select_related("session", "match").order_by("session__starts_at"))


def settler() -> Any:
    """One of the staff who may settle outcomes."""
    return make_staff("decide_match", "view_match", "change_outcome")


def told(stall: Stall, anchor: Anchor) -> Booking:
    """A booking of a completed match whose outcome staff settled; the pair is free for a new match."""
    wanted = session(weeks=-2)
    steps = (("propose", "stall"), ("accept", "anchor"), ("approve", "staff"), ("complete", "staff"))
    moves = tuple(PastMove(action, role, wanted.starts_at + timedelta(hours=3)) for action, role in steps)
    past = PastMatch(stall=stall, anchor=anchor, terms=terms(wanted), moves=moves, outcomes=(FIGURES,))
    [match] = record_history(actor=None, matches=[past])
    return bookings_in(match)[0]
