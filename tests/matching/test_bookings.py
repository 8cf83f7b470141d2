"""Hours, places and weekly capacity: who gets them, who does not, and that they come back."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from accounts.models import Stall
from matching.models import AnchorHour, Booking, Match, Session, StallHour, WeekLoad
from matching.services.matches import accept_match, reject_match
from matchmaker.core.errors import Conflict
from matchmaker.core.weeks import week_of
from tests.matching.market import agreed, make_anchor, make_staff, make_stall, member_of, proposed, session

pytestmark = pytest.mark.django_db


def reject(match):
    return reject_match(actor=make_staff(), match=match, reason_code="reject_other")


def refused(stall, anchor, *wanted):
    """The Conflict of an acceptance that must not happen; asserts that nothing of it is kept."""
    match = proposed(stall, anchor, *wanted)
    counted = [model.objects.count() for model in (Session, Booking, AnchorHour, StallHour)]
    loads = sorted(WeekLoad.objects.values_list("side", "party_id", "week_on", "used"))
    with pytest.raises(Conflict) as caught:
        accept_match(actor=member_of(anchor), match=match)
    assert Match.objects.get(pk=match.pk).status == "proposed"
    assert [model.objects.count() for model in (Session, Booking, AnchorHour, StallHour)] == counted
    assert sorted(WeekLoad.objects.values_list("side", "party_id", "week_on", "used")) == loads
    return caught.value


def check_counters():
    """Counters equal recounts: places of sessions, hours of anchors and stalls, loads of weeks."""
    held = Booking.objects.filter(released_at__isnull=True).select_related("session", "match")
    loads = Counter()
    for booking in held:
        loads["stall", booking.stall_id, booking.week_on] += 1
        loads["anchor", booking.match.anchor_id, booking.week_on] += 1
    kept = {(w.side, w.party_id, w.week_on): w.used for w in WeekLoad.objects.filter(used__gt=0)}
    assert kept == dict(loads)
    for row in Session.objects.all():
        assert row.places_used == sum(booking.session_id == row.pk for booking in held) <= row.places
        hours = int((row.ends_at - row.starts_at).total_seconds() // 3600) if row.places_used else 0
        assert row.hours.count() == hours
    assert {hour.booking_id for hour in StallHour.objects.all()} == {booking.pk for booking in held}


def test_a_session_takes_its_hours_on_both_sides():
    stall, anchor = make_stall(), make_anchor()
    match = agreed(stall, anchor, session(length=3))
    booking = match.bookings.get()
    starts_at = session().starts_at
    assert (booking.session.starts_at, booking.week_on) == (starts_at, week_of(starts_at))
    assert AnchorHour.objects.filter(anchor=anchor).count() == 3
    assert list(StallHour.objects.values_list("host_number", flat=True)) == [1, 1, 1]
    check_counters()


def test_two_sessions_of_an_anchor_never_overlap():
    anchor = make_anchor()
    agreed(make_stall(), anchor, session(hour=20))
    error = refused(make_stall(), anchor, session(hour=21))
    assert error.code == "hour_taken"
    assert error.extra["side"] == "anchor"
    assert datetime.fromisoformat(error.extra["hour_at"]) == session(hour=20).starts_at + timedelta(hours=1)
    assert agreed(make_stall(), anchor, session(hour=22)).status == "agreed"


def test_a_stall_hosts_as_many_at_once_as_it_may():
    stall = make_stall(hosts_at_once=2)
    agreed(stall, make_anchor())
    agreed(stall, make_anchor())
    assert sorted(StallHour.objects.values_list("host_number", flat=True)) == [1, 1, 2, 2]
    error = refused(stall, make_anchor())
    assert (error.code, error.extra["side"]) == ("hour_taken", "stall")


def test_the_lowest_free_host_number_is_taken_hour_by_hour():
    stall = make_stall(hosts_at_once=2, weekly_capacity=9)
    first = agreed(stall, make_anchor(), session(hour=18, length=2))
    agreed(stall, make_anchor(), session(hour=19, length=2))
    reject(first)
    third = agreed(stall, make_anchor(), session(hour=18, length=3))
    numbers = (
        StallHour.objects.filter(booking__match=third)
        .order_by("hour_at")
        .values_list("host_number", flat=True)
    )
    assert list(numbers) == [1, 1, 2]
    check_counters()


def test_a_mixed_session_is_shared_up_to_its_places():
    anchor = make_anchor()
    mixed = session(mode="mixed", places=2)
    first, second = agreed(make_stall(), anchor, mixed), agreed(make_stall(), anchor, mixed)
    assert first.bookings.get().session == second.bookings.get().session
    assert Session.objects.get().places_used == 2 and AnchorHour.objects.count() == 2
    error = refused(make_stall(), anchor, mixed)
    assert error.code == "session_full"
    check_counters()


def test_an_exclusive_session_is_not_joined_nor_does_it_join():
    anchor = make_anchor()
    agreed(make_stall(), anchor, session(mode="mixed", places=3))
    assert refused(make_stall(), anchor, session()).code == "hour_taken"
    other = make_anchor()
    agreed(make_stall(), other, session())
    assert refused(make_stall(), other, session(mode="mixed", places=3)).code == "hour_taken"


@pytest.mark.parametrize("side", ["stall", "anchor"])
def test_capacity_is_by_the_week_and_names_side_and_week(side):
    stall = make_stall(weekly_capacity=1 if side == "stall" else 9)
    anchor = make_anchor(weekly_capacity=1 if side == "anchor" else 9)
    agreed(
        stall if side == "stall" else make_stall(), anchor if side == "anchor" else make_anchor(), session(0)
    )
    error = refused(stall, anchor, session(3))
    assert error.code == "capacity_full"
    assert error.extra == {"side": side, "week_on": week_of(session().starts_at).isoformat()}


def test_a_week_begins_on_monday_in_the_town():
    stall, anchor = make_stall(weekly_capacity=1), make_anchor()
    sunday_night, monday_morning = session(day=6, hour=23, length=1), session(day=0, hour=0, weeks=2)
    match = agreed(stall, anchor, sunday_night, monday_morning)
    assert match.bookings.values("week_on").distinct().count() == 2


def test_all_sessions_or_none():
    stall, anchor = make_stall(weekly_capacity=2), make_anchor(weekly_capacity=9)
    error = refused(stall, anchor, session(0), session(1), session(2))
    assert (error.code, error.extra["side"]) == ("capacity_full", "stall")


def test_capacity_follows_the_party():
    stall = make_stall(weekly_capacity=1)
    agreed(stall, make_anchor(), session(0))
    Stall.objects.filter(pk=stall.pk).update(weekly_capacity=2)
    agreed(stall, make_anchor(), session(1))
    load = WeekLoad.objects.get(side="stall")
    assert (load.used, load.capacity) == (2, 2)
    Stall.objects.filter(pk=stall.pk).update(weekly_capacity=1)
    assert refused(stall, make_anchor(), session(2)).code == "capacity_full"


def test_release_gives_everything_back():
    stall, anchor = make_stall(), make_anchor()
    match = reject(agreed(stall, anchor, session(0), session(2)))
    assert not AnchorHour.objects.exists() and not StallHour.objects.exists()
    assert match.bookings.filter(released_at__isnull=False).count() == 2, "the history stays"
    check_counters()
    assert agreed(stall, anchor, session(0)).status == "agreed"
    check_counters()


def test_who_leaves_a_mixed_session_frees_one_place_only():
    anchor = make_anchor()
    mixed = session(mode="mixed", places=2)
    first, second = agreed(make_stall(), anchor, mixed), agreed(make_stall(), anchor, mixed)
    reject(first)
    check_counters()
    assert AnchorHour.objects.count() == 2
    third = agreed(make_stall(), anchor, mixed)
    assert third.bookings.get().session == second.bookings.get().session
    reject(second)
    reject(third)
    assert not AnchorHour.objects.exists()
    check_counters()
