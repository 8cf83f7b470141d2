"""A worker is killed while it tells of a move: another one goes on, and everybody is told once."""

import os
import signal

import pytest

from jobs.models import Job, JobState
from matching.models import MatchEvent
from notifications.models import Notice
from tests.matching.market import agreed, make_anchor, make_staff, make_stall, make_user
from tests.services import wait_until, worker_processes

pytestmark = [
    pytest.mark.faults,
    pytest.mark.serial,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
# Short, so that the test need not wait long for a lease to lapse.
QUICK = {"MATCHMAKER_LEASE_SECONDS": "2", "MATCHMAKER_SWEEP_AFTER_SECONDS": "0.5"}
GROUPS = 3  # the anchor's people, staff, the stall's people: told in this order


@pytest.fixture
def accepted():
    """An acceptance that twelve people are told of."""
    stall, anchor = make_stall(), make_anchor()
    for _number in range(4):
        make_user().memberships.create(merchant=stall.merchant)
        make_user().memberships.create(anchor=anchor)
    for _number in range(3):
        make_staff("decide_match")
    agreed(stall, anchor)
    # Of the proposal nobody is told here: one job is enough to be killed at.
    Job.objects.exclude(args={"event_id": MatchEvent.objects.get(action="accept").pk}).delete()
    return MatchEvent.objects.get(action="accept")


def told():
    return sorted(Notice.objects.values_list("user_id", flat=True))


@pytest.mark.parametrize("groups", range(1, GROUPS + 1))
def test_a_worker_killed_while_it_tells_leaves_everybody_told_once(accepted, tmp_path, groups):
    mark = tmp_path / "hangs"
    dying = {
        "DJANGO_SETTINGS_MODULE": "tests.faults.dying.settings",
        "DYING_AFTER_GROUPS": str(groups),
        "DYING_MARK": str(mark),
    }
    job = Job.objects.get()
    with worker_processes(env=QUICK | dying, queues="default") as worker:
        wait_until(mark.exists, 30)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.RUNNING, 1), "killed in the middle, its job not done"
    before = told()
    assert 0 < len(before) <= 12 and (len(before) == 12) == (groups == GROUPS)
    with worker_processes(env=QUICK, queues="default"):
        wait_until(lambda: Job.objects.filter(pk=job.pk, state=JobState.DONE).exists(), 30)
    job.refresh_from_db()
    assert (job.attempts, job.result) == (2, {"told": 12})
    after = told()
    assert len(after) == len(set(after)) == 12 and set(before) <= set(after)
    assert accepted.actor_id not in after
