"""A worker ends itself when it is deaf, and for no other reason that looks like it."""

import time

import pytest

from matchmaker import watchdog
from matchmaker.watchdog import DEAF, HANGS, Watch

PATIENCE, LONGEST = 20.0, 900.0


class Clock:
    """The process's clock, turned by the test."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    turned = Clock()
    monkeypatch.setattr(watchdog.time, "monotonic", turned)
    return turned


@pytest.fixture
def watch(clock: Clock) -> Watch:
    return Watch(patience=PATIENCE, longest_task=LONGEST)


def look_for(watch: Watch, clock: Clock, seconds: float, *, is_sent: bool = True, places: int = 2) -> str:
    """Look every five seconds; the first reason to end."""
    for _look in range(int(seconds / 5)):
        clock.at += 5
        if reason := watch.look(places=places, is_sent=is_sent):
            return reason
    return ""


def test_a_worker_that_hears_nothing_is_deaf(watch: Watch, clock: Clock) -> None:
    assert look_for(watch, clock, PATIENCE) == ""
    assert look_for(watch, clock, 5) == DEAF


def test_any_message_shows_that_it_hears(watch: Watch, clock: Clock) -> None:
    for _message in range(20):
        assert look_for(watch, clock, PATIENCE) == ""
        watch.note_message()


def test_a_broker_that_is_away_for_all_ends_nobody(watch: Watch, clock: Clock) -> None:
    assert look_for(watch, clock, 3600, is_sent=False) == ""
    assert look_for(watch, clock, PATIENCE) == "", "it has its whole patience to come back"
    assert look_for(watch, clock, 5) == DEAF


@pytest.mark.parametrize("places", [1, 2])
def test_a_worker_whose_places_are_all_taken_is_busy_and_not_deaf(
    watch: Watch, clock: Clock, places: int
) -> None:
    for number in range(places):
        watch.note_start(task_id=str(number))
    assert look_for(watch, clock, 600, places=places) == ""
    watch.note_end(task_id="0")
    assert look_for(watch, clock, PATIENCE, places=places) == ""
    assert look_for(watch, clock, 5, places=places) == DEAF


def test_one_long_task_beside_a_free_place_hides_no_deafness(watch: Watch, clock: Clock) -> None:
    watch.note_start(task_id="long")
    assert look_for(watch, clock, PATIENCE + 5) == DEAF


def test_a_task_without_end_ends_the_worker(watch: Watch, clock: Clock) -> None:
    watch.note_start(task_id="endless")
    watch.note_start(task_id="second")
    assert look_for(watch, clock, LONGEST) == ""
    assert look_for(watch, clock, 5) == HANGS


def test_a_process_that_was_stopped_itself_begins_anew(watch: Watch, clock: Clock) -> None:
    clock.at += 3600
    assert watch.look(places=2, is_sent=True) == ""
    assert look_for(watch, clock, PATIENCE) == ""


def test_the_service_manager_is_told(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    with watchdog.socket.socket(watchdog.socket.AF_UNIX, watchdog.socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        watchdog.tell_systemd("WATCHDOG=1")
        assert manager.recv(64) == b"WATCHDOG=1"
    watchdog.tell_systemd("WATCHDOG=1")  # nobody listens any more: no crash


def test_time_is_the_processes_own() -> None:
    assert abs(Watch(patience=1, longest_task=1).heard_at - time.monotonic()) < 1
