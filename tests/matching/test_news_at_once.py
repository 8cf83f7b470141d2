"""Several workers that tell of one move at the same moment: everybody hears of it once."""

import pytest

from jobs.models import Job, JobState
from jobs.tasks import run_job
from matching.models import MatchEvent
from matching.services.news import tell_of_move
from notifications.models import Notice
from tests.contention.arena import arena
from tests.matching.market import agreed, make_anchor, make_staff, make_stall, make_user

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.serial,
]
WORKERS = [2, 6]


@pytest.fixture
def crowd():
    """An acceptance that thirty-two people are told of: members of both sides, and staff."""
    stall, anchor = make_stall(), make_anchor()
    for _number in range(10):
        make_user().memberships.create(merchant=stall.merchant)
        make_user().memberships.create(anchor=anchor)
    for _number in range(11):
        make_staff("decide_match")
    agreed(stall, anchor)
    return MatchEvent.objects.get(action="accept")


def at_once(workers, call):
    with arena() as place:
        return place.meet([call] * workers)


def check_everybody_told_once(event):
    told = list(Notice.objects.filter(key__endswith=f":{event.seq}").values_list("user_id", flat=True))
    assert len(told) == len(set(told)) == 32
    assert event.actor_id not in told


@pytest.mark.parametrize("workers", WORKERS)
def test_the_same_news_by_many_workers(crowd, workers):
    assert at_once(workers, lambda: tell_of_move(event_id=crowd.pk)) == {"ok": workers}
    check_everybody_told_once(crowd)


@pytest.mark.parametrize("workers", WORKERS)
def test_one_job_by_many_workers_is_done_by_one(crowd, workers):
    job = Job.objects.get(kind="matching.tell_of_move", args={"event_id": crowd.pk})
    assert at_once(workers, lambda: run_job(job.pk)) == {"ok": workers}
    job.refresh_from_db()
    assert (job.state, job.attempts, job.result) == (JobState.DONE, 1, {"told": 32})
    check_everybody_told_once(crowd)
