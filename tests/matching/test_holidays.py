"""A holiday closes every stall that did not say otherwise, on every path alike, and no anchor."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import CalendarException, Holiday
from matching.models import Match
from matching.queue import briefs_of
from matching.rules import closed_to
from matching.services.matches import (
    OWN_BOOKINGS,
    accept_match,
    approve_match,
    counter_match,
    propose_match,
    propose_to_both,
)
from matchmaker.core.errors import Conflict, InvalidInput
from tests.matching.market import (
    agreed,
    make_anchor,
    make_staff,
    make_stall,
    member_of,
    monday,
    proposed,
    session,
    terms,
)

pytestmark = pytest.mark.django_db
CLOSED = "0" * 24


def keep_holiday(day=0, hours=CLOSED):
    """The town closes on that day of next week, or keeps other hours."""
    on = (monday() + timedelta(days=day)).date()
    return Holiday.objects.create(on=on, name_zh="国庆节", name_en="National Day", hours=hours)


def judged(match):
    """The (side, hour) that are closed to a match: as the moves see it, which is as the queue sees it."""
    moves = [(str(side), hour) for side, _number, hour in closed_to(match.stall, match.anchor, [session()])]
    queue = [(one.side, one.hour_at) for one in briefs_of([match], ignore=OWN_BOOKINGS)[match.pk].closed]
    assert moves == queue
    return moves


def both_hours(side="stall"):
    return [(side, session().starts_at + timedelta(hours=number)) for number in range(2)]


def test_a_holiday_refuses_proposals_of_either_side_and_of_staff():
    stall, anchor = make_stall(), make_anchor()
    keep_holiday()
    for side, party in (("stall", stall), ("anchor", anchor)):
        with pytest.raises(InvalidInput) as caught:
            propose_match(actor=member_of(party), side=side, stall=stall, anchor=anchor, terms=terms())
        assert list(caught.value.fields) == ["terms.sessions.0.starts_at"]
        assert len(caught.value.fields["terms.sessions.0.starts_at"]) == 2, "one message an hour"
    with pytest.raises(InvalidInput):
        propose_to_both(actor=make_staff(), stall=stall, anchor=anchor, terms=terms())
    assert proposed(stall, anchor, session(1)).status == "proposed", "the day after is open"


def test_a_holiday_refuses_a_counter_offer_on_it():
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor, session(1))
    keep_holiday()
    with pytest.raises(InvalidInput) as caught:
        counter_match(actor=member_of(anchor), match=match, terms=terms(session(1), session(0)))
    assert list(caught.value.fields) == ["terms.sessions.1.starts_at"]


def test_a_holiday_after_the_proposal_refuses_the_acceptance():
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor)
    holiday = keep_holiday()
    with pytest.raises(Conflict) as caught:
        accept_match(actor=member_of(anchor), match=match)
    assert (caught.value.code, caught.value.extra["side"]) == ("hours_closed", "stall")
    holiday.delete()
    assert accept_match(actor=member_of(anchor), match=match).status == "agreed"


def test_a_holiday_on_booked_hours_shows_in_the_queue_and_refuses_the_approval():
    match, untouched = agreed(make_stall(), make_anchor()), agreed(make_stall(), make_anchor(), session(1))
    assert judged(match) == []
    holiday = keep_holiday()

    assert judged(match) == both_hours()
    briefs = briefs_of([match, untouched], ignore=OWN_BOOKINGS)
    assert (briefs[match.pk].has_conflict, briefs[untouched.pk].has_conflict) == (True, False)
    with pytest.raises(Conflict) as caught:
        approve_match(actor=make_staff(), match=match)
    assert caught.value.code == "hours_closed"
    match.refresh_from_db()
    assert match.status == "agreed" and match.bookings.filter(released_at__isnull=True).exists()

    holiday.delete()
    assert judged(match) == []
    assert approve_match(actor=make_staff(), match=match).status == "approved"


def test_a_holiday_takes_nothing_from_what_is_approved():
    match = agreed(make_stall(), make_anchor())
    approve_match(actor=make_staff(), match=match)
    keep_holiday()
    match.refresh_from_db()
    assert match.status == "approved" and match.bookings.get().released_at is None


def test_a_stall_with_an_exception_of_its_own_keeps_it():
    match = agreed(make_stall(), make_anchor())
    holiday = keep_holiday()
    own = CalendarException.objects.create(stall=match.stall, on=holiday.on, hours="1" * 24)
    assert judged(match) == []
    Holiday.objects.update(hours="1" * 24)
    CalendarException.objects.filter(pk=own.pk).update(hours=CLOSED)
    assert judged(match) == both_hours()


def test_the_exception_of_another_stall_or_of_the_anchor_changes_no_holiday():
    match = agreed(make_stall(), make_anchor())
    holiday = keep_holiday()
    CalendarException.objects.create(stall=make_stall(), on=holiday.on, hours="1" * 24)
    CalendarException.objects.create(anchor=match.anchor, on=holiday.on, hours="1" * 24)
    assert judged(match) == both_hours()


def test_a_holiday_is_nothing_to_an_anchor():
    match = agreed(make_stall(), make_anchor())
    holiday = keep_holiday()
    CalendarException.objects.create(stall=match.stall, on=holiday.on, hours="1" * 24)
    assert judged(match) == []
    CalendarException.objects.create(anchor=match.anchor, on=holiday.on, hours=CLOSED)
    assert judged(match) == both_hours("anchor")


def test_a_holiday_may_open_hours_that_the_week_closes_and_close_some_only():
    stall = make_stall(availability="0" * 24 + "1" * 144)  # never on Mondays
    anchor = make_anchor()
    keep_holiday(hours="0" * 20 + "1" + "0" * 3)
    match = agreed(stall, anchor, session(hour=20, length=1))
    assert match.status == "agreed"
    assert [hour for _side, _number, hour in closed_to(stall, anchor, [session()])] == [both_hours()[1][1]]


@pytest.mark.parametrize("side", ["stall", "anchor"])
def test_who_closes_the_whole_week_after_agreeing_is_closed(side):
    match = agreed(make_stall(), make_anchor())
    party = getattr(match, side)
    type(party).objects.filter(pk=party.pk).update(availability="0" * 168)
    match = Match.objects.select_related("stall", "anchor", "terms").get(pk=match.pk)
    assert judged(match) == both_hours(side)
    with pytest.raises(Conflict) as caught:
        approve_match(actor=make_staff(), match=match)
    assert caught.value.code == "hours_closed"


def test_a_session_over_midnight_meets_the_holiday_of_the_second_day():
    stall, anchor = make_stall(), make_anchor()
    keep_holiday(day=1)
    found = closed_to(stall, anchor, [session(0, 22, 4)])
    assert [hour for _side, _number, hour in found] == [
        monday() + timedelta(days=1),
        monday() + timedelta(days=1, hours=1),
    ]


def test_the_hours_of_many_matches_cost_as_much_as_those_of_one():
    keep_holiday()
    matches = [agreed(make_stall(), make_anchor(), session(day)) for day in (1, 2, 3, 4)]
    costs = []
    for some in (matches[:1], matches):
        with CaptureQueriesContext(connection) as queries:
            briefs_of(some, ignore=OWN_BOOKINGS)
        costs.append(len(queries))
    assert costs[0] == costs[1]
