"""Taking over a history: what cannot have happened is refused, and nothing of it is kept."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Anchor, Stall, User
from matching.models import AnchorHour, Booking, Match, Session, StallHour, WeekLoad
from matching.services.history import PastMatch, PastMove, PastReaction, record_history, record_reactions
from matching.services.outcome_events import hash_of_outcome_event
from matching.terms import TermsDraft, WantedSession
from matchmaker.core.errors import Conflict, InvalidInput
from tests.factories import AnchorFactory, StallFactory

pytestmark = pytest.mark.django_db
OUTCOME = {
    "gmv_cents": 100_000, "refunded_cents": 0, "cancelled_cents": 0, "orders": 10, "orders_cancelled": 0,
    "orders_returned": 0, "buyers": 10, "views": 900, "viewers": 500, "duration_seconds": 7200,
}  # fmt: skip


def last_week(days: int = 7, hour: int = 20) -> datetime:
    now = timezone.localtime()
    return (now - timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0)


def session(starts_at: datetime, mode: str = "exclusive", places: int = 1) -> WantedSession:
    return WantedSession(starts_at, starts_at + timedelta(hours=2), mode, places)


def past(stall: Stall, anchor: Anchor, wanted: WantedSession | None = None, **changes: Any) -> PastMatch:
    """A completed match."""
    wanted = wanted or session(last_week())
    steps = (
        ("propose", "stall", -60),
        ("accept", "anchor", -50),
        ("approve", "staff", -40),
        ("complete", "staff", 3),
    )
    made = PastMatch(
        stall=stall,
        anchor=anchor,
        terms=TermsDraft(Decimal("0.2"), 0, "creator_broadcast", (wanted,)),
        moves=tuple(
            PastMove(action, role, wanted.starts_at + timedelta(hours=hours)) for action, role, hours in steps
        ),
        outcomes=(OUTCOME,),
    )
    return replace(made, **changes)


def test_a_completed_match_has_its_chain_booking_and_outcome(
    stall: Stall, anchor: Anchor, staff_user: User
) -> None:
    [match] = record_history(actor=staff_user, matches=[past(stall, anchor)])
    match.refresh_from_db()
    assert (match.status, match.awaiting, match.approved_by) == ("completed", "", staff_user)
    assert match.created_at < match.agreed_at < match.updated_at
    assert list(match.events.values_list("action", flat=True)) == ["propose", "accept", "approve", "complete"]
    assert match.events.first().prev_hash == ""
    assert (match.terms.number, match.terms.created_at) == (1, match.created_at)
    outcome = match.bookings.get().outcome
    assert (outcome.gmv_cents, outcome.status, outcome.recorded_as) == (100_000, "settled", "staff")
    event = outcome.events.get()
    assert (event.seq, event.action, event.from_status, event.to_status) == (1, "settle", "", "settled")
    assert (event.at, event.actor_id, event.figures) == (match.ended_at, staff_user.pk, OUTCOME)
    assert event.hash == hash_of_outcome_event(event, outcome)


def test_figures_that_cannot_be_are_refused(stall: Stall, anchor: Anchor) -> None:
    whole = past(stall, anchor, outcomes=(OUTCOME | {"viewers": 901},))
    with pytest.raises(InvalidInput, match="impossible_figures"):
        record_history(actor=None, matches=[whole])
    assert not Match.objects.exists()


@pytest.mark.parametrize(
    "actions",
    [(), ("accept",), ("propose", "approve"), ("propose", "decline", "accept"),
     ("propose", "accept", "reject"), ("propose", "vanish")],
)  # fmt: skip
def test_moves_that_do_not_follow_are_refused(stall: Stall, anchor: Anchor, actions: tuple[str, ...]) -> None:
    moves = tuple(PastMove(action, "stall", last_week()) for action in actions)
    with pytest.raises(InvalidInput) as refused:
        record_history(actor=None, matches=[past(stall, anchor, moves=moves, outcomes=())])
    assert refused.value.code == "impossible_history"
    assert not Match.objects.exists()


def test_a_move_before_its_cause_or_still_to_come_is_refused(stall: Stall, anchor: Anchor) -> None:
    whole = past(stall, anchor)
    backwards = (replace(whole.moves[0], at=last_week(1)), *whole.moves[1:])
    to_come = (*whole.moves[:3], replace(whole.moves[3], at=timezone.now() + timedelta(hours=1)))
    for moves in (backwards, to_come):
        with pytest.raises(InvalidInput):
            record_history(actor=None, matches=[replace(whole, moves=moves)])


def test_a_completed_match_needs_its_outcome_and_no_other_has_one(stall: Stall, anchor: Anchor) -> None:
    whole = past(stall, anchor)
    for wrong in (replace(whole, outcomes=()), replace(whole, moves=whole.moves[:3])):
        with pytest.raises(InvalidInput):
            record_history(actor=None, matches=[wrong])


def test_a_mixed_session_is_shared_across_calls_up_to_its_places(anchor: Anchor) -> None:
    wanted = session(last_week(), "mixed", 2)
    stalls = [StallFactory.create(hosts_at_once=1) for _ in range(3)]
    record_history(actor=None, matches=[past(stalls[0], anchor, wanted)])
    record_history(actor=None, matches=[past(stalls[1], anchor, wanted)])
    shared = Session.objects.get()
    assert (shared.places, shared.places_used) == (2, 2)
    assert AnchorHour.objects.count() == 2
    assert WeekLoad.objects.get(side="anchor").used == 2
    with pytest.raises(Conflict, match="session_full"):
        record_history(actor=None, matches=[past(stalls[2], anchor, wanted)])
    assert Match.objects.count() == Booking.objects.count() == 2


def test_hosts_of_a_stall_are_counted_across_calls(stall: Stall) -> None:
    stall.hosts_at_once, stall.weekly_capacity = 2, 9
    stall.save()
    for expected in (1, 2):
        record_history(actor=None, matches=[past(stall, AnchorFactory.create())])
        assert set(StallHour.objects.values_list("host_number", flat=True)) == set(range(1, expected + 1))
    with pytest.raises(Conflict, match="hour_taken"):
        record_history(actor=None, matches=[past(stall, AnchorFactory.create())])


def test_capacity_of_a_week_holds(stall: Stall, anchor: Anchor) -> None:
    anchor.weekly_capacity = 1
    anchor.save()
    record_history(actor=None, matches=[past(stall, anchor, session(last_week(hour=10)))])
    later = past(StallFactory.create(), anchor, session(last_week(hour=15)))
    with pytest.raises(Conflict, match="capacity_full"):
        record_history(actor=None, matches=[later])
    assert Match.objects.count() == 1


def test_what_did_not_last_holds_nothing(stall: Stall, anchor: Anchor) -> None:
    whole = past(stall, anchor)
    reject = PastMove("reject", "staff", whole.moves[1].at, "reject_other")
    [match] = record_history(
        actor=None, matches=[replace(whole, moves=(*whole.moves[:2], reject), outcomes=())]
    )
    assert match.bookings.get().released_at is not None
    assert not AnchorHour.objects.exists()
    assert not StallHour.objects.exists()
    assert not WeekLoad.objects.exists()


def test_an_old_pass_is_over_and_a_fresh_one_hides(
    stall: Stall, anchor: Anchor, other_anchor: Anchor
) -> None:
    now = timezone.now()
    rows = record_reactions(
        actor=None,
        reactions=[
            PastReaction("stall", stall.pk, anchor.pk, "pass", now - timedelta(days=40)),
            PastReaction("stall", stall.pk, other_anchor.pk, "pass", now - timedelta(days=3)),
            PastReaction("anchor", stall.pk, anchor.pk, "never", now - timedelta(days=400)),
        ],
    )
    assert [row.until and row.until > now for row in rows] == [False, True, None]
