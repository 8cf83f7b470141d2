"""Who works beside whom in one process."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from jobs.alone import Company

Enter = Callable[[], AbstractContextManager[None]]


class Room:
    """Threads that come in and stay until they are sent away."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.inside: set[str] = set()
        self._away: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def come(self, name: str, enter: Enter) -> None:
        away = self._away[name] = threading.Event()

        def stay() -> None:
            with enter():
                self.inside.add(name)
                away.wait(20)
                self.inside.discard(name)

        self._threads.append(threading.Thread(target=stay))
        self._threads[-1].start()

    def leave(self, *names: str) -> None:
        for name in names:
            self._away[name].set()

    def holds(self, *names: str) -> bool:
        deadline = time.monotonic() + 5
        while self.inside != set(names) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)  # whoever should not come in has had the time to
        return self.inside == set(names)

    def close(self) -> None:
        self.leave(*self._away)
        for thread in self._threads:
            thread.join()


def test_who_is_alone_waits_for_the_others_and_they_for_it() -> None:
    company = Company()
    room = Room(company)
    room.come("a", company.beside_others)
    room.come("b", company.beside_others)
    assert room.holds("a", "b")
    room.come("suspect", company.alone)
    assert room.holds("a", "b")
    room.come("late", company.beside_others)
    assert room.holds("a", "b"), "nobody begins while one waits to be alone"
    room.leave("a", "b")
    assert room.holds("suspect")
    room.come("second suspect", company.alone)
    assert room.holds("suspect")
    room.leave("suspect")
    assert room.holds("second suspect")
    room.leave("second suspect")
    assert room.holds("late")
    room.close()


def test_nobody_waits_for_ever() -> None:
    company = Company(patience=0.2)
    room = Room(company)
    room.come("hangs", company.alone)
    assert room.holds("hangs")
    room.come("next", company.beside_others)
    room.come("suspect", company.alone)
    assert room.holds("hangs", "next", "suspect")
    room.close()


def test_who_gave_up_waiting_to_be_alone_holds_up_nobody_afterwards() -> None:
    company = Company(patience=0.5)
    room = Room(company)
    room.come("hangs", company.beside_others)
    assert room.holds("hangs")
    room.come("suspect", company.alone)
    assert room.holds("hangs", "suspect")
    room.leave("suspect")
    assert room.holds("hangs")
    company._patience = 60.0
    room.come("next", company.beside_others)
    assert room.holds("hangs", "next")
    room.close()


def test_a_copy_of_what_is_here_already_does_not_wait() -> None:
    company = Company()
    with company.once(7) as first, company.once(7) as copy, company.once(8) as other:
        assert (first, copy, other) == (True, False, True)
    with company.once(7) as again:
        assert again


def test_a_job_within_a_job_does_not_wait_for_itself() -> None:
    company = Company()
    for outer in (company.alone, company.beside_others):
        for inner in (company.alone, company.beside_others):
            with outer(), inner():
                pass
    with company.alone():
        pass
