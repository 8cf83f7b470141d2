"""Several hands on one outcome at one barrier: exactly one wins, on SQLite and PostgreSQL alike."""

from collections import Counter

import pytest

from matching.models import Match, MatchEvent, Outcome, OutcomeEvent
from matching.services.matches import fail_match
from matching.services.outcome_events import hash_of_outcome_event
from matching.services.outcomes import (
    confirm_outcome,
    correct_outcome,
    dispute_outcome,
    record_outcome,
    settle_outcome,
)
from tests.contention.arena import arena
from tests.matching.held import BETTER, FIGURES, bookings_in, held, settler
from tests.matching.market import make_anchor, make_staff, make_stall, member_of, session

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.serial,
]


def at_once(*calls):
    """What became of calls that start together."""
    with arena() as place:
        return place.meet(calls)


def check_chain():
    outcome = Outcome.objects.get()
    events = list(OutcomeEvent.objects.order_by("seq"))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.hash for event in events] == [hash_of_outcome_event(event, outcome) for event in events]
    assert (events[-1].to_status, len(events)) == (outcome.status, outcome.version)
    return [event.action for event in events]


@pytest.mark.parametrize("round_number", range(4))
def test_two_sides_record_at_once(round_number):
    match = held()
    [booking] = bookings_in(match)
    calls = [
        lambda a=actor: record_outcome(actor=a, booking=booking, figures=FIGURES)
        for actor in (member_of(match.stall), member_of(match.anchor)) * 2
    ]
    assert at_once(*calls) == {"ok": 1, "wrong_state": 3}
    assert check_chain() == ["record"]
    assert MatchEvent.objects.filter(action="complete").count() == 1


@pytest.mark.parametrize("round_number", range(4))
def test_confirm_dispute_correct_and_settle_at_once(round_number):
    match, staff = held(), settler()
    [booking] = bookings_in(match)
    stall, anchor = member_of(match.stall), member_of(match.anchor)
    seen = record_outcome(actor=stall, booking=booking, figures=FIGURES).version
    calls = [
        lambda: confirm_outcome(actor=anchor, booking=booking, version=seen),
        lambda: dispute_outcome(actor=anchor, booking=booking, version=seen, reason_code="dispute_other"),
        lambda: correct_outcome(actor=stall, booking=booking, version=seen, figures=BETTER),
        lambda: settle_outcome(actor=staff, booking=booking, version=seen),
    ]
    outcomes = at_once(*calls)
    assert outcomes["ok"] == 1 and sum(outcomes.values()) == 4
    assert set(outcomes) <= {"ok", "wrong_state", "changed_meanwhile"}
    assert len(check_chain()) == 2


@pytest.mark.parametrize("round_number", range(4))
def test_the_last_two_outcomes_at_once_complete_the_match_once(round_number):
    """Neither would see the other, and the match stay open for ever, if they did not take its row first."""
    match = held(make_stall(), make_anchor(), session(0), session(2), session(4))
    first, *others = bookings_in(match)
    actor = member_of(match.stall)
    record_outcome(actor=actor, booking=first, figures=FIGURES)
    calls = [lambda b=b: record_outcome(actor=actor, booking=b, figures=FIGURES) for b in others]
    assert at_once(*calls) == {"ok": 2}
    assert Match.objects.get().status == "completed"
    assert MatchEvent.objects.filter(action="complete").count() == 1


@pytest.mark.parametrize("round_number", range(4))
def test_recording_against_failing(round_number):
    """No outcome stands on a booking that was released, and no completed match is failed."""
    match, staff = held(), make_staff()
    [booking] = bookings_in(match)
    actor = member_of(match.anchor)
    outcomes = at_once(
        lambda: record_outcome(actor=actor, booking=booking, figures=FIGURES),
        lambda: fail_match(actor=staff, match=match, reason_code="fail_other"),
    )
    assert outcomes["ok"] == 1, outcomes
    booking.refresh_from_db()
    told = Outcome.objects.exists()
    assert (Match.objects.get().status, booking.released_at is None) == (
        ("completed", True) if told else ("failed", False)
    )
    assert outcomes == Counter({"ok": 1, "wrong_state" if told else "booking_released": 1})
