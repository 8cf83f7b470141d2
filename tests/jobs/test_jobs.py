"""The outbox: coalescing, claiming, leases, retries, dead letters and the sweep."""

import time
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import models, transaction
from django.utils import timezone

from jobs import registry, services, tasks
from jobs.models import Job, JobState

pytestmark = pytest.mark.django_db


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A kind of job that notes that it ran; `boom` makes it fail."""
    seen: list[Any] = []

    def handler(run: Any, *, value: str) -> dict[str, Any]:
        run.progress(1, 2)
        if value == "boom":
            raise ValueError("boom")
        seen.append(value)
        return {"value": value}

    monkeypatch.setitem(registry._handlers, "test.note", handler)
    return seen


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The wake-up messages, instead of a broker."""
    messages: list[int] = []
    monkeypatch.setattr(services, "publish", lambda job_id, queue: messages.append(job_id) or True)
    return messages


def put(value: str = "a", key: str = "k", queue: str = "default") -> Job:
    with transaction.atomic():
        return services.enqueue(kind="test.note", key=key, args={"value": value}, queue=queue)


def test_edits_share_the_queued_row(sent: list[int]) -> None:
    first, second = put(), put()
    assert first.pk == second.pk
    assert Job.objects.get().requests == 2


def test_an_edit_while_running_gets_a_row_of_its_own(sent: list[int]) -> None:
    first = put()
    assert services.claim(first.pk) is not None
    assert put().pk != first.pk


def test_a_wake_up_goes_out_only_after_the_commit(
    sent: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        job = put()
        assert sent == []
    assert sent == [job.pk]


def test_a_rolled_back_change_leaves_no_job(sent: list[int]) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        services.enqueue(kind="test.note", key="k", args={})
        raise RuntimeError
    assert not Job.objects.exists()


def test_run_does_the_work_once(effects: list[Any]) -> None:
    job = put()
    tasks.run_job(job.pk)
    tasks.run_job(job.pk)
    job.refresh_from_db()
    assert effects == ["a"]
    assert (job.state, job.result, job.attempts) == (JobState.DONE, {"value": "a"}, 1)
    assert job.progress == 1.0


def test_a_running_job_is_nobody_elses_until_its_lease_lapses(effects: list[Any]) -> None:
    job = put()
    held = services.claim(job.pk)
    assert held is not None
    assert services.claim(job.pk) is None
    with time_machine.travel(timezone.now() + services.lease() + timedelta(seconds=1)):
        assert services.claim(job.pk) is not None
    assert not services.renew(held), "the first worker must learn that it lost the job"
    assert not services.finish(held, result={"late": True})


def test_a_failing_job_comes_back_later_and_is_given_up_after_five(effects: list[Any]) -> None:
    job = put("boom")
    moment = timezone.now()
    for attempt in range(1, services.MAX_ATTEMPTS + 1):
        with time_machine.travel(moment, tick=False):
            tasks.run_job(job.pk)
        job.refresh_from_db()
        assert job.attempts == attempt
        assert "ValueError: boom" in job.error
        moment = job.not_before + timedelta(seconds=1)
    assert job.state == JobState.DEAD
    with time_machine.travel(moment + timedelta(days=1)):
        assert services.claim(job.pk) is None


def test_a_failing_job_yields_to_the_newer_one_with_its_key(effects: list[Any], monkeypatch: Any) -> None:
    job = put("boom")
    monkeypatch.setitem(registry._handlers, "test.note", lambda run, *, value: put("a") and 1 / 0)
    tasks.run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.result) == (JobState.DONE, {"joined": True})
    assert Job.objects.filter(state=JobState.QUEUED, dedupe_key="k").count() == 1


def test_the_sweep_sends_what_was_lost_and_buries_what_keeps_dying(sent: list[int]) -> None:
    lost, dying = put(key="lost"), put(key="dying")
    services.claim(dying.pk)
    Job.objects.filter(pk=dying.pk).update(attempts=services.MAX_ATTEMPTS)
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        assert services.sweep() == {"sent": 1, "given_up": 1}
    assert sent == [lost.pk]
    dying.refresh_from_db()
    assert dying.state == JobState.DEAD


def test_a_job_that_nobody_takes_is_sent_again_ever_more_seldom(sent: list[int]) -> None:
    job, start = put(key="waits"), timezone.now()
    times = []
    for second in range(0, 600, 2):
        with time_machine.travel(start + timedelta(seconds=second), tick=False):
            times += [second] * services.sweep()["sent"]
    assert set(sent) == {job.pk} and times[0] <= 4
    pauses = [after - before for before, after in pairwise(times)]
    assert pauses == sorted(pauses) and pauses[0] <= 4 and 28 <= pauses[-1] <= 32
    assert len(times) < 40


def test_a_job_that_failed_is_sent_as_soon_as_its_next_turn_comes(
    effects: list[Any], sent: list[int]
) -> None:
    job = put("boom")
    start = timezone.now()
    turns = []
    for second in range(120):
        with time_machine.travel(start + timedelta(seconds=second), tick=False):
            before = Job.objects.get().attempts
            services.sweep()
            while sent:
                tasks.run_job(sent.pop())
            turns += [second] * (Job.objects.get().attempts - before)
    job.refresh_from_db()
    assert job.state == JobState.DEAD and turns[0] <= 4
    waited = [after - before for before, after in pairwise(turns)]
    assert all(abs(seconds - 2 * 2**turn) <= 1 for turn, seconds in enumerate(waited)), waited


def test_one_queue_that_stands_still_keeps_no_other_back(
    sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "SWEPT_AT_ONCE", 2)
    compute = [put(key=f"c{number}", queue="compute").pk for number in range(3)]
    default = put(key="d").pk
    start = timezone.now()
    for second in (4, 6):
        with time_machine.travel(start + timedelta(seconds=second), tick=False):
            services.sweep()
    assert sorted(sent) == sorted([*compute, default]), "each once, none kept back by the first two"


def test_who_comes_too_late_after_its_claim_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    job, update = put(), models.QuerySet.update

    def stopped(rows: Any, **changes: Any) -> int:
        count = update(rows, **changes)
        if changes.get("state") == JobState.RUNNING:
            # The worker is stopped here for longer than its lease; another one takes the job meanwhile.
            monkeypatch.setattr(models.QuerySet, "update", update)
            Job.objects.filter(pk=job.pk).update(lease_token=uuid4())
        return count

    monkeypatch.setattr(models.QuerySet, "update", stopped)
    assert services.claim(job.pk) is None


def test_a_broker_that_is_down_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("down")

    monkeypatch.setattr("matchmaker.celery.app.send_task", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        job = put()
    job.refresh_from_db()
    assert job.state == JobState.QUEUED


def test_an_unknown_kind_is_told() -> None:
    with transaction.atomic():
        job = services.enqueue(kind="no.such", key="k", args={})
    tasks.run_job(job.pk)
    job.refresh_from_db()
    assert "no handler for 'no.such'" in job.error


@pytest.fixture
def joint(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A kind of job that is done many at once; `boom` among them makes the call fail."""
    calls: list[list[str]] = []

    def handler(run: Any, *, each: list[dict[str, str]]) -> dict[str, Any]:
        calls.append([args["value"] for args in each])
        run.progress(1, 2)
        if "boom" in calls[-1]:
            raise ValueError("boom")
        return {"count": len(each)}

    monkeypatch.setitem(registry._handlers, "test.note", handler)
    monkeypatch.setattr(registry, "_joint", {"test.note"})
    return calls


def test_a_joint_kind_does_all_that_is_due_in_one_call(joint: list[list[str]], sent: list[int]) -> None:
    jobs = [put(value, key=value) for value in "abc"]
    later = timezone.now() + timedelta(hours=3)
    with transaction.atomic():
        services.enqueue(kind="test.note", key="later", args={"value": "later"}, not_before=later)
    tasks.run_job(jobs[1].pk)
    for job in jobs:
        tasks.run_job(job.pk)
    assert joint == [["b", "a", "c"]]
    assert {(job.state, job.attempts) for job in Job.objects.filter(pk__in=[j.pk for j in jobs])} == {
        (JobState.DONE, 1)
    }
    assert Job.objects.get(dedupe_key="later").state == JobState.QUEUED


def test_one_at_fault_among_joint_jobs_fails_alone(joint: list[list[str]], sent: list[int]) -> None:
    jobs = [put(value, key=value) for value in ("a", "boom", "c")]
    tasks.run_job(jobs[0].pk)
    assert joint == [["a", "boom", "c"], ["a"], ["boom"], ["c"]]
    states = dict(Job.objects.values_list("dedupe_key", "state"))
    assert states == {"a": JobState.DONE, "boom": JobState.QUEUED, "c": JobState.DONE}


def test_joint_jobs_that_another_worker_holds_are_left_to_it(joint: list[list[str]], sent: list[int]) -> None:
    mine, theirs = put("a", key="a"), put("b", key="b")
    assert services.claim(theirs.pk) is not None
    tasks.run_job(mine.pk)
    assert joint == [["a"]]


@pytest.mark.serial
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_joint_jobs_are_held_while_they_wait_for_their_turn_alone(
    monkeypatch: pytest.MonkeyPatch, settings: Any, sent: list[int]
) -> None:
    settings.JOBS_LEASE_SECONDS = 1.0
    jobs = [put(value, key=value) for value in "abc"]
    stolen: list[Job | None] = []

    def handler(run: Any, *, each: list[dict[str, str]]) -> None:
        if len(each) > 1:
            raise ValueError("not all at once")
        time.sleep(0.7)
        stolen.extend(services.claim(job.pk) for job in jobs)

    monkeypatch.setitem(registry._handlers, "test.note", handler)
    monkeypatch.setattr(registry, "_joint", {"test.note"})
    tasks.run_job(jobs[0].pk)
    assert stolen == [None] * 9
    assert list(Job.objects.values_list("state", "attempts")) == [(JobState.DONE, 1)] * 3
