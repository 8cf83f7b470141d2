"""What happens by itself: expiry and escalation, by the database's clock and no other."""

from datetime import date, timedelta

import pytest
import time_machine
from django.utils import timezone

from matching.models import Exclusivity, Match, MatchEvent, PairRule, Reaction, WeekLoad
from matching.policy import ANSWER_WITHIN, ESCALATED_AFTER, HIDDEN_AFTER_DECLINE
from matching.rules import check_pair
from matching.services.matches import (
    accept_match,
    approve_match,
    decline_match,
    escalate_match,
    expire_match,
    keep_deadlines,
    withdraw_match,
)
from matching.signals import match_escalated, match_moved
from matching.tasks import keep_deadlines as keep_deadlines_task
from matchmaker.celery import app
from matchmaker.core import clock
from matchmaker.core.errors import Conflict
from matchmaker.core.weeks import TOWN_ZONE
from tests.matching.market import agreed, make_anchor, make_staff, make_stall, member_of, proposed, session

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def test_a_proposal_that_nobody_answers_expires(time_machine_at):
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor, session(weeks=2))
    with time_machine_at(match.deadline_at - SECOND):
        assert keep_deadlines() == {"expired": 0, "escalated": 0}
        with pytest.raises(Conflict) as caught:
            expire_match(match=match)
        assert caught.value.code == "not_due"
    with time_machine_at(match.deadline_at):
        assert keep_deadlines() == {"expired": 1, "escalated": 0}
        assert keep_deadlines() == {"expired": 0, "escalated": 0}, "once"
    ended = Match.objects.get()
    assert (ended.status, ended.awaiting, ended.deadline_at) == ("expired", "", None) and ended.ended_at
    event = MatchEvent.objects.last()
    assert (event.action, event.actor_id, event.actor_role) == ("expire", None, "system")
    assert event.reason_code == "expire_unanswered"
    assert proposed(stall, anchor).status == "proposed", "an expired proposal hides nobody"


def test_an_agreement_without_approval_expires_when_its_first_session_begins(time_machine_at):
    stall, anchor = make_stall(), make_anchor()
    match = agreed(stall, anchor, session(day=1, weeks=2), session(day=3, weeks=2))
    with time_machine_at(match.agreed_at + ANSWER_WITHIN + timedelta(minutes=1)):
        assert keep_deadlines()["expired"] == 0, "never dropped for the delay of staff"
    with time_machine_at(session(day=1, weeks=2).starts_at):
        assert keep_deadlines()["expired"] == 1
    assert Match.objects.get().status == "expired"
    assert MatchEvent.objects.last().reason_code == "expire_unapproved"
    assert set(WeekLoad.objects.values_list("used", flat=True)) == {0}, "hours and capacity are free"


def test_an_approved_match_does_not_expire(time_machine_at):
    match = approve_match(actor=make_staff(), match=agreed(make_stall(), make_anchor()))
    with time_machine_at(session(weeks=5).starts_at):
        assert keep_deadlines() == {"expired": 0, "escalated": 0}
        with pytest.raises(Conflict) as caught:
            expire_match(match=match)
    assert caught.value.code == "wrong_state" and caught.value.extra["status_now"] == "approved"


def test_what_waits_for_staff_for_a_day_is_escalated_once(time_machine_at):
    match, heard = agreed(make_stall(), make_anchor(), session(weeks=2)), []

    def hear(match, **_):
        heard.append(match.pk)

    match_escalated.connect(hear)
    try:
        with time_machine_at(match.agreed_at + ESCALATED_AFTER - SECOND):
            assert keep_deadlines()["escalated"] == 0 and not escalate_match(match=match)
        with time_machine_at(match.agreed_at + ESCALATED_AFTER):
            assert keep_deadlines()["escalated"] == 1
            assert keep_deadlines()["escalated"] == 0
    finally:
        match_escalated.disconnect(hear)
    now = Match.objects.get()
    assert heard == [match.pk] and now.escalated_at and now.status == "agreed"


def test_what_ended_meanwhile_is_passed_over(time_machine_at, monkeypatch):
    stalls, anchor = [make_stall() for _ in range(3)], make_anchor()
    matches = [proposed(stall, anchor, session(day=n)) for n, stall in enumerate(stalls)]

    def withdraw_next(match, event, **_):
        if event.action == "expire" and not Match.objects.filter(status="withdrawn").exists():
            left = Match.objects.filter(status="proposed").order_by("-deadline_at").first()
            withdraw_match(actor=member_of(left.stall), match=left)

    match_moved.connect(withdraw_next)
    try:
        with time_machine_at(max(match.deadline_at for match in matches)):
            assert keep_deadlines()["expired"] == 2
    finally:
        match_moved.disconnect(withdraw_next)
    assert sorted(Match.objects.values_list("status", flat=True)) == ["expired", "expired", "withdrawn"]


def test_one_tick_takes_a_bounded_number(monkeypatch, time_machine_at):
    monkeypatch.setattr("matching.services.matches.deadlines.MOST_AT_ONCE", 2)
    anchor = make_anchor()
    matches = [proposed(make_stall(), anchor, session(day=n)) for n in range(3)]
    with time_machine_at(max(match.deadline_at for match in matches)):
        assert [keep_deadlines()["expired"] for _ in range(3)] == [2, 1, 0]


def test_beat_keeps_the_deadlines():
    entries = [entry["task"] for entry in app.conf.beat_schedule.values()]
    assert keep_deadlines_task.name in entries


# --- clocks ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("clock_of_the_database")
@pytest.mark.parametrize("hours", [-1, 0, 1])
def test_a_process_whose_clock_is_an_hour_wrong_moves_as_any_other(hours):
    """A deadline half an hour away is neither reached an hour early nor missed an hour late."""
    late, early = proposed(make_stall(), make_anchor()), proposed(make_stall(), make_anchor())
    now = clock.now()
    Match.objects.filter(pk=late.pk).update(deadline_at=now - timedelta(minutes=30))
    Match.objects.filter(pk=early.pk).update(deadline_at=now + timedelta(minutes=30))
    with time_machine.travel(timezone.now() + timedelta(hours=hours)):
        with pytest.raises(Conflict) as caught:
            accept_match(actor=member_of(late.anchor), match=late)
        assert caught.value.code == "deadline_passed"
        assert keep_deadlines()["expired"] == 1
        assert accept_match(actor=member_of(early.anchor), match=early).status == "agreed"
        assert abs(Match.objects.get(pk=early.pk).agreed_at - clock.now()) < timedelta(minutes=1)
    statuses = dict(Match.objects.values_list("pk", "status"))
    assert statuses == {late.pk: "expired", early.pk: "agreed"}


@pytest.mark.usefixtures("clock_of_the_database")
def test_the_town_has_one_clock_whatever_the_process_believes():
    with time_machine.travel(timezone.now() + timedelta(hours=5)):
        wrong, right = timezone.now(), clock.now()
    assert timedelta(hours=4) < wrong - right < timedelta(hours=6)
    assert right.utcoffset() == timedelta(0)


@pytest.mark.usefixtures("clock_of_the_database")
@pytest.mark.parametrize("hours", [-1, 0, 1])
def test_what_is_in_force_is_so_by_the_databases_clock(hours):
    """Half an hour before and after its end, whatever the process believes."""
    now, half = clock.now(), timedelta(minutes=30)
    pairs = [(make_stall(), make_anchor()) for _ in range(6)]
    ends = [end for end in (now - half, now + half) for _ in range(3)]
    for number, ((stall, anchor), end) in enumerate(zip(pairs, ends, strict=True)):
        pair = {"stall": stall, "anchor": anchor}
        if number % 3 == 0:
            Reaction.objects.create(side="stall", kind="pass", until=end, **pair)
        elif number % 3 == 1:
            PairRule.objects.create(kind="forbid", until=end, **pair)
        else:
            declined = decline_match(actor=member_of(anchor), match=proposed(stall, anchor))
            Match.objects.filter(pk=declined.pk).update(ended_at=end - HIDDEN_AFTER_DECLINE)
    with time_machine.travel(timezone.now() + timedelta(hours=hours)):
        found = [check_pair(stall, anchor) for stall, anchor in pairs]
    assert found == [[], [], [], ["passed"], ["forbidden"], ["declined"]]


@pytest.mark.usefixtures("clock_of_the_database")
def test_a_promise_holds_on_the_databases_day():
    today, day = clock.now().astimezone(TOWN_ZONE).date(), timedelta(days=1)
    anchor, other = make_anchor(), make_stall()
    terms = [(today - 2 * day, today - day), (today + day, today + 2 * day), (today, today)]
    for starts_on, ends_on in terms:
        assert check_pair(other, anchor) == []
        Exclusivity.objects.create(stall=make_stall(), anchor=anchor, starts_on=starts_on, ends_on=ends_on)
    with time_machine.travel(timezone.now() + timedelta(days=3)):
        assert check_pair(other, anchor) == ["exclusive_elsewhere"]


@pytest.mark.usefixtures("clock_of_the_database")
def test_verification_and_age_are_judged_on_the_databases_day():
    today, day = clock.today(), timedelta(days=1)
    born = date(today.year - 18, today.month, min(today.day, 28))  # 29 February is no day of every year
    lapses, comes_of_age = make_anchor(verified_until=today), make_anchor(birth_date=born)
    with time_machine.travel(timezone.now() + 2 * day):
        assert check_pair(make_stall(), lapses) == []
    with time_machine.travel(timezone.now() - 2 * day):
        assert check_pair(make_stall(), comes_of_age) == []
