"""A broker that hangs holds up one try and not every one."""

from typing import Any

import pytest

from jobs import breaker, services
from jobs.breaker import HANGS_SECONDS, Breaker

PAUSE = 2.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    at = [1000.0]
    monkeypatch.setattr(breaker.time, "monotonic", lambda: at[0])
    return at


def test_after_a_try_that_hung_none_is_made_until_one_finds_out(clock: list[float]) -> None:
    guard = Breaker()
    assert guard.may_try(pause=PAUSE)
    guard.note(worked=False, took=0.4, pause=PAUSE)
    assert not guard.may_try(pause=PAUSE)
    clock[0] += PAUSE + 0.1
    assert [guard.may_try(pause=PAUSE) for _thread in range(8)] == [True] + [False] * 7
    guard.note(worked=True, took=0.01, pause=PAUSE)
    assert all(guard.may_try(pause=PAUSE) for _thread in range(8))


def test_a_refusal_holds_nobody_up_and_stops_nobody(clock: list[float]) -> None:
    guard = Breaker()
    guard.note(worked=False, took=HANGS_SECONDS / 2, pause=PAUSE)
    assert guard.may_try(pause=PAUSE)


def test_wake_ups_are_not_even_tried_while_it_hangs(clock: list[float], monkeypatch: Any) -> None:
    tries = []

    def hang(*args: Any, **kwargs: Any) -> None:
        tries.append(args)
        clock[0] += 0.4
        raise TimeoutError

    monkeypatch.setattr(services, "_breaker", Breaker())
    monkeypatch.setattr("matchmaker.celery.app.send_task", hang)
    assert [services.publish(1, "default") for _request in range(5)] == [False] * 5
    assert len(tries) == 1
