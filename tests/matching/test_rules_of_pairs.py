"""What staff forbid: by the database's clock, and with what becomes of a match that was open."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from matching.choices import MatchStatus
from matching.models import Booking, Exclusivity, PairRule
from matching.rules import check_pair
from matching.services.matches import (
    accept_match,
    approve_match,
    decline_match,
    keep_deadlines,
    reject_match,
)
from matching.services.rules_of_pairs import (
    end_exclusivity,
    forbid_pair,
    lift_pair_rule,
    promise_exclusivity,
)
from matchmaker.core.errors import Conflict, InvalidInput
from matchmaker.core.weeks import town_today
from tests.matching.market import agreed, make_anchor, make_staff, make_stall, member_of, proposed

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def keeper():
    return make_staff("add_pairrule", "change_pairrule", "add_exclusivity", "change_exclusivity")


def forbid(keeper, match_or_pair, until=None):
    stall, anchor = match_or_pair
    return forbid_pair(actor=keeper, stall=stall, anchor=anchor, reason_code="forbid_dispute", until=until)


def test_an_open_proposal_of_a_forbidden_pair_waits_for_its_deadline(keeper):
    match = proposed(make_stall(), make_anchor())
    forbid(keeper, (match.stall, match.anchor))
    match.refresh_from_db()
    assert match.status == MatchStatus.PROPOSED
    with pytest.raises(Conflict) as caught:
        accept_match(actor=member_of(match.anchor), match=match)
    assert caught.value.extra["reasons"] == ["excluded"]
    with time_machine.travel(match.deadline_at + HOUR, tick=False):
        assert keep_deadlines()["expired"] == 1
    match.refresh_from_db()
    assert match.status == MatchStatus.EXPIRED


def test_an_open_proposal_of_a_forbidden_pair_can_still_be_declined(keeper):
    match = proposed(make_stall(), make_anchor())
    forbid(keeper, (match.stall, match.anchor))
    assert decline_match(actor=member_of(match.anchor), match=match).status == MatchStatus.DECLINED


def test_an_agreed_match_of_a_forbidden_pair_is_not_approved_and_frees_its_hours_in_the_end(keeper):
    rejected, expired = (agreed(make_stall(), make_anchor()) for _ in range(2))
    for match in (rejected, expired):
        forbid(keeper, (match.stall, match.anchor))
        with pytest.raises(Conflict) as caught:
            approve_match(actor=make_staff(), match=match)
        assert caught.value.extra["reasons"] == ["forbidden"]
    assert Booking.objects.filter(released_at__isnull=True).count() == 2
    reject_match(actor=make_staff(), match=rejected, reason_code="reject_other")
    with time_machine.travel(expired.deadline_at + HOUR, tick=False):
        assert keep_deadlines()["expired"] == 1
    assert not Booking.objects.filter(released_at__isnull=True).exists()


def test_a_proposal_may_be_accepted_once_the_rule_is_lifted(keeper):
    match = proposed(make_stall(), make_anchor())
    rule = forbid(keeper, (match.stall, match.anchor))
    lift_pair_rule(actor=keeper, rule=rule)
    assert accept_match(actor=member_of(match.anchor), match=match).status == MatchStatus.AGREED


@pytest.mark.parametrize("wrong", [-HOUR, HOUR])
def test_ends_are_kept_by_the_databases_clock(clock_of_the_database, keeper, wrong):
    now, pair = timezone.now(), (make_stall(), make_anchor())
    with time_machine.travel(now + wrong, tick=True):
        with pytest.raises(InvalidInput):
            forbid(keeper, pair, until=now - HOUR / 2)
        rule = forbid(keeper, pair, until=now + HOUR / 2)
        assert check_pair(*pair) == ["forbidden"]
        lift_pair_rule(actor=keeper, rule=rule)
        assert check_pair(*pair) == []
    ended = PairRule.objects.get().until
    assert abs(ended - now) < HOUR / 4
    lift_pair_rule(actor=keeper, rule=rule)
    assert PairRule.objects.get().until == ended, "lifting twice changes nothing"


@pytest.mark.parametrize("wrong", [-DAY, DAY])
def test_a_promise_ends_by_the_databases_clock(clock_of_the_database, keeper, wrong):
    stall, anchor, other = make_stall(), make_anchor(), make_stall()
    today = town_today()
    term = {"starts_on": today - 3 * DAY, "ends_on": today + 3 * DAY}
    promise = promise_exclusivity(actor=keeper, stall=stall, anchor=anchor, category="", **term)
    assert check_pair(other, anchor) == ["exclusive_elsewhere"]
    with time_machine.travel(timezone.now() + wrong, tick=True):
        end_exclusivity(actor=keeper, promise=promise)
        assert check_pair(other, anchor) == []
    assert Exclusivity.objects.get().ends_on == today - DAY
