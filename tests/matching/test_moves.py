"""Countering, withdrawing, proposing for both, and what becomes of an approved match."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from matching.models import Booking, Match, MatchEvent, Session, Terms, WeekLoad
from matching.policy import ANSWER_WITHIN
from matching.services.matches import (
    accept_match,
    approve_match,
    cancel_match,
    complete_match,
    counter_match,
    decline_match,
    fail_match,
    propose_match,
    propose_to_both,
    withdraw_match,
)
from matchmaker.core.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tests.matching.market import (
    agreed,
    make_anchor,
    make_staff,
    make_stall,
    member_of,
    proposed,
    session,
    terms,
)

pytestmark = pytest.mark.django_db


def approved(stall, anchor, *wanted):
    return approve_match(actor=make_staff(), match=agreed(stall, anchor, *wanted))


def shift_sessions(hours):
    """Bring the sessions that are booked to `hours` from now."""
    start = timezone.now() + timedelta(hours=hours)
    Session.objects.update(starts_at=start, ends_at=start + timedelta(hours=2))


def actions_of(match):
    return list(MatchEvent.objects.filter(match=match).values_list("action", flat=True))


# --- counter ---------------------------------------------------------------------------------------


def test_a_counter_offer_turns_the_question_round():
    stall, anchor = make_stall(), make_anchor()
    first = proposed(stall, anchor)
    other = terms(session(2), commission_rate=Decimal("0.2200"))
    match = counter_match(actor=member_of(anchor), match=first, terms=other, note="Better for me")
    assert (match.status, match.awaiting, match.proposed_by) == ("proposed", "stall", "stall")
    assert match.terms.number == 2 and match.terms.digest == other.digest()
    assert [version.number for version in match.versions.order_by("number")] == [1, 2]
    event = MatchEvent.objects.filter(match=match).last()
    assert (event.action, event.awaiting, event.terms_digest) == ("counter", "stall", other.digest())
    assert accept_match(actor=member_of(stall), match=match).status == "agreed"
    assert match.bookings.get().session.starts_at == session(2).starts_at, "the newer terms are booked"


def test_bargaining_may_take_many_turns_and_gives_time_anew(time_machine_at):
    stall, anchor = make_stall(), make_anchor()
    match, start = proposed(stall, anchor, session(weeks=3)), timezone.now()
    for turn in range(1, 5):
        actor = member_of(anchor if turn % 2 else stall)
        with time_machine_at(start + turn * timedelta(hours=60)):
            match = counter_match(actor=actor, match=match, terms=terms(session(turn, weeks=3)))
            assert match.deadline_at == timezone.now() + ANSWER_WITHIN
    assert match.terms.number == 5 and match.awaiting == "anchor"


def test_time_for_an_answer_ends_when_the_first_session_would_begin():
    start = timezone.now() + timedelta(hours=30)
    start = start.replace(minute=0, second=0, microsecond=0)
    soon = session().__class__(starts_at=start, ends_at=start + timedelta(hours=1))
    match = proposed(make_stall(), make_anchor(), soon)
    assert match.deadline_at == start
    assert accept_match(actor=member_of(match.anchor), match=match).deadline_at == start


def test_the_same_terms_are_no_counter_offer():
    match = proposed(make_stall(), make_anchor())
    with pytest.raises(InvalidInput) as caught:
        counter_match(actor=member_of(match.anchor), match=match, terms=terms())
    assert caught.value.code == "same_terms" and Terms.objects.count() == 1


def test_a_counter_offer_answers_the_terms_that_were_read():
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor)
    with pytest.raises(Conflict) as caught:
        counter_match(actor=member_of(anchor), match=match, terms=terms(session(1)), terms_digest="0" * 64)
    assert caught.value.code == "terms_changed" and Terms.objects.count() == 1


def test_a_counter_offer_obeys_floor_and_calendars():
    anchor = make_anchor(is_commission_floor=True, commission_rate=Decimal("0.1800"))
    stall = make_stall(availability="0" * 24 + "1" * 144)
    match = propose_match(
        actor=member_of(anchor), side="anchor", stall=stall, anchor=anchor, terms=terms(session(2))
    )
    for changes, field in (
        ({"commission_rate": Decimal("0.1700")}, "terms.commission_rate"),
        ({"sessions": (session(0),)}, "terms.sessions.0.starts_at"),
        ({"sessions": (session(weeks=-1),)}, "terms.sessions.0.starts_at"),
    ):
        with pytest.raises(InvalidInput) as caught:
            counter_match(
                actor=member_of(stall), match=match, terms=terms(**{"sessions": (session(2),)} | changes)
            )
        assert field in caught.value.fields
    assert Terms.objects.count() == 1 and actions_of(match) == ["propose"]


# --- staff -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["force", "match_day"])
def test_staff_propose_and_both_consent(origin):
    stall, anchor, staff = make_stall(), make_anchor(), make_staff()
    match = propose_to_both(
        actor=staff, stall=stall, anchor=anchor, terms=terms(), origin=origin, note="They should meet"
    )
    assert (match.status, match.awaiting, match.proposed_by) == ("proposed", "both", "staff")
    assert match.origin == origin
    half = accept_match(actor=member_of(stall), match=match)
    assert (half.status, half.awaiting) == ("proposed", "anchor") and not Booking.objects.exists()
    with pytest.raises(Conflict) as caught:
        accept_match(actor=member_of(stall), match=half)
    assert caught.value.code == "not_awaited"
    assert accept_match(actor=member_of(anchor), match=half).status == "agreed"
    assert approve_match(actor=make_staff(), match=half).status == "approved"


def test_a_counter_to_staff_asks_the_other_side_again():
    stall, anchor = make_stall(), make_anchor()
    match = propose_to_both(actor=make_staff(), stall=stall, anchor=anchor, terms=terms())
    match = accept_match(actor=member_of(stall), match=match)
    match = counter_match(actor=member_of(anchor), match=match, terms=terms(session(1)))
    assert (match.status, match.awaiting) == ("proposed", "stall"), "the yes was to other terms"


def test_one_no_to_staff_is_enough():
    stall, anchor = make_stall(), make_anchor()
    match = propose_to_both(actor=make_staff(), stall=stall, anchor=anchor, terms=terms())
    assert decline_match(actor=member_of(anchor), match=match).status == "declined"


def test_staff_skip_no_rule_and_propose_nothing_of_their_own():
    stall, anchor, insider = make_stall(), make_anchor(), make_staff()
    insider.memberships.create(merchant=stall.merchant)
    given = {"stall": stall, "anchor": anchor, "terms": terms()}
    with pytest.raises(NotAllowed) as caught:
        propose_to_both(actor=insider, **given)
    assert caught.value.code == "own_match"
    with pytest.raises(NotAllowed):
        propose_to_both(actor=make_staff("decide_match", "view_match"), **given)
    with pytest.raises(ValueError, match="side"):
        propose_to_both(actor=make_staff(), **given, origin="side")
    hidden = make_anchor(verification="pending")
    with pytest.raises(Conflict) as refused:
        propose_to_both(actor=make_staff(), **given | {"anchor": hidden})
    assert refused.value.extra["reasons"] == ["unverified"]
    assert not Match.objects.exists()


def test_a_side_that_crosses_staff_answers_them():
    stall, anchor = make_stall(), make_anchor()
    match = propose_to_both(actor=make_staff(), stall=stall, anchor=anchor, terms=terms())
    half = proposed(stall, anchor)
    assert half.pk == match.pk and (half.status, half.awaiting) == ("proposed", "anchor")
    assert proposed(stall, anchor, side="anchor").status == "agreed"


# --- withdraw, cancel, complete, fail --------------------------------------------------------------


@pytest.mark.parametrize("side", ["stall", "anchor"])
def test_either_side_withdraws_before_and_after_the_agreement(side):
    stall, anchor = make_stall(weekly_capacity=1), make_anchor(weekly_capacity=1)
    actor = member_of(stall if side == "stall" else anchor)
    first = withdraw_match(actor=actor, match=proposed(stall, anchor))
    assert (first.status, first.deadline_at) == ("withdrawn", None) and first.ended_at
    second = withdraw_match(actor=actor, match=agreed(stall, anchor), reason_code="withdraw_schedule_changed")
    assert second.status == "withdrawn" and second.pk != first.pk
    assert set(WeekLoad.objects.values_list("used", flat=True)) == {0}
    assert agreed(stall, anchor).status == "agreed", "the hours are free again"


def test_cancelling_needs_a_reason_and_frees_what_was_held():
    stall, anchor = make_stall(weekly_capacity=1), make_anchor(weekly_capacity=1)
    match = approved(stall, anchor)
    with pytest.raises(InvalidInput) as caught:
        cancel_match(actor=member_of(anchor), match=match, reason_code="")
    assert "cancel_illness" in caught.value.fields["reason_code"][0]
    ended = cancel_match(actor=member_of(anchor), match=match, reason_code="cancel_illness")
    assert ended.status == "cancelled" and ended.ended_at
    assert set(WeekLoad.objects.values_list("used", flat=True)) == {0}


def test_a_side_cancels_until_the_first_session_begins_and_staff_also_later():
    match = approved(make_stall(), make_anchor())
    shift_sessions(-1)
    with pytest.raises(Conflict) as caught:
        cancel_match(actor=member_of(match.stall), match=match, reason_code="cancel_other")
    assert caught.value.code == "session_begun" and caught.value.extra["status_now"] == "approved"
    assert cancel_match(actor=make_staff(), match=match, reason_code="cancel_other").status == "cancelled"


def test_completion_waits_for_the_end_and_keeps_the_bookings():
    match, staff = approved(make_stall(), make_anchor()), make_staff()
    for hours in (48, -1):
        shift_sessions(hours)
        with pytest.raises(Conflict) as caught:
            complete_match(actor=staff, match=match)
        assert caught.value.code == "session_to_come"
    shift_sessions(-2.01)
    done = complete_match(actor=staff, match=match)
    assert done.status == "completed" and done.ended_at
    assert done.bookings.filter(released_at__isnull=True).count() == 1
    assert set(WeekLoad.objects.values_list("used", flat=True)) == {1}


def test_failure_is_known_once_a_session_has_begun():
    match, staff = approved(make_stall(), make_anchor()), make_staff()
    with pytest.raises(Conflict) as caught:
        fail_match(actor=staff, match=match, reason_code="fail_anchor_no_show")
    assert caught.value.code == "session_to_come"
    shift_sessions(-0.5)
    with pytest.raises(InvalidInput):
        fail_match(actor=staff, match=match, reason_code="cancel_other")
    failed = fail_match(actor=staff, match=match, reason_code="fail_anchor_no_show")
    assert failed.status == "failed" and not failed.bookings.filter(released_at__isnull=True).exists()
    assert set(WeekLoad.objects.values_list("used", flat=True)) == {0}


def test_a_move_may_insist_on_the_version_that_was_read():
    stall, anchor = make_stall(), make_anchor()
    seen = proposed(stall, anchor)
    accept_match(actor=member_of(anchor), match=seen, version=seen.version)
    with pytest.raises(Conflict) as caught:
        withdraw_match(actor=member_of(stall), match=seen, version=seen.version)
    assert caught.value.code == "changed_meanwhile"
    assert caught.value.extra == {"status_now": "agreed", "awaiting_now": ""}


def test_a_stranger_learns_nothing_of_any_move():
    match = approved(make_stall(), make_anchor())
    stranger = member_of(make_stall())
    for take in (
        lambda: withdraw_match(actor=stranger, match=match),
        lambda: cancel_match(actor=stranger, match=match, reason_code="cancel_other"),
        lambda: counter_match(actor=stranger, match=match, terms=terms(session(1))),
    ):
        with pytest.raises(NotFound):
            take()
    assert actions_of(match) == ["propose", "accept", "approve"]
