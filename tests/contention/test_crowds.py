"""Crowds that want many things at once: some get them, the others are told, and the counters recount."""

import random

import pytest

from matching.models import AnchorHour, Match, MatchEvent, Session
from matching.services.events import hash_of
from matching.services.matches import accept_match, approve_match, reject_match
from matching.services.quota import count_proposal
from tests.contention.arena import arena
from tests.matching.market import (
    agreed,
    make_anchor,
    make_staff,
    make_stall,
    member_of,
    proposed,
    session,
)
from tests.matching.test_bookings import check_counters

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.serial,
]
CONTENDERS = [2, 6]


def at_once(*calls):
    """What became of calls that start together."""
    with arena() as place:
        return place.meet(calls)


def accepting(match):
    actor = member_of(match.anchor)
    return lambda: accept_match(actor=actor, match=match)


def test_a_mixed_session_is_opened_once_by_many():
    anchor = make_anchor(weekly_capacity=20)
    mixed = session(mode="mixed", places=8)
    assert at_once(*(accepting(proposed(make_stall(), anchor, mixed)) for _ in range(8))) == {"ok": 8}
    assert Session.objects.get().places_used == 8 and AnchorHour.objects.count() == 2


@pytest.mark.parametrize("contenders", CONTENDERS)
def test_one_hour_of_an_anchor(contenders):
    anchor = make_anchor(weekly_capacity=20)
    outcomes = at_once(*(accepting(proposed(make_stall(), anchor)) for _ in range(contenders)))
    assert outcomes == {"ok": 1, "hour_taken": contenders - 1}
    assert Session.objects.count() == 1


@pytest.mark.parametrize("contenders", CONTENDERS)
def test_approving_and_rejecting_at_once(contenders):
    match = agreed(make_stall(), make_anchor())
    calls = []
    for number in range(contenders):
        staff = make_staff()
        calls.append(
            (lambda s=staff: approve_match(actor=s, match=match))
            if number % 2
            else (lambda s=staff: reject_match(actor=s, match=match, reason_code="reject_other"))
        )
    assert at_once(*calls) == {"ok": 1, "wrong_state": contenders - 1}
    events = list(MatchEvent.objects.filter(match=match))
    assert [event.seq for event in events] == [1, 2, 3]
    assert [event.hash for event in events] == [hash_of(event, match) for event in events]
    assert bool(AnchorHour.objects.count()) == (Match.objects.get().status == "approved")


@pytest.mark.parametrize("seed", range(3))
def test_a_crowd_leaves_counters_that_recount(seed):
    """Few parties, many sessions in any order, rejections between: no deadlock, nothing lost or twice."""
    rng = random.Random(seed)  # noqa: S311 (a seeded crowd, no secret)
    stalls = [make_stall(hosts_at_once=2, weekly_capacity=4) for _ in range(3)]
    anchors = [make_anchor(weekly_capacity=4) for _ in range(3)]
    hours = [
        session(day=0, hour=h, length=2, weeks=w, mode="mixed", places=2)
        for w in (1, 2)
        for h in (18, 19, 20)
    ]
    calls = []
    for stall in stalls:
        for anchor in anchors:
            first = rng.choice(hours)
            others = [h for h in hours if h.starts_at.date() != first.starts_at.date()]
            match = proposed(stall, anchor, *rng.sample([first, rng.choice(others)], 2))
            calls.append(accepting(match))
    outcomes = at_once(*calls)
    assert set(outcomes) <= {"ok", "hour_taken", "session_full", "capacity_full"} and outcomes["ok"]
    check_counters()
    agreed_now, staff = list(Match.objects.filter(status="agreed")), make_staff()
    leaving = [
        (lambda m=m: reject_match(actor=staff, match=m, reason_code="reject_other")) for m in agreed_now[::2]
    ]
    staying = [accepting(m) for m in Match.objects.filter(status="proposed").select_related("anchor")]
    outcomes = at_once(*leaving, *staying)
    assert outcomes["ok"] >= len(leaving)
    check_counters()


def test_the_weekly_quota_lets_through_exactly_what_it_says(monkeypatch):
    monkeypatch.setattr("matching.services.quota.PROPOSALS_A_WEEK", 5)
    outcomes = at_once(*([lambda: count_proposal("stall", 1)] * 12))
    assert outcomes == {"ok": 5, "proposal_quota_used": 7}
