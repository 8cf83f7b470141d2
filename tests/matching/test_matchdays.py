"""A match day from its beginning to its release: what it brings together, and what it refuses."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import translation

from accounts.models import Anchor, Stall, User
from jobs.models import Job
from jobs.tasks import run_job
from matching.choices import MatchDayStatus
from matching.engine.errors import EngineError
from matching.models import Match, MatchDay, MatchDayPair, Outcome, PairRule
from matching.selectors.matchday_words import refusal_lines
from matching.services import matchdays
from matching.services.matchdays import solving
from matching.services.matchdays.moving import Settings, next_week
from matching.services.matches import accept_match
from matching.services.recommendations import rematch_everybody
from matching.terms import WantedSession
from matchmaker.core import clock
from matchmaker.core.errors import Conflict, InvalidInput, NotAllowed
from tests.matching.held import FIGURES
from tests.matching.market import (
    agreed,
    make_anchor,
    make_merchant,
    make_staff,
    make_stall,
    member_of,
    session,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    """What is told is compared in one language, whatever the catalogue holds."""
    with translation.override("en"):
        yield


@pytest.fixture
def staff() -> User:
    user = make_staff()
    User.objects.filter(pk=user.pk).update(language="en")
    return user


@pytest.fixture
def town() -> tuple[list[Stall], list[Anchor]]:
    """Three stalls and two anchors with one booking a week each, and an engine that has run."""
    stalls = [make_stall(weekly_capacity=1) for _ in range(3)]
    anchors = [make_anchor(weekly_capacity=1) for _ in range(2)]
    rematch_everybody()
    return stalls, anchors


def begin(staff: User, **fields: Any) -> MatchDay:
    # The week after next: this one and the next leave too little time for answers on some weekdays.
    week = next_week() + timedelta(weeks=1)
    return matchdays.begin_match_day(actor=staff, settings=Settings(week, **fields))


def solve(day: MatchDay) -> MatchDay:
    matchdays.solve_match_day(day_id=day.pk)
    day.refresh_from_db()
    return day


def release(staff: User, day: MatchDay) -> MatchDay:
    run_job(matchdays.request_release(actor=staff, day=day).pk)
    day.refresh_from_db()
    return day


def solved_pairs(day: MatchDay) -> list[tuple[int, int]]:
    return list(day.pairs.filter(is_solved=True).values_list("stall_id", "anchor_id"))


def test_the_whole_town_is_brought_together_within_its_capacities(staff: User, town: Any) -> None:
    day = begin(staff)
    job = matchdays.request_solve(actor=staff, day=day)
    run_job(job.pk)
    job.refresh_from_db()
    day.refresh_from_db()
    assert (job.queue, job.state, day.status) == ("compute", "done", MatchDayStatus.SOLVED)
    pairs = list(day.pairs.order_by("pk"))
    assert len(pairs) == 2 and len({p.stall_id for p in pairs}) == len({p.anchor_id for p in pairs}) == 2
    report = day.report
    assert report["pairs"] == 2 and report["gap"] == 0 and report["candidates"] == 6
    assert report["sides"]["stall"]["unmatched"] == {"all_candidates_full": 1}
    assert report["sides"]["stall"]["named"][0]["why"] == "all_candidates_full"
    assert not Match.objects.exists(), "nobody is asked before the release"


def test_the_same_town_gives_the_same_digest_and_a_wish_another(staff: User, town: Any) -> None:
    first, second = solve(begin(staff)), solve(begin(staff))
    assert len(first.digest) == 64 and first.digest == second.digest == solve(first).digest
    assert first.report == second.report
    stall, anchor = town[0][2], town[1][0]
    matchdays.pin_pair(actor=staff, day=second, stall=stall, anchor=anchor)
    assert solve(second).digest != first.digest


def test_a_release_proposes_to_both_and_needs_both_consents(staff: User, town: Any) -> None:
    day = release(staff, solve(begin(staff)))
    assert day.status == MatchDayStatus.RELEASED and day.report["released"] == {"proposed": 2, "refused": []}
    for pair in day.pairs.select_related("match__terms", "stall", "anchor"):
        match = pair.match
        assert (match.status, match.awaiting, match.origin) == ("proposed", "both", "match_day")
        assert match.terms.commission_rate == pair.stall.commission_rate
        (wanted,) = match.terms.sessions
        assert wanted["starts_at"] == pair.starts_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        accept_match(actor=member_of(pair.anchor), match=match)
        match.refresh_from_db()
        assert match.status == "proposed" and match.awaiting == "stall"
        accept_match(actor=member_of(pair.stall), match=match)
        match.refresh_from_db()
        assert match.status == "agreed", "the hours were free on both sides"


def test_repeating_a_release_is_harmless(staff: User, town: Any, monkeypatch: Any) -> None:
    day = solve(begin(staff))
    job = matchdays.request_release(actor=staff, day=day)
    with pytest.raises(Conflict):
        matchdays.request_release(actor=staff, day=day)

    def killed(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    args = job.args
    with pytest.raises(KeyboardInterrupt):
        matchdays.release_match_day(**args, progress=killed)
    assert Match.objects.count() == 2
    told = matchdays.release_match_day(**args, progress=lambda done, total: None)
    assert told == {"proposed": 2, "refused": []} and Match.objects.count() == 2
    assert matchdays.release_match_day(**args, progress=lambda done, total: None) == told


def test_a_pair_that_no_longer_passes_is_told_and_not_proposed(staff: User, town: Any) -> None:
    day = solve(begin(staff))
    lost, kept = day.pairs.order_by("pk")
    PairRule.objects.create(
        kind="forbid", stall=lost.stall, anchor=lost.anchor, reason_code="forbid_other", actor=staff
    )
    day = release(staff, day)
    (refused,) = day.report["released"]["refused"]
    assert (refused["stall"], refused["anchor"]) == (lost.stall_id, lost.anchor_id)
    assert refused["code"] == "not_eligible" and "forbidden" in refused["detail"]
    lost.refresh_from_db()
    kept.refresh_from_db()
    assert lost.match is None and lost.fault_code == "not_eligible" and kept.match is not None


@pytest.mark.parametrize("side", ["stall", "anchor"])
def test_hours_that_were_taken_meanwhile_are_told(staff: User, side: str) -> None:
    make_stall()
    make_anchor()
    rematch_everybody()
    day = solve(begin(staff))
    pair = day.pairs.get()
    wanted = WantedSession(pair.starts_at, pair.starts_at + timedelta(hours=2))
    agreed(*((pair.stall, make_anchor()) if side == "stall" else (make_stall(), pair.anchor)), wanted)
    day = release(staff, day)
    (refused,) = day.report["released"]["refused"]
    assert refused["code"] == "hour_taken" and pair.match is None


def test_bookings_that_were_taken_meanwhile_are_told(staff: User, town: Any) -> None:
    day = solve(begin(staff))
    full, kept = day.pairs.select_related("anchor").order_by("pk")
    agreed(make_stall(), full.anchor, session(weeks=2, day=6, hour=3))
    day = release(staff, day)
    (refused,) = day.report["released"]["refused"]
    assert (refused["anchor"], refused["code"]) == (full.anchor_id, "capacity_full")
    assert day.report["released"]["proposed"] == 1


def test_a_session_that_would_have_begun_is_told(staff: User, town: Any, time_machine_at: Any) -> None:
    day = solve(begin(staff))
    with time_machine_at(clock.now() + timedelta(weeks=5)):
        day = release(staff, day)
    assert {row["code"] for row in day.report["released"]["refused"]} <= {"invalid_terms", "not_eligible"}
    assert len(day.report["released"]["refused"]) == 2 and not Match.objects.exists()


def test_wishes_hold_and_make_a_solved_day_a_draft(staff: User, town: Any) -> None:
    stalls, anchors = town
    day = solve(begin(staff))
    free = next(s for s in stalls if s.pk not in {pair[0] for pair in solved_pairs(day)})
    matchdays.pin_pair(actor=staff, day=day, stall=free, anchor=anchors[0])
    assert day.status == MatchDayStatus.DRAFT
    with pytest.raises(Conflict) as refused:
        matchdays.request_release(actor=staff, day=day)
    assert refused.value.code == "wrong_state" and "changed since" in refused.value.detail
    assert (free.pk, anchors[0].pk) in solved_pairs(solve(day))
    other = next(pair for pair in day.pairs.filter(is_solved=True) if pair.anchor_id == anchors[1].pk)
    matchdays.forbid_pair(actor=staff, day=day, stall=other.stall, anchor=other.anchor)
    pairs = solved_pairs(solve(day))
    assert (other.stall_id, other.anchor_id) not in pairs and len(pairs) == 2
    assert matchdays.free_pair(actor=staff, day=day, stall=free, anchor=anchors[0]) is not None
    assert matchdays.free_pair(actor=staff, day=day, stall=free, anchor=anchors[1]) is None
    assert [e.action for e in day.events.all()] == [
        "begin", "solve", "change", "solve", "change", "solve", "change",
    ]  # fmt: skip


def test_contradictory_wishes_are_named(staff: User, town: Any) -> None:
    (one, two, _three), (anchor, other) = town
    day = begin(staff)
    matchdays.forbid_pair(actor=staff, day=day, stall=one, anchor=anchor)
    with pytest.raises(Conflict) as both:
        matchdays.pin_pair(actor=staff, day=day, stall=one, anchor=anchor)
    assert both.value.code == "pinned_and_forbidden" and one.name in both.value.detail
    PairRule.objects.create(kind="forbid", stall=one, anchor=other, reason_code="forbid_other", actor=staff)
    with pytest.raises(Conflict) as excluded:
        matchdays.pin_pair(actor=staff, day=day, stall=one, anchor=other)
    assert excluded.value.code == "pinned_but_excluded" and "forbidden" in excluded.value.detail
    matchdays.pin_pair(actor=staff, day=day, stall=two, anchor=anchor)
    with pytest.raises(Conflict) as over:
        matchdays.pin_pair(actor=staff, day=day, stall=_three, anchor=anchor)
    assert (
        over.value.code == "pins_over_capacity" and "pinned 2 times and has 1 bookings" in over.value.detail
    )
    assert day.pairs.filter(wish="pinned").count() == 1, "nothing of the refused wishes was kept"


def test_a_pin_that_was_overtaken_is_told_before_and_by_the_job(staff: User, town: Any) -> None:
    (one, *_), (anchor, _other) = town
    day = begin(staff)
    matchdays.pin_pair(actor=staff, day=day, stall=one, anchor=anchor)
    PairRule.objects.create(kind="forbid", stall=one, anchor=anchor, reason_code="forbid_other", actor=staff)
    with pytest.raises(Conflict) as refused:
        matchdays.request_solve(actor=staff, day=day)
    assert refused.value.code == "pinned_but_excluded"
    told = matchdays.solve_match_day(day_id=day.pk)
    day.refresh_from_db()
    assert day.status == MatchDayStatus.DRAFT and day.report["refused"] == told["refused"]
    assert told["refused"][0]["pairs"] == [[one.pk, anchor.pk]]
    assert one.name not in json.dumps(day.report), "names stay with the parties"
    assert refusal_lines(day) == [
        f"{one} and {anchor} cannot be pinned: town staff have forbidden this pair."
    ]


def test_a_day_that_changes_while_it_is_solved_is_solved_again(
    staff: User, town: Any, monkeypatch: Any
) -> None:
    day, (stalls, anchors) = begin(staff), town
    real, calls = solving.timetable, []

    def meanwhile(*arguments: Any) -> Any:
        if not calls:
            matchdays.pin_pair(
                actor=staff, day=MatchDay.objects.get(pk=day.pk), stall=stalls[2], anchor=anchors[1]
            )
        calls.append(1)
        return real(*arguments)

    monkeypatch.setattr(solving, "timetable", meanwhile)
    assert (stalls[2].pk, anchors[1].pk) in solved_pairs(solve(day)) and len(calls) == 2


def test_newcomers_come_before_value_where_staff_say_so(staff: User) -> None:
    old = make_stall(weekly_capacity=1, categories=["dress"])
    anchor = make_anchor(weekly_capacity=1, categories=["dress"])
    Stall.objects.filter(pk=old.pk).update(created_at=clock.now() - timedelta(days=400))
    new = make_stall(weekly_capacity=1, categories=["t_shirt"])
    rematch_everybody()
    assert solved_pairs(solve(begin(staff, newcomer_floor=0))) == [(old.pk, anchor.pk)]
    day = solve(begin(staff, newcomer_floor=1))
    assert solved_pairs(day) == [(new.pk, anchor.pk)]
    assert day.report["floor"]["newcomers"] == 2 and day.report["floor"]["cost"] > 0


def test_booked_hours_and_bookings_count(staff: User, town: Any) -> None:
    (one, two, three), (anchor, other) = town
    week = session(weeks=2)
    agreed(one, anchor, week)
    day = solve(begin(staff))
    assert one.pk not in {pair[0] for pair in solved_pairs(day)}
    assert day.report["sides"]["anchor"]["unmatched"] == {"no_capacity": 1}
    assert len(solved_pairs(day)) == 1


def test_nobody_with_room_is_an_answer_with_reasons(staff: User) -> None:
    make_stall(weekly_capacity=0)
    make_anchor(weekly_capacity=0)
    rematch_everybody()
    day = solve(begin(staff))
    assert day.status == MatchDayStatus.SOLVED and not day.pairs.exists()
    assert day.report["sides"]["stall"]["unmatched"] == {"no_capacity": 1}
    day = release(staff, day)
    assert day.report["released"] == {"proposed": 0, "refused": []}


@pytest.mark.parametrize("missing", ["stall", "anchor", "engine"])
def test_a_town_that_cannot_be_paired_says_why(staff: User, missing: str) -> None:
    if missing != "stall":
        make_stall()
    if missing != "anchor":
        make_anchor()
    day = solve(begin(staff))
    code = "no_engine_run" if missing == "engine" else f"no_{missing}"
    assert day.status == MatchDayStatus.DRAFT and day.report["refused"][0]["code"] == code


def test_one_stall_and_common_hours_outside_the_span(staff: User) -> None:
    night = "".join("1" if hour % 24 < 4 else "0" for hour in range(168))
    make_stall()
    make_anchor(availability=night)
    rematch_everybody()
    day = solve(begin(staff))
    assert not day.pairs.exists()
    assert day.report["sides"]["stall"]["named"][0]["rule"] == "no_common_hours"
    assert len(solved_pairs(solve(begin(staff, from_hour=0)))) == 1


def test_mixed_sessions_share_an_anchors_hours(staff: User) -> None:
    evening = "".join("1" if 20 <= hour < 22 else "0" for hour in range(168))
    stalls = [make_stall(availability=evening) for _ in range(3)]
    make_anchor(availability=evening, weekly_capacity=3)
    rematch_everybody()
    assert len(solved_pairs(solve(begin(staff)))) == 1
    day = release(staff, solve(begin(staff, places=2)))
    assert day.report["released"]["proposed"] == 2
    assert {m.terms.sessions[0]["mode"] for m in Match.objects.select_related("terms")} == {"mixed"}
    for pair in day.pairs.select_related("match", "stall", "anchor"):
        for party in (pair.stall, pair.anchor):
            accept_match(actor=member_of(party), match=pair.match)
    assert set(Match.objects.values_list("status", flat=True)) == {"agreed"}, len(stalls)


@pytest.mark.parametrize(
    "fields, name",
    [
        ({"weeks": 5}, "weeks"),
        ({"rho": Decimal("1.5")}, "rho"),
        ({"places": 0}, "places"),
        ({"newcomer_floor": -1}, "newcomer_floor"),
        ({"session_hours": 13}, "session_hours"),
        ({"from_hour": 23}, "to_hour"),
        ({"first_week_on": timedelta(days=1)}, "first_week_on"),
        ({"first_week_on": timedelta(weeks=30)}, "first_week_on"),
    ],
)
def test_settings_that_cannot_be_are_named(staff: User, fields: dict[str, Any], name: str) -> None:
    week = next_week() + fields.pop("first_week_on", timedelta())
    with pytest.raises(InvalidInput) as refused:
        matchdays.begin_match_day(actor=staff, settings=Settings(week, **fields))
    assert list(refused.value.fields) == [name]


def test_only_staff_who_propose_run_a_match_day(staff: User, town: Any) -> None:
    (stall, *_), (anchor, *_) = town
    day = solve(begin(staff))
    stranger = make_staff("view_match")
    pair = {"stall": stall, "anchor": anchor}
    for act in (
        lambda: begin(stranger),
        lambda: matchdays.pin_pair(actor=stranger, day=day, **pair),
        lambda: matchdays.forbid_pair(actor=stranger, day=day, **pair),
        lambda: matchdays.free_pair(actor=stranger, day=day, **pair),
        lambda: matchdays.request_solve(actor=stranger, day=day),
        lambda: matchdays.request_release(actor=stranger, day=day),
        lambda: matchdays.cancel_match_day(actor=stranger, day=day),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert MatchDay.objects.count() == 1 and not Job.objects.filter(kind__contains="match_day").exists()


def test_a_cancelled_day_stays_and_moves_no_more(staff: User, town: Any) -> None:
    day = matchdays.cancel_match_day(actor=staff, day=solve(begin(staff)))
    assert day.status == MatchDayStatus.CANCELLED and day.pairs.count() == 2
    for act in (matchdays.request_solve, matchdays.request_release, matchdays.cancel_match_day):
        with pytest.raises(Conflict) as refused:
            act(actor=staff, day=day)
        assert refused.value.code == "wrong_state"
    with pytest.raises(Conflict):
        matchdays.pin_pair(actor=staff, day=day, stall=town[0][0], anchor=town[1][0])
    assert matchdays.solve_match_day(day_id=day.pk)["refused"][0]["code"] == "wrong_state"
    assert not MatchDayPair.objects.filter(wish="pinned").exists()


def test_staff_who_belong_to_a_side_propose_the_others(town: Any) -> None:
    staff = make_staff()
    make_stall(merchant=make_merchant(staff), weekly_capacity=0)
    own = town[1][0]
    own.memberships.create(user=staff)
    day = release(staff, solve(begin(staff)))
    (refused,) = day.report["released"]["refused"]
    assert refused["anchor"] == own.pk and refused["code"] == "own_match"
    assert day.report["released"]["proposed"] == 1


def test_what_the_engine_cannot_work_with_is_told(staff: User, town: Any, monkeypatch: Any) -> None:
    def broken(*_arguments: Any) -> None:
        raise EngineError("weights: finite numbers expected")

    monkeypatch.setattr(solving, "timetable", broken)
    day = solve(begin(staff))
    assert day.status == MatchDayStatus.DRAFT and "see the log" in refusal_lines(day)[0]


def test_what_sessions_brought_decides_where_staff_say_so(staff: User) -> None:
    """Both anchors fit; the second wants more commission and has brought ten times as much on air."""
    stall = make_stall(weekly_capacity=1)
    poor, rich = make_anchor(), make_anchor(commission_rate=Decimal("0.1900"))
    for anchor, gmv in ((poor, 100_000), (rich, 1_000_000)):
        for day in range(3):
            booking = agreed(make_stall(), anchor, session(day=day)).bookings.get()
            figures = FIGURES | {"gmv_cents": gmv, "refunded_cents": 0, "cancelled_cents": 0}
            Outcome.objects.create(booking=booking, recorded_by=staff, status="settled", **figures)
    Stall.objects.exclude(pk=stall.pk).update(weekly_capacity=0)
    rematch_everybody()
    likely, paying = (
        solve(begin(staff, rho=rho, newcomer_floor=0)) for rho in (Decimal("0.00"), Decimal("1.00"))
    )
    for day, anchor in ((likely, poor), (paying, rich)):
        assert day.report["outcomes"] == 6 and day.pairs.get().anchor_id == anchor.pk
    pair = paying.pairs.get()
    assert pair.net_gmv_cents > paying.report["town_net_gmv_cents"] == 550_000
