"""The moves of an outcome: every status × action × actor, its chain, and the match that it completes."""

from dataclasses import asdict
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from matching.choices import OutcomeStatus
from matching.models import Booking, Match, Outcome, OutcomeEvent, Session
from matching.outcome_moves import outcome_actions, outcome_role, outcome_transition
from matching.outcomes import Figures
from matching.selectors.outcomes import due_bookings, fulfilment_of, outcomes_for_learning
from matching.services.matches import approve_match, cancel_match, complete_match, fail_match
from matching.services.outcome_events import hash_of_outcome_event
from matching.services.outcomes import (
    confirm_outcome,
    correct_outcome,
    dispute_outcome,
    record_outcome,
    settle_outcome,
)
from matching.signals import match_moved, outcome_changed
from matching.states import OUTCOME_TRANSITIONS
from matchmaker.core.errors import Conflict, DomainError, InvalidInput, NotAllowed, NotFound
from tests.matching.held import BETTER, FIGURES, bookings_in, held, settler
from tests.matching.market import (
    agreed,
    make_anchor,
    make_staff,
    make_stall,
    make_user,
    member_of,
    session,
)

pytestmark = pytest.mark.django_db
SERVICES = {
    "record": lambda **given: record_outcome(**given, figures=FIGURES),
    "correct": lambda **given: correct_outcome(**given, figures=BETTER),
    "confirm": confirm_outcome,
    "dispute": lambda **given: dispute_outcome(**given, reason_code="dispute_sales"),
    "settle": lambda **given: settle_outcome(**given, figures=BETTER),
}
PEOPLE = ("stall", "anchor", "both sides", "staff", "staff of the stall", "staff who decide", "stranger")
SIDES_OF = {
    "stall": {"stall"},
    "anchor": {"anchor"},
    "both sides": {"stall", "anchor"},
    "staff of the stall": {"stall"},
}
STATES = [("", "")] + [(status, by) for status in OutcomeStatus.values for by in ("stall", "anchor")]
STATES += [("settled", "staff")]


def expected(action, status, by, actor):
    """(status, recorded as) after the move, or the error: written down by hand from the design."""
    if actor == "stranger":
        return NotFound
    sides = SIDES_OF.get(actor, set())
    if action == "settle":
        if not actor.startswith("staff") or actor == "staff who decide":
            return NotAllowed
        if sides:
            return NotAllowed
        return ("settled", "staff") if status in ("", "recorded", "disputed") else Conflict
    if not sides:
        return NotAllowed
    others = sides - {by}
    outcomes = {
        "record": ("recorded", "stall" if "stall" in sides else "anchor") if status == "" else Conflict,
        "correct": ("recorded", by) if status in ("recorded", "disputed") and by in sides else Conflict,
        "confirm": ("confirmed", by) if status == "recorded" and others else Conflict,
        "dispute": ("disputed", by) if status == "recorded" and others else Conflict,
    }
    return outcomes[action]


@pytest.fixture
def cast():
    match = held()
    both, insider = make_user(), make_staff("change_outcome", "view_match")
    both.memberships.create(merchant=match.stall.merchant)
    both.memberships.create(anchor=match.anchor)
    insider.memberships.create(merchant=match.stall.merchant)
    return bookings_in(match)[0], {
        "stall": member_of(match.stall),
        "anchor": member_of(match.anchor),
        "both sides": both,
        "staff": settler(),
        "staff of the stall": insider,
        "staff who decide": make_staff(),
        "stranger": make_user(),
    }


def put(booking, status, by):
    if status:
        values = {"status": status, "recorded_as": by, **FIGURES}
        Outcome.objects.create(booking=booking, **values)


def test_the_table_and_the_services_name_the_same_actions():
    assert [row.action for row in OUTCOME_TRANSITIONS] == list(SERVICES)
    with pytest.raises(LookupError):
        outcome_transition("teleport")


@pytest.mark.parametrize("action", list(SERVICES))
@pytest.mark.parametrize(("status", "by"), STATES)
def test_every_move_by_everybody(cast, status, by, action):
    booking, actors = cast
    for actor in PEOPLE:
        with transaction.atomic():
            put(booking, status, by)
            wanted = expected(action, status, by, actor)
            check_move(booking, action, actors[actor], wanted, f"{action} by {actor}")
            transaction.set_rollback(True)


def check_move(booking, action, actor, wanted, case):
    before = Outcome.objects.filter(booking=booking).values().first()
    try:
        outcome = SERVICES[action](actor=actor, booking=booking)
    except DomainError as error:
        assert type(error) is wanted, (case, error)
        assert Outcome.objects.filter(booking=booking).values().first() == before, case
        assert not OutcomeEvent.objects.exists(), case
        if isinstance(error, Conflict):
            assert error.extra["status_now"] == (before["status"] if before else ""), case
        return
    assert (outcome.status, outcome.recorded_as) == wanted, case
    assert outcome.version == (before["version"] + 1 if before else 1), case
    event = outcome.events.get()
    assert (event.action, event.from_status, event.to_status) == (
        action, before["status"] if before else "", wanted[0],
    ), case  # fmt: skip
    assert (event.actor_id, event.figures) == (actor.pk, asdict(Figures.of(outcome))), case
    changes_figures = action in ("record", "correct", "settle")
    assert (outcome.recorded_by == actor) == changes_figures, case


@pytest.mark.parametrize(("status", "by"), STATES)
@pytest.mark.parametrize("actor", PEOPLE[:5])
def test_allowed_actions_are_those_that_would_succeed(status, by, actor):
    roles = SIDES_OF.get(actor, set()) | ({"staff"} if actor.startswith("staff") else set())
    would = [action for action in SERVICES if isinstance(expected(action, status, by, actor), tuple)]
    assert outcome_actions(status, by, roles) == would
    assert outcome_role("settle", by, ()) is None


# --- a life ----------------------------------------------------------------------------------------


@pytest.fixture
def match():
    return held(make_stall(), make_anchor(), session(0), session(2))


def now_on_air(sessions):
    now = timezone.now()
    sessions.update(starts_at=now - timedelta(hours=1), ends_at=now + timedelta(minutes=1))


def by(side, match):
    return member_of(match.stall if side == "stall" else match.anchor)


def test_a_dispute_from_record_to_settlement_is_one_chain(match):
    booking = bookings_in(match)[0]
    stall, anchor, staff = by("stall", match), by("anchor", match), settler()
    record_outcome(actor=anchor, booking=booking, figures=FIGURES, note="From the platform")
    dispute_outcome(actor=stall, booking=booking, reason_code="dispute_sales", note="Too little")
    correct_outcome(actor=anchor, booking=booking, figures=BETTER)
    dispute_outcome(actor=stall, booking=booking, reason_code="dispute_orders")
    outcome = settle_outcome(actor=staff, booking=booking)
    assert (outcome.status, outcome.recorded_as, outcome.gmv_cents) == ("settled", "anchor", 1_200_000)
    events = list(outcome.events.select_related("note"))
    assert [event.action for event in events] == ["record", "dispute", "correct", "dispute", "settle"]
    assert [event.figures["gmv_cents"] for event in events] == [1_000_000] * 2 + [1_200_000] * 3
    assert [event.actor_role for event in events] == ["anchor", "stall", "anchor", "stall", "staff"]
    assert (events[0].note.text, events[1].note.text, events[1].reason_code) == (
        "From the platform", "Too little", "dispute_sales",
    )  # fmt: skip
    assert [event.prev_hash for event in events] == ["", *(event.hash for event in events[:-1])]
    assert [event.hash for event in events] == [hash_of_outcome_event(event, outcome) for event in events]
    events[0].figures["gmv_cents"] += 1
    assert hash_of_outcome_event(events[0], outcome) != events[0].hash


def test_what_happened_to_an_outcome_cannot_be_changed(match):
    record_outcome(actor=by("stall", match), booking=bookings_in(match)[0], figures=FIGURES)
    for change in (lambda: OutcomeEvent.objects.update(seq=9), lambda: OutcomeEvent.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_the_last_outcome_completes_the_match(match):
    told, moved = [], []
    hear = lambda **fact: told.append((fact["event"].action, Match.objects.get().status))  # noqa: E731
    hear_match = lambda **fact: moved.append(fact["event"])  # noqa: E731
    outcome_changed.connect(hear)
    match_moved.connect(hear_match)
    try:
        first, second = bookings_in(match)
        record_outcome(actor=by("stall", match), booking=first, figures=FIGURES)
        assert Match.objects.get().status == "approved" and fulfilment_of(match) == 1 / 2
        settle_outcome(actor=settler(), booking=second, figures=FIGURES)
    finally:
        outcome_changed.disconnect(hear)
        match_moved.disconnect(hear_match)
    match.refresh_from_db()
    assert match.status == "completed" and match.ended_at is not None and fulfilment_of(match) == 1
    assert told == [("record", "approved"), ("settle", "approved")]
    [event] = moved
    assert (event.action, event.actor_role, event.from_status) == ("complete", "system", "approved")
    correct_outcome(actor=by("stall", match), booking=first, figures=BETTER)
    assert Outcome.objects.get(booking=first).gmv_cents == 1_200_000
    assert Match.objects.get().status == "completed"


def test_a_match_that_staff_completed_still_takes_outcomes(match):
    complete_match(actor=make_staff(), match=match)
    record_outcome(actor=by("stall", match), booking=bookings_in(match)[0], figures=FIGURES)
    assert Match.objects.get().events.count() == 4


def refusal(call):
    with pytest.raises(DomainError) as error:
        call()
    return error.value


def test_an_outcome_needs_a_session_that_was_held():
    match = agreed(make_stall(), make_anchor())
    booking, actor = bookings_in(match)[0], member_of(match.stall)

    def told():
        return refusal(lambda: record_outcome(actor=actor, booking=booking, figures=FIGURES))

    assert (told().code, told().extra["match_status_now"]) == ("match_not_approved", "agreed")
    approve_match(actor=make_staff(), match=match)
    now_on_air(Session.objects.all())
    assert told().code == "session_to_come"
    cancel_match(actor=make_staff(), match=match, reason_code="cancel_other")
    assert told().code == "booking_released"
    assert not Outcome.objects.exists() and not OutcomeEvent.objects.exists()


def test_the_end_of_a_session_is_the_databases(clock_of_the_database, time_machine_at):
    match = held()
    booking, actor = bookings_in(match)[0], member_of(match.stall)
    with time_machine_at(timezone.now() - timedelta(days=60)):
        assert record_outcome(actor=actor, booking=booking, figures=FIGURES)


def test_a_released_booking_takes_no_correction(match):
    booking = bookings_in(match)[0]
    record_outcome(actor=by("stall", match), booking=booking, figures=FIGURES)
    fail_match(actor=make_staff(), match=match, reason_code="fail_other")
    for call in (
        lambda: correct_outcome(actor=by("stall", match), booking=booking, figures=BETTER),
        lambda: confirm_outcome(actor=by("anchor", match), booking=booking),
        lambda: settle_outcome(actor=settler(), booking=booking),
    ):
        assert refusal(call).code == "booking_released"


def test_impossible_figures_leave_nothing(match):
    booking = bookings_in(match)[0]
    for service, actor in ((record_outcome, by("stall", match)), (settle_outcome, settler())):
        error = refusal(
            lambda s=service, a=actor: s(actor=a, booking=booking, figures=FIGURES | {"viewers": 7_000})
        )
        assert error.code == "impossible_figures" and list(error.fields) == ["viewers"]
    assert sorted(refusal(lambda: settle_outcome(actor=settler(), booking=booking)).fields)[0] == "buyers"
    assert not Outcome.objects.exists()


def test_a_dispute_is_not_brushed_aside_by_the_same_figures(match):
    booking = bookings_in(match)[0]
    record_outcome(actor=by("stall", match), booking=booking, figures=FIGURES)
    dispute_outcome(actor=by("anchor", match), booking=booking, reason_code="dispute_other")
    again = refusal(lambda: correct_outcome(actor=by("stall", match), booking=booking, figures=FIGURES))
    assert isinstance(again, InvalidInput) and again.code == "same_figures"


@pytest.mark.parametrize("code", ["", "cancel_other", "dispute_nothing", "x" * 400])
def test_a_dispute_needs_a_reason_of_its_own(match, code):
    booking = bookings_in(match)[0]
    record_outcome(actor=by("stall", match), booking=booking, figures=FIGURES)
    error = refusal(lambda: dispute_outcome(actor=by("anchor", match), booking=booking, reason_code=code))
    assert list(error.fields) == ["reason_code"] and "dispute_sales" in error.fields["reason_code"][0]


def test_what_was_not_seen_is_not_confirmed(match):
    booking = bookings_in(match)[0]
    seen = record_outcome(actor=by("stall", match), booking=booking, figures=FIGURES).version
    correct_outcome(actor=by("stall", match), booking=booking, figures=BETTER, version=seen)
    error = refusal(lambda: confirm_outcome(actor=by("anchor", match), booking=booking, version=seen))
    assert (error.code, error.extra["status_now"]) == ("changed_meanwhile", "recorded")
    outcome = confirm_outcome(actor=by("anchor", match), booking=booking, version=seen + 1)
    assert outcome.status == "confirmed"


def test_a_switched_off_user_makes_no_move(match):
    actor = by("stall", match)
    actor.is_active = False
    with pytest.raises(NotFound):
        record_outcome(actor=actor, booking=bookings_in(match)[0], figures=FIGURES)


# --- what others read ------------------------------------------------------------------------------


def test_due_is_what_is_over_and_not_told(match):
    first, second = bookings_in(match)
    running = held(make_stall(), match.anchor, session(5))
    now_on_air(Session.objects.filter(pk__in=running.bookings.values("session")))
    agreed(match.stall, make_anchor(), session(6))
    record_outcome(actor=by("stall", match), booking=first, figures=FIGURES)
    now = timezone.now()
    for reader in (by("stall", match), by("anchor", match), make_staff()):
        assert list(due_bookings(reader, now)) == [second]
    assert list(due_bookings(make_user(), now)) == []
    Booking.objects.filter(pk=second.pk).update(released_at=now)
    assert list(due_bookings(by("stall", match), now)) == []


def test_the_engine_learns_only_what_stands(time_machine_at, match):
    booking = bookings_in(match)[0]
    stall, anchor = by("stall", match), by("anchor", match)
    outcome = record_outcome(actor=stall, booking=booking, figures=FIGURES)
    start = timezone.now()

    def learns(days):
        with time_machine_at(start + timedelta(days=days)):
            return list(outcomes_for_learning()) == [outcome]

    assert (learns(0), learns(6.9), learns(7.1)) == (False, False, True)
    dispute_outcome(actor=anchor, booking=booking, reason_code="dispute_other")
    assert not learns(0) and not learns(99)
    with time_machine_at(start + timedelta(days=5)):
        correct_outcome(actor=stall, booking=booking, figures=BETTER)
    assert (learns(11.9), learns(12.1)) == (False, True), "corrected figures are as new"
    confirm_outcome(actor=anchor, booking=booking)
    assert learns(0)
    Booking.objects.filter(pk=booking.pk).update(released_at=start)
    assert not learns(99)


def test_settled_outcomes_are_learned_from(match):
    outcome = settle_outcome(actor=settler(), booking=bookings_in(match)[0], figures=FIGURES)
    assert list(outcomes_for_learning()) == [outcome]
