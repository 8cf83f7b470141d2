"""Weekly capacity by the town's week, hosts at once, the permit to stream: also as they change meanwhile."""

from datetime import UTC, date, timedelta

import pytest
from django.db import IntegrityError, transaction

from accounts.choices import StreamingPermit
from accounts.models import Anchor, Stall
from matching.models import Booking, StallHour, WeekLoad
from matching.services.matches import (
    accept_match,
    approve_match,
    counter_match,
    reject_match,
    withdraw_match,
)
from matching.terms import WantedSession
from matchmaker.core.errors import Conflict
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
SIDES = ("stall", "anchor")


class Scarce:
    """A party with little room, and as many partners as are needed, who have plenty."""

    def __init__(self, side: str, **limits: int) -> None:
        self.side = side
        self.party = make_stall(**limits) if side == "stall" else make_anchor(**limits)

    def pair(self):
        return (self.party, make_anchor()) if self.side == "stall" else (make_stall(), self.party)

    def agree(self, *wanted):
        return agreed(*self.pair(), *wanted)

    def refuse(self, *wanted):
        """The Conflict of an acceptance that must not happen; asserts that the counts stay."""
        match = proposed(*self.pair(), *wanted)
        before = self.loads()
        with pytest.raises(Conflict) as caught:
            accept_match(actor=member_of(match.anchor), match=match)
        assert self.loads() == before
        return caught.value

    def limit(self, **limits: int) -> None:
        type(self.party).objects.filter(pk=self.party.pk).update(**limits)
        self.party.refresh_from_db()

    def loads(self):
        rows = WeekLoad.objects.filter(side=self.side, party_id=self.party.pk, used__gt=0)
        return {row.week_on: row.used for row in rows.order_by("week_on")}


def check_loads():
    """Every count is within what its row allows and equals a recount of the bookings."""
    held = Booking.objects.filter(released_at__isnull=True).select_related("match", "session")
    for row in WeekLoad.objects.all():
        ids = [(b.stall_id if row.side == "stall" else b.match.anchor_id, b.week_on) for b in held]
        assert row.used == ids.count((row.party_id, row.week_on)) <= row.capacity


def week(number: int) -> date:
    return monday(number).date()


# --- the week ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    ("wanted", "counted_in"),
    [
        (session(6, 23, 1), 1),  # Sunday 23:00 to midnight
        (session(6, 23, 2), 1),  # over midnight: the week in which it begins
        (session(6, 23, 12), 1),
        (session(0, 0, 1, weeks=2), 2),  # Monday 00:00
        (session(0, 0, 1), 1),
    ],
)
def test_a_session_counts_in_the_week_of_the_town_in_which_it_begins(side, wanted, counted_in):
    one = Scarce(side)
    one.agree(wanted)
    assert one.loads() == {week(counted_in): 1}


@pytest.mark.parametrize("side", SIDES)
def test_sunday_night_and_monday_morning_take_from_two_weeks(side):
    one = Scarce(side, weekly_capacity=1)
    one.agree(session(6, 23, 2))
    assert one.refuse(session(6, 10)).extra == {"side": side, "week_on": f"{week(1)}"}
    one.agree(session(0, 1, 1, weeks=2))
    assert one.refuse(session(3, weeks=2)).extra == {"side": side, "week_on": f"{week(2)}"}
    assert one.loads() == {week(1): 1, week(2): 1}
    check_loads()


@pytest.mark.parametrize("side", SIDES)
def test_the_week_is_the_towns_in_whatever_zone_a_time_was_written(side):
    """Monday 00:00 in the town is Sunday 16:00 in Greenwich."""
    one = Scarce(side, weekly_capacity=1)
    first, last = monday(2).astimezone(UTC), (monday(2) - timedelta(hours=1)).astimezone(UTC)
    assert first.weekday() == last.weekday() == 6
    one.agree(*(WantedSession(starts_at=at, ends_at=at + timedelta(hours=1)) for at in (last, first)))
    assert one.loads() == {week(1): 1, week(2): 1}


@pytest.mark.parametrize("side", SIDES)
def test_several_sessions_of_one_match_count_each(side):
    one = Scarce(side, weekly_capacity=2)
    assert one.refuse(session(0), session(1), session(2)).code == "capacity_full"
    one.agree(session(0), session(1), session(0, weeks=2))
    assert one.loads() == {week(1): 2, week(2): 1}


# --- capacity that changes --------------------------------------------------------------------------


@pytest.mark.parametrize("side", SIDES)
def test_a_capacity_below_what_is_used_refuses_the_next_and_keeps_the_old(side):
    one = Scarce(side, weekly_capacity=3)
    old = [one.agree(session(day)) for day in range(3)]
    one.limit(weekly_capacity=1)

    assert one.refuse(session(4)).code == "capacity_full"
    assert one.loads() == {week(1): 3}
    assert approve_match(actor=make_staff(), match=old[0]).status == "approved", "it has its place"
    check_loads()

    # Room comes only once fewer are held than the new capacity.
    for match in old[1:]:
        reject_match(actor=make_staff(), match=match, reason_code="reject_other")
    assert one.refuse(session(4)).code == "capacity_full"
    one.limit(weekly_capacity=2)
    one.agree(session(4))
    row = WeekLoad.objects.get(side=side, party_id=one.party.pk)
    assert (row.used, row.capacity) == (2, 2)
    check_loads()


@pytest.mark.parametrize("side", SIDES)
def test_no_capacity_at_all_refuses_every_week(side):
    one = Scarce(side, weekly_capacity=1)
    match = proposed(*one.pair())
    one.limit(weekly_capacity=0)
    with pytest.raises(Conflict) as caught:
        accept_match(actor=member_of(match.anchor), match=match)
    assert caught.value.code == "not_eligible"
    assert caught.value.extra["reasons"] == ["capacity_full"]
    assert not WeekLoad.objects.exists()


@pytest.mark.parametrize("side", SIDES)
def test_a_higher_capacity_counts_at_once(side):
    one = Scarce(side, weekly_capacity=1)
    one.agree(session(0))
    assert one.refuse(session(1)).code == "capacity_full"
    one.limit(weekly_capacity=2)
    one.agree(session(1))
    check_loads()


def test_the_database_itself_refuses_more_than_the_capacity():
    Scarce("stall").agree(session())
    row = WeekLoad.objects.get(side="stall")
    with pytest.raises(IntegrityError), transaction.atomic():
        WeekLoad.objects.filter(pk=row.pk).update(used=row.capacity + 1)
    with pytest.raises(IntegrityError), transaction.atomic():
        WeekLoad.objects.filter(pk=row.pk).update(capacity=0)


# --- hosts at once ----------------------------------------------------------------------------------


def test_fewer_hosts_at_once_than_are_there_refuse_the_next_and_keep_the_old():
    one = Scarce("stall", hosts_at_once=2, weekly_capacity=9)
    first, second = one.agree(session()), one.agree(session())
    one.limit(hosts_at_once=1)

    error = one.refuse(session())
    assert (error.code, error.extra["side"]) == ("hour_taken", "stall")
    assert StallHour.objects.count() == 4
    assert approve_match(actor=make_staff(), match=second).status == "approved"

    # Host number 2 is still there: the hour is taken, though number 1 is free.
    reject_match(actor=make_staff(), match=first, reason_code="reject_other")
    assert set(StallHour.objects.values_list("host_number", flat=True)) == {2}
    assert one.refuse(session()).code == "hour_taken"
    one.agree(session(1))


def test_fewer_hosts_change_no_hour_at_which_there_is_room():
    one = Scarce("stall", hosts_at_once=2, weekly_capacity=9)
    one.agree(session(hour=18, length=2))
    one.agree(session(hour=19, length=2))
    one.limit(hosts_at_once=1)
    assert one.refuse(session(hour=20, length=1)).code == "hour_taken"
    one.agree(session(hour=21, length=1))


# --- the permit to stream ---------------------------------------------------------------------------


def permit(stall: Stall, value: str) -> None:
    Stall.objects.filter(pk=stall.pk).update(streaming_permit=value)
    stall.refresh_from_db()


def reasons_of(move) -> list[str]:
    with pytest.raises(Conflict) as caught:
        move()
    assert caught.value.code == "not_eligible"
    return caught.value.extra["reasons"]


def ask(stall: Stall, anchor: Anchor):
    return proposed(stall, anchor, side="anchor")


def test_a_ban_between_proposal_and_acceptance_stops_the_match_until_it_ends():
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor)
    permit(stall, StreamingPermit.BANNED)
    move = {"actor": member_of(anchor), "match": match}
    assert reasons_of(lambda: accept_match(**move)) == ["streaming_banned"]
    assert reasons_of(lambda: counter_match(**move, terms=terms(session(2)))) == ["streaming_banned"]
    assert reasons_of(lambda: proposed(stall, make_anchor())) == ["streaming_banned"]
    assert reasons_of(lambda: ask(stall, make_anchor())) == ["streaming_banned"]
    match.refresh_from_db()
    assert match.status == "proposed" and match.versions.count() == 1 and not Booking.objects.exists()
    permit(stall, StreamingPermit.PERMITTED)
    assert accept_match(**move).status == "agreed"


def test_a_ban_between_acceptance_and_approval_stops_the_approval_and_keeps_the_way_out():
    stall, anchor = make_stall(), make_anchor()
    match = agreed(stall, anchor)
    permit(stall, StreamingPermit.BANNED)
    assert reasons_of(lambda: approve_match(actor=make_staff(), match=match)) == ["streaming_banned"]
    match.refresh_from_db()
    assert match.status == "agreed" and Booking.objects.get().released_at is None
    assert withdraw_match(actor=member_of(anchor), match=match).status == "withdrawn"
    assert Booking.objects.get().released_at is not None


def test_by_invitation_an_anchor_may_no_longer_ask_and_the_stall_may_still_answer():
    stall, anchor = make_stall(), make_anchor()
    match = ask(stall, anchor)
    permit(stall, StreamingPermit.BY_INVITATION)
    assert reasons_of(lambda: ask(stall, make_anchor())) == ["by_invitation"]
    # The yes of the stall is its invitation; nothing about the pair has to be asked again at approval.
    agreed_match = accept_match(actor=member_of(stall), match=match)
    assert approve_match(actor=make_staff(), match=agreed_match).status == "approved"


def test_by_invitation_what_the_stall_proposed_goes_its_way():
    stall, anchor = make_stall(streaming_permit=StreamingPermit.BY_INVITATION), make_anchor()
    match = proposed(stall, anchor)
    countered = counter_match(actor=member_of(anchor), match=match, terms=terms(session(2)))
    assert accept_match(actor=member_of(stall), match=countered).status == "agreed"
    assert approve_match(actor=make_staff(), match=countered).status == "approved"
