"""Hours, places and weekly capacity of agreed matches: taken and given back (layer: services).

Every count is raised by one conditional UPDATE and every hour is one unique row, so the database decides
who gets the last one. Locks are taken in one order (sessions by time, stall hours by time, weeks by party),
so that two acceptances can wait for each other but never deadlock.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.choices import SessionMode
from accounts.models import Anchor, Stall
from matching.choices import Side
from matching.models import AnchorHour, Booking, Match, Session, StallHour, WeekLoad
from matching.terms import WantedSession, sessions_from_json
from matchmaker.core.errors import Conflict
from matchmaker.core.weeks import TOWN_ZONE, hours_between, week_of

Week = tuple[str, int, date]


def reserve(match: Match) -> list[Booking]:
    """Book every session that the terms of `match` want; all of it or nothing.

    Must run inside the transaction of the move that needs it. Raises Conflict (hour_taken,
    session_full, capacity_full) with the side, hour or week at fault; the caller's transaction rolls back.
    """
    if match.terms is None:
        raise ValueError("a match without terms has nothing to reserve")
    wanted = sorted(sessions_from_json(match.terms.sessions), key=lambda session: session.starts_at)
    bookings = [
        Booking.objects.create(
            match=match,
            session=_take_place(match.anchor, session),
            stall=match.stall,
            week_on=week_of(session.starts_at),
        )
        for session in wanted
    ]
    for booking in bookings:
        _take_stall_hours(match.stall, booking)
    _take_capacity(match.stall, match.anchor, Counter(booking.week_on for booking in bookings))
    return bookings


def release(match: Match) -> int:
    """Give back all that `match` holds; return how many bookings that were."""
    held = list(
        Booking.objects.filter(match=match, released_at__isnull=True)
        .select_related("session")
        .order_by("session__starts_at", "pk")
    )
    freed = [booking for booking in held if _mark_released(booking)]
    for booking in freed:
        _give_back_place(booking.session)
    StallHour.objects.filter(booking__in=freed).delete()
    for (side, party_id, week_on), count in _weeks_of(match, Counter(b.week_on for b in freed)):
        WeekLoad.objects.filter(side=side, party_id=party_id, week_on=week_on).update(used=F("used") - count)
    return len(freed)


def _take_place(anchor: Anchor, wanted: WantedSession) -> Session:
    """Return the session of `anchor` at the wanted hours with one more place used, made if there is none."""
    joined = _join(anchor, wanted)
    if joined:
        return joined
    try:
        with transaction.atomic():
            return _open_session(anchor, wanted)
    except IntegrityError:
        # Somebody took these hours a moment ago: perhaps for the same mixed session, then join it.
        joined = _join(anchor, wanted)
        if joined:
            return joined
        raise _hour_taken(Side.ANCHOR, wanted.starts_at) from None


def _join(anchor: Anchor, wanted: WantedSession) -> Session | None:
    """Take a place of the running mixed session of the same hours and return it; None if there is none."""
    if wanted.mode != SessionMode.MIXED:
        return None
    mixed = Session.objects.filter(anchor=anchor, mode=SessionMode.MIXED, places_used__gt=0)
    same = mixed.filter(starts_at=wanted.starts_at, ends_at=wanted.ends_at)
    for session in same:
        if same.filter(pk=session.pk, places_used__lt=F("places")).update(places_used=F("places_used") + 1):
            return session
        if same.filter(pk=session.pk).exists():
            message = _("The session has no place left.")
            raise Conflict(message, code="session_full", starts_at=wanted.starts_at.isoformat())
    return None


def _open_session(anchor: Anchor, wanted: WantedSession) -> Session:
    session = Session.objects.create(
        anchor=anchor,
        starts_at=wanted.starts_at,
        ends_at=wanted.ends_at,
        mode=wanted.mode,
        places=wanted.places,
        places_used=1,
    )
    hours = hours_between(wanted.starts_at, wanted.ends_at)
    AnchorHour.objects.bulk_create(AnchorHour(anchor=anchor, hour_at=hour, session=session) for hour in hours)
    return session


def _take_stall_hours(stall: Stall, booking: Booking) -> None:
    for hour in hours_between(booking.session.starts_at, booking.session.ends_at):
        _take_stall_hour(stall, booking, hour)


def _take_stall_hour(stall: Stall, booking: Booking, hour: datetime) -> None:
    """Take the lowest free host number of the stall at `hour`; a lost race leaves one number less to try."""
    for _attempt in range(stall.hosts_at_once):
        taken = set(StallHour.objects.filter(stall=stall, hour_at=hour).values_list("host_number", flat=True))
        free = [number for number in range(1, stall.hosts_at_once + 1) if number not in taken]
        if not free or len(taken) >= stall.hosts_at_once:
            break
        try:
            with transaction.atomic():
                StallHour.objects.create(stall=stall, hour_at=hour, host_number=free[0], booking=booking)
            return
        except IntegrityError:
            continue
    raise _hour_taken(Side.STALL, hour)


def _take_capacity(stall: Stall, anchor: Anchor, weeks: Counter[date]) -> None:
    for side, party in ((Side.ANCHOR, anchor), (Side.STALL, stall)):
        for week_on, count in sorted(weeks.items()):
            _take_week((side, party.pk, week_on), count, party.weekly_capacity)


def _take_week(week: Week, count: int, capacity: int) -> None:
    """Add `count` bookings to the week of a party while they fit into the capacity that it has today."""
    side, party_id, week_on = week
    load = WeekLoad(side=side, party_id=party_id, week_on=week_on, used=0, capacity=capacity)
    WeekLoad.objects.bulk_create([load], ignore_conflicts=True)
    rows = WeekLoad.objects.filter(side=side, party_id=party_id, week_on=week_on, used__lte=capacity - count)
    if not rows.update(used=F("used") + count, capacity=capacity):
        message = _("All bookings of the week from %(week)s are taken.") % {"week": week_on}
        raise Conflict(message, code="capacity_full", side=str(side), week_on=week_on.isoformat())


def _weeks_of(match: Match, weeks: Counter[date]) -> Iterable[tuple[Week, int]]:
    for side, party_id in ((Side.ANCHOR, match.anchor_id), (Side.STALL, match.stall_id)):
        for week_on, count in sorted(weeks.items()):
            yield (side, party_id, week_on), count


def _mark_released(booking: Booking) -> bool:
    unreleased = Booking.objects.filter(pk=booking.pk, released_at__isnull=True)
    return unreleased.update(released_at=timezone.now()) == 1


def _give_back_place(session: Session) -> None:
    """Free one place; the last one frees the hours of the anchor too."""
    Session.objects.filter(pk=session.pk).update(places_used=F("places_used") - 1)
    # The UPDATE above holds the row, so nobody can join between it and this look.
    if Session.objects.filter(pk=session.pk, places_used=0).exists():
        AnchorHour.objects.filter(session=session).delete()


def _hour_taken(side: Side, hour: datetime) -> Conflict:
    when = timezone.localtime(hour, TOWN_ZONE).strftime("%Y-%m-%d %H:%M")
    message = _("The hour from %(hour)s is taken.") % {"hour": when}
    return Conflict(message, code="hour_taken", side=str(side), hour_at=hour.isoformat())
