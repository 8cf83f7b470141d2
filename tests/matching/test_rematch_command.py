"""`manage.py rematch`: through the worker, in this process, and beside a rematch that is running."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from jobs.models import Job, JobState
from jobs.services import claim
from jobs.tasks import run_job
from matching.management.commands import rematch as command
from matching.models import EngineRun
from matching.services.recommendations import request_rematch
from tests.factories import AnchorFactory, StallFactory

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rematch", *arguments, stdout=out)
    return out.getvalue()


def test_here_computes_in_this_process() -> None:
    StallFactory.create()
    AnchorFactory.create()
    assert "2" in run("--here")
    assert EngineRun.objects.get().finished_at is not None
    assert not Job.objects.filter(kind="matching.rematch").exists()


def test_it_waits_for_the_worker(monkeypatch: Any) -> None:
    monkeypatch.setattr(command.time, "sleep", lambda _seconds: run_job(Job.objects.get().pk))
    told = run()
    assert EngineRun.objects.get().checksum in told
    assert Job.objects.get().state == JobState.DONE


def test_a_running_rematch_is_watched_and_no_second_one_begun(monkeypatch: Any) -> None:
    """Loading a town asks for a rematch, which the worker is at when `up` asks for one to show its bar."""
    job = claim(request_rematch().pk)
    assert job is not None
    done = {"state": JobState.DONE, "result": {"stored": 7, "checksum": "abc"}}
    monkeypatch.setattr(command.time, "sleep", lambda _seconds: Job.objects.filter(pk=job.pk).update(**done))
    assert "abc" in run()
    assert Job.objects.count() == 1


def test_a_rematch_that_was_given_up_is_told(monkeypatch: Any) -> None:
    dead = {"state": JobState.DEAD, "error": "no memory"}
    monkeypatch.setattr(command.time, "sleep", lambda _seconds: Job.objects.update(**dead))
    with pytest.raises(CommandError, match="no memory"):
        run()


def test_without_a_worker_it_says_so() -> None:
    with pytest.raises(CommandError):
        run("--timeout", "0.3")
