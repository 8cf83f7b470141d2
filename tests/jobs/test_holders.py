"""Whose lease it is: a process of this machine that was killed is known to be gone at once."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from jobs import holders, services
from jobs.models import Job, JobState

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is known")

# Tells its own name, and lives until it is killed.
SCRIPT = (
    "import time; from jobs.holders import this_process; print(this_process(), flush=True); time.sleep(60)"
)


@pytest.fixture
def begin() -> Iterator[Callable[[], tuple[subprocess.Popen[str], str]]]:
    """Start a process; return it and the name it has for itself."""
    begun = []

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)  # noqa: S603
        begun.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def test_a_process_is_gone_when_it_was_killed_and_not_before(begin: Any) -> None:
    process, name = begin()
    assert name and not holders.is_gone(name)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and its number is not free yet
    assert holders.is_gone(name)
    process.wait()
    assert holders.is_gone(name)


def test_a_child_has_a_name_of_its_own() -> None:
    mine, (reads, writes) = holders.this_process(), os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writes, holders.this_process().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    theirs = os.read(reads, 200).decode()
    os.close(reads)
    os.close(writes)
    assert theirs != mine and holders.is_gone(theirs) and not holders.is_gone(mine)


def test_another_process_with_the_same_number_is_another(begin: Any) -> None:
    _, name = begin()
    assert holders.is_gone(f"{name}0")


def test_nothing_is_known_of_other_machines_and_containers() -> None:
    place, _, _ = holders.this_process().rpartition("/")
    boot, _, names = place.rpartition("/")
    for elsewhere in (f"{boot}/1/4200000-5", f"00000000/{names}/4200000-5", "/4200000-5", ""):
        assert not holders.is_gone(elsewhere)
    assert holders.is_gone(f"{place}/4200000-5"), "no number is beyond 4,194,304"


def test_who_may_not_look_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not holders.is_gone(f"{holders.this_process()}0")


def test_a_system_without_proc_names_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    name = holders.this_process()
    monkeypatch.setattr(holders, "_PROC", tmp_path)
    for cached in (holders._name_of, holders._place):
        cached.cache_clear()
    try:
        assert holders.this_process() == "" and not holders.is_gone(f"{name}0")
    finally:
        for cached in (holders._name_of, holders._place):
            cached.cache_clear()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The wake-up messages, instead of a broker."""
    messages: list[int] = []
    monkeypatch.setattr(services, "publish", lambda job_id, queue: messages.append(job_id) or True)
    return messages


def claimed_by(name: str, monkeypatch: pytest.MonkeyPatch) -> Job:
    with transaction.atomic():
        job = services.enqueue(kind="test.note", key="k", args={})
    with monkeypatch.context() as patched:
        patched.setattr(services, "this_process", lambda: name)
        assert services.claim(job.pk) is not None
    return job


@pytest.mark.django_db
def test_nobody_waits_for_the_lease_of_a_killed_process(
    begin: Any, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, name = begin()
    job = claimed_by(name, monkeypatch)
    services.sweep()
    assert sent == [] and services.claim(job.pk) is None, "it lives and has its lease"
    process.kill()
    process.wait()
    services.sweep()
    assert sent == [job.pk]
    again = services.claim(job.pk)
    assert again is not None and again.attempts == 2 and again.holder == holders.this_process()


@pytest.mark.django_db
def test_who_lost_its_process_time_and_again_waits_longer_though_not_beyond_its_lease(
    sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, _, _ = holders.this_process().rpartition("/")
    job, waited = claimed_by(f"{place}/4200000-5", monkeypatch), []
    for _ in range(services.MAX_ATTEMPTS):
        begun = timezone.now()
        with time_machine.travel(begun, tick=False):
            Job.objects.filter(pk=job.pk).update(lease_until=begun + services.lease())
            services.sweep()
            until = Job.objects.get().lease_until
            services.sweep()
            assert Job.objects.get().lease_until == until, "looking again moves nothing"
        waited.append(round((until - begun).total_seconds()))
        with time_machine.travel(until + timedelta(seconds=0.1), tick=False):
            if services.claim(job.pk) is None:
                services.sweep()
            Job.objects.filter(pk=job.pk).update(holder=f"{place}/4200000-5")
    longest = round(services.lease().total_seconds())
    assert waited == [0, *(min(seconds, longest) for seconds in (2, 4, 6, 8))]
    job.refresh_from_db()
    assert job.state == JobState.DEAD and sent == [job.pk]
