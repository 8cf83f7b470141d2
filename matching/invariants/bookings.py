"""Invariant 1: bookings, sessions, hours, places and weekly capacity agree (layer: invariants)."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.choices import SessionMode
from accounts.models import Anchor, Stall
from matching.choices import MatchStatus
from matching.invariants.finding import Finding, merged, stream
from matching.invariants.words import What
from matching.models import AnchorHour, Booking, Match, Session, StallHour, WeekLoad
from matchmaker.core.weeks import hours_between, week_of

# A completed match keeps what it held: its sessions took place.
HOLDING = (MatchStatus.AGREED, MatchStatus.APPROVED, MatchStatus.COMPLETED)
HELD = Q(released_at__isnull=True)


def find_wrong_bookings(finding: Finding) -> None:
    """Report every count, hour or booking that does not fit the others."""
    _bookings_of_their_matches(finding)
    _matches_with_their_bookings(finding)
    _week_loads(finding)
    _capacities(finding)
    _places(finding)
    _overlaps(finding)
    _anchor_hours(finding)
    _stall_hours(finding)
    _hours_taken_twice(finding)
    _hosts(finding)


def _bookings_of_their_matches(finding: Finding) -> None:
    rows = Booking.objects.filter(HELD).order_by("pk")
    columns = ("pk", "stall_id", "match__stall_id", "session__anchor_id", "match__anchor_id")
    for pk, stall, own_stall, anchor, own_anchor, week_on, starts_at, status, match_id in stream(
        rows.values_list(*columns, "week_on", "session__starts_at", "match__status", "match_id")
    ):
        finding.look()
        if (stall, anchor, week_on) != (own_stall, own_anchor, week_of(starts_at)):
            finding.report(What.BOOKING_OF_OTHERS, booking=pk, match=match_id)
        if status not in HOLDING:
            finding.report(What.BOOKING_NOT_RELEASED, booking=pk, match=match_id)


def _matches_with_their_bookings(finding: Finding) -> None:
    """Compare the sessions that the terms want with those that are booked, one by one."""
    wanted = Match.objects.filter(status__in=HOLDING, terms__isnull=False).order_by("pk")
    booked = Booking.objects.filter(HELD, match__status__in=HOLDING).order_by("match_id", "pk")
    times = booked.values_list("match_id", "session__starts_at", "session__ends_at")
    by_match = ((key, sorted(row[1:] for row in rows)) for key, rows in groupby(stream(times), _first))
    for match_id, sessions, held in merged(stream(wanted.values_list("pk", "terms__sessions")), by_match):
        finding.look()
        if sessions is not None and _times(sessions) != (held or []):
            finding.report(What.BOOKINGS_MISSING, match=match_id)


def _times(sessions: list[dict[str, Any]]) -> list[tuple[datetime, datetime]]:
    moments = [(s["starts_at"], s["ends_at"]) for s in sessions]
    return sorted((datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in moments)


def _week_loads(finding: Finding) -> None:
    """Compare each week's counter with the bookings it should count; neither may be without the other."""
    for side, key in (("stall", "stall_id"), ("anchor", "session__anchor_id")):
        counted = Booking.objects.filter(HELD).values_list(key, "week_on").annotate(n=Count("pk"))
        loads = WeekLoad.objects.filter(side=side).order_by("party_id", "week_on")
        for (party, week), bookings, load in merged(
            (((party, week), n) for party, week, n in stream(counted.order_by(key, "week_on"))),
            (((row[0], row[1]), row[2:]) for row in stream(_columns(loads))),
        ):
            finding.look()
            used, capacity = load or (0, 0)
            if (bookings or 0) != used:
                ids = {"side": side, "party": party, "week": week}
                finding.report(What.LOAD_DIFFERS, **ids, counted=bookings or 0, stored=used)
            if used > capacity:
                finding.report(What.LOAD_ABOVE_CAPACITY, side=side, party=party, week=week, used=used)


def _columns(loads: QuerySet[WeekLoad]) -> Any:
    return loads.values_list("party_id", "week_on", "used", "capacity")


def _capacities(finding: Finding) -> None:
    """Report weeks above anything that the party ever offered: who offers less later keeps its bookings."""
    for side, model in (("stall", Stall), ("anchor", Anchor)):
        party: Any = model._default_manager.filter(pk=OuterRef("party_id"))
        loads = WeekLoad.objects.filter(side=side, used__gt=Subquery(party.values("weekly_capacity")))
        for pk, week, used, most in stream(
            loads.annotate(most=Subquery(_ever(model, "weekly_capacity", OuterRef("party_id"))))
            .filter(used__gt=F("most"))
            .order_by("pk")
            .values_list("party_id", "week_on", "used", "most")
        ):
            finding.report(What.LOAD_NEVER_OFFERED, side=side, party=pk, week=week, used=used, most=most)


def _ever(model: Any, name: str, party: OuterRef) -> QuerySet[Any]:
    """The largest value that the party's history knows; no row where it has no history."""
    past = model.history.filter(id=party).order_by().values("id")
    largest: QuerySet[Any] = past.annotate(most=Max(name)).values("most")
    return largest


def _places(finding: Finding) -> None:
    finding.look(Session.objects.count())
    held = Session.objects.annotate(n=Count("bookings", filter=Q(bookings__released_at__isnull=True)))
    for pk, counted, stored in stream(
        held.exclude(places_used=F("n")).order_by("pk").values_list("pk", "n", "places_used")
    ):
        finding.report(What.PLACES_DIFFER, session=pk, counted=counted, stored=stored)
    too_many = Q(n__gt=F("places")) | Q(places_used__gt=F("places")) | Q(mode=SessionMode.EXCLUSIVE, n__gt=1)
    for pk, counted in stream(held.filter(too_many).order_by("pk").values_list("pk", "n")):
        finding.report(What.PLACES_EXCEEDED, session=pk, counted=counted)


def _overlaps(finding: Finding) -> None:
    rows = Session.objects.filter(places_used__gt=0).order_by("anchor_id", "starts_at", "pk")
    last: tuple[int, datetime, int] | None = None
    for anchor, starts_at, ends_at, pk in stream(rows.values_list("anchor_id", "starts_at", "ends_at", "pk")):
        if last and last[0] == anchor and starts_at < last[1]:
            finding.report(What.SESSIONS_OVERLAP, anchor=anchor, session=pk, other=last[2])
        if not last or last[0] != anchor or ends_at > last[1]:
            last = (anchor, ends_at, pk)


def _anchor_hours(finding: Finding) -> None:
    sessions = Session.objects.order_by("pk").values_list(
        "pk", "anchor_id", "starts_at", "ends_at", "places_used"
    )
    wanted = ((pk, _hours(anchor, start, end, n > 0)) for pk, anchor, start, end, n in stream(sessions))
    taken = AnchorHour.objects.order_by("session_id", "hour_at", "pk")
    held = _taken(taken.values_list("session_id", "anchor_id", "hour_at"))
    for pk, hours, rows in merged(wanted, held):
        if (hours or []) != (rows or []):
            finding.report(What.ANCHOR_HOURS_DIFFER, session=pk)


def _stall_hours(finding: Finding) -> None:
    bookings = Booking.objects.order_by("pk").values_list(
        "pk", "stall_id", "session__starts_at", "session__ends_at", "released_at"
    )
    wanted = (
        (pk, _hours(stall, start, end, released is None))
        for pk, stall, start, end, released in stream(bookings)
    )
    taken = StallHour.objects.order_by("booking_id", "hour_at", "pk")
    held = _taken(taken.values_list("booking_id", "stall_id", "hour_at"))
    for pk, hours, rows in merged(wanted, held):
        if (hours or []) != (rows or []):
            finding.report(What.STALL_HOURS_DIFFER, booking=pk)


def _hours(party: int, starts_at: datetime, ends_at: datetime, is_held: bool) -> list[tuple[int, datetime]]:
    return [(party, hour) for hour in hours_between(starts_at, ends_at)] if is_held else []


def _taken(rows: Any) -> Iterator[tuple[int, list[tuple[int, datetime]]]]:
    """Yield each session's or booking's hours, with the party that each is taken from."""
    return ((key, [(row[1], row[2]) for row in group]) for key, group in groupby(stream(rows), _first))


def _hours_taken_twice(finding: Finding) -> None:
    anchors = AnchorHour.objects.values_list("anchor_id", "hour_at").annotate(n=Count("pk"))
    for anchor, hour, _n in stream(anchors.filter(n__gt=1).order_by("anchor_id", "hour_at")):
        finding.report(What.HOUR_TAKEN_TWICE, anchor=anchor, hour=hour)
    stalls = StallHour.objects.values_list("stall_id", "hour_at", "host_number").annotate(n=Count("pk"))
    for stall, hour, number, _n in stream(stalls.filter(n__gt=1).order_by("stall_id", "hour_at")):
        finding.report(What.HOUR_TAKEN_TWICE, stall=stall, hour=hour, host=number)


def _hosts(finding: Finding) -> None:
    """Report host numbers above anything that the stall ever allowed, and those below 1."""
    most = Subquery(_ever(Stall, "hosts_at_once", OuterRef("stall_id")))
    never = Q(host_number__gt=F("stall__hosts_at_once")) & Q(host_number__gt=F("most"))
    wrong = StallHour.objects.annotate(most=most).filter(never | Q(host_number=0))
    for stall, hour, number, allowed in stream(
        wrong.order_by("stall_id", "hour_at").values_list(
            "stall_id", "hour_at", "host_number", Coalesce("most", 0)
        )
    ):
        finding.report(What.TOO_MANY_HOSTS, stall=stall, hour=hour, host=number, most=allowed)


def _first(row: tuple[Any, ...]) -> Any:
    return row[0]
