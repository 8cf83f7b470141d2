"""`manage.py matchday`: solves and tells; releases only when told twice."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from accounts.models import User
from jobs.models import Job
from matching.models import Match, MatchDay
from matching.services.matchdays.moving import next_week
from matching.services.recommendations import rematch_everybody
from tests.matching.market import make_anchor, make_staff, make_stall

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    """What is told is compared in one language, whatever the catalogue holds."""
    with translation.override("en"):
        yield


@pytest.fixture
def staff() -> User:
    return make_staff()


@pytest.fixture
def town() -> None:
    make_stall()
    make_anchor()
    rematch_everybody()


def run(staff: User, *arguments: str) -> str:
    out = io.StringIO()
    call_command("matchday", "--as", staff.phone, "--weeks", "2", *arguments, stdout=out)
    return out.getvalue()


def test_it_solves_and_tells_and_asks_nobody(staff: User, town: None) -> None:
    told = run(staff)
    day = MatchDay.objects.get()
    assert "pairs: 1" in told and "gap: 0.0000%" in told and f"digest: {day.digest}" in told
    assert day.first_week_on == next_week() and day.status == "solved" and not Match.objects.exists()


def test_json_is_one_object_and_two_runs_agree(staff: User, town: None) -> None:
    first, second = (json.loads(run(staff, "--json")) for _ in range(2))
    assert first["digest"] == second["digest"] and first["report"] == second["report"]
    assert first["report"]["pairs"] == 1 and first["match_day"] != second["match_day"]


def test_a_release_is_said_twice(staff: User, town: None) -> None:
    with pytest.raises(CommandError, match="--confirm"):
        run(staff, "--release")
    assert not MatchDay.objects.exists()
    assert "proposed: 1" in run(staff, "--release", "--confirm")
    assert (
        Match.objects.get().origin == "match_day"
        and Job.objects.get(kind__contains="release").state == "done"
    )


def test_a_day_that_was_solved_is_released_later(staff: User, town: None) -> None:
    run(staff)
    day = MatchDay.objects.get()
    assert "proposed: 1" in run(staff, "--day", str(day.pk), "--release", "--confirm")
    assert MatchDay.objects.get().status == "released"
    with pytest.raises(CommandError, match="Solve the match day first"):
        run(staff, "--day", str(day.pk), "--release", "--confirm")


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--week", "tomorrow"], "--week: a date"),
        (["--week", "2026-01-05"], "--first-week-on: A Monday"),
        (["--rho", "much"], "--rho: a number"),
        (["--rho", "0.123"], "two decimals"),
        (["--rho", "NaN"], "two decimals"),
        (["--rho", "2"], "--rho: From 0 to 1"),
        (["--day", "999"], "no such match day"),
    ],
)
def test_what_cannot_be_is_named(staff: User, town: None, arguments: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        run(staff, *arguments)
    assert not MatchDay.objects.exists()


def test_only_staff_who_propose_run_it(staff: User, town: None) -> None:
    with pytest.raises(CommandError, match="may not propose"):
        run(make_staff("view_match"))
    staff.phone = "+8613900000000"
    with pytest.raises(CommandError, match="nobody has this phone"):
        run(staff)


def test_an_empty_town_is_told(staff: User) -> None:
    with pytest.raises(CommandError, match="no stall in the town"):
        run(staff)


def test_a_worker_that_was_faster_is_waited_for(staff: User, town: None, monkeypatch: Any) -> None:
    from matching.management.commands import matchday as command

    real = command.run_job
    monkeypatch.setattr(command, "run_job", lambda job_id: None)
    monkeypatch.setattr(command.time, "sleep", lambda _s: real(Job.objects.latest("pk").pk))
    assert "proposed: 1" in run(staff, "--release", "--confirm")
