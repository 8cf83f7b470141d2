"""What was given up: shown with why, tried again by those who may, and who did it is kept."""

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import User
from jobs import services
from jobs.models import Job, JobState
from matchmaker.core.errors import NotAllowed
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
PAGE = "/admin/jobs/deadletter/"
ERROR = 'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: <b>no</b> rate\n'


def make_job(key: str, state: JobState = JobState.DEAD, **fields: Any) -> Job:
    now = timezone.now()
    ended = {"error": ERROR, "attempts": 5, "finished_at": now} if state == JobState.DEAD else {}
    job: Job = Job.objects.create(kind="k", dedupe_key=key, not_before=now, state=state, **ended | fields)
    return job


def staff_with(*codenames: str) -> User:
    user: User = UserFactory.create(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def page_of(user: User, language: str = "en") -> Client:
    client = Client(headers={"accept-language": language})
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def states() -> dict[str, str]:
    return dict(Job.objects.values_list("dedupe_key", "state"))


def choose(*jobs: Job) -> dict[str, Any]:
    return {"action": "try_again", "_selected_action": [job.pk for job in jobs]}


def test_the_page_lists_the_dead_alone_and_says_why() -> None:
    make_job("dead-key"), make_job("open-key", JobState.QUEUED), make_job("done-key", JobState.DONE)
    html = page_of(staff_with("view_job")).get(PAGE).content.decode()
    assert "dead-key" in html and "open-key" not in html and "done-key" not in html
    assert "ValueError: &lt;b&gt;no&lt;/b&gt; rate" in html and "Traceback" not in html


def test_a_retry_gives_the_attempts_back_and_is_written_down() -> None:
    user, dead = staff_with("view_job", "change_job"), make_job("dead")
    answer = page_of(user).post(PAGE, choose(dead), follow=True)
    assert "1 jobs are queued again." in answer.content.decode()
    dead.refresh_from_db()
    assert (dead.state, dead.attempts, dead.finished_at) == (JobState.QUEUED, 0, None)
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.content_type.model) == (user, str(dead.pk), "job")


def test_who_may_only_look_changes_nothing() -> None:
    dead = make_job("dead")
    page_of(staff_with("view_job")).post(PAGE, choose(dead), follow=True)
    assert states() == {"dead": JobState.DEAD} and not LogEntry.objects.exists()


@pytest.mark.parametrize("permissions", [(), ("view_merchant",)])
def test_who_may_not_look_sees_no_page(permissions: tuple[str, ...]) -> None:
    dead = make_job("dead")
    client = page_of(staff_with(*permissions))
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, choose(dead)).status_code == 403
    assert states() == {"dead": JobState.DEAD}


def test_the_service_itself_asks_for_the_permission() -> None:
    dead = make_job("dead")
    with pytest.raises(NotAllowed):
        services.retry(dead, actor=staff_with("view_job"))
    assert states() == {"dead": JobState.DEAD}


def test_a_retry_that_is_refused_leaves_no_trace() -> None:
    dead = make_job("same")
    make_job("same", JobState.QUEUED)
    page_of(staff_with("view_job", "change_job")).post(PAGE, choose(dead))
    dead.refresh_from_db()
    assert dead.state == JobState.DEAD and not LogEntry.objects.exists()


def told(*words: str) -> str:
    out = StringIO()
    call_command("dead_letters", *words, stdout=out)
    return out.getvalue()


def test_the_command_lists_them() -> None:
    dead, _done = make_job("dead"), make_job("done", JobState.DONE)
    assert f"{dead.pk}  k  dead  " in told() and "ValueError: <b>no</b> rate" in told()
    assert [row["key"] for row in json.loads(told("--json"))] == ["dead"]
    assert json.loads(told("--json", "--kind", "other")) == []


@pytest.mark.parametrize("words", [["all"], None])
def test_the_command_tries_again_in_somebodys_name(words: list[str] | None) -> None:
    user, dead = staff_with("change_job"), make_job("dead")
    done = make_job("done", JobState.DONE)
    assert "1 jobs" in told("--retry", *(words or [str(dead.pk)]), "--as", user.phone)
    assert states() == {"dead": JobState.QUEUED, "done": JobState.DONE}
    assert LogEntry.objects.get().user == user
    with pytest.raises(CommandError, match="not the number of a dead letter"):
        told("--retry", str(done.pk), "x", "--as", user.phone)


def test_the_command_asks_who_and_whether_they_may() -> None:
    make_job("dead")
    with pytest.raises(CommandError, match="nobody has this phone"):
        told("--retry", "all")
    with pytest.raises(CommandError, match="not allowed|may not|permission"):
        told("--retry", "all", "--as", staff_with("view_job").phone)
    assert states() == {"dead": JobState.DEAD}


@pytest.mark.parametrize(
    ("error", "reason"), [("", ""), ("worker lost", "worker lost"), (ERROR, "ValueError: <b>no</b> rate")]
)
def test_the_reason_is_the_last_line(error: str, reason: str) -> None:
    assert Job(error=error).reason == reason
