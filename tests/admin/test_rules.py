"""Staff forbid pairs and record promises; both end, and neither is edited."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Anchor, Stall
from jobs.models import Job, JobState
from matching.engine.types import Rule
from matching.models import Exclusivity, PairRule
from matching.rules import check_pair
from matching.signals import pair_changed
from matchmaker.core.weeks import town_today
from tests.factories import StallFactory

pytestmark = pytest.mark.django_db
RULES = "/admin/matching/pairrule/"
PROMISES = "/admin/matching/exclusivity/"


def end(client: Client, url: str, action: str, row: Any) -> Any:
    return client.post(url, {"action": action, "_selected_action": [row.pk]})


@pytest.fixture
def heard() -> Any:
    """The pairs that were announced as changed."""
    pairs: list[tuple[int, int]] = []

    def listen(*, stall_id: int, anchor_id: int, **_: Any) -> None:
        pairs.append((stall_id, anchor_id))

    pair_changed.connect(listen)
    yield pairs
    pair_changed.disconnect(listen)


def test_a_forbidden_pair_is_out_until_the_rule_ends(
    staff: Client, town_staff: Any, stall: Stall, anchor: Anchor, heard: list[tuple[int, int]]
) -> None:
    data = {"stall": stall.pk, "anchor": anchor.pk, "reason_code": "forbid_dispute", "note": "Court case."}
    assert staff.post(f"{RULES}add/", data).status_code == 302
    rule = PairRule.objects.get()
    assert (rule.kind, rule.actor, rule.note, rule.until) == ("forbid", town_staff, "Court case.", None)
    assert check_pair(stall, anchor) == [Rule.FORBIDDEN.code]
    html = staff.get(RULES).content.decode()
    assert "Unsettled dispute between the two" in html and "in force" in html

    end(staff, RULES, "lift", rule)
    assert check_pair(stall, anchor) == []
    assert staff.post(f"{RULES}add/", data).status_code == 302
    assert PairRule.objects.get().until is None and check_pair(stall, anchor) == [Rule.FORBIDDEN.code]
    assert heard == [(stall.pk, anchor.pk)] * 3


@pytest.mark.parametrize(
    "fault",
    [{"reason_code": ""}, {"reason_code": "reject_other"}, {"until_0": "2020-01-01", "until_1": "00:00"}],
)
def test_a_faulty_rule_is_not_stored(
    staff: Client, stall: Stall, anchor: Anchor, fault: dict[str, str]
) -> None:
    data = {"stall": stall.pk, "anchor": anchor.pk, "reason_code": "forbid_dispute", "note": ""}
    assert staff.post(f"{RULES}add/", data | fault).status_code == 200
    assert not PairRule.objects.exists()


def test_a_promise_keeps_other_stalls_out(
    staff: Client, stall: Stall, anchor: Anchor, heard: list[tuple[int, int]]
) -> None:
    other, today = StallFactory.create(), town_today()
    data = {"stall": stall.pk, "anchor": anchor.pk, "category": "", "starts_on": today - timedelta(days=3)}
    wrong = staff.post(f"{PROMISES}add/", data | {"ends_on": today - timedelta(days=9)})
    assert wrong.status_code == 200 and not Exclusivity.objects.exists()
    assert staff.post(f"{PROMISES}add/", data | {"ends_on": today + timedelta(days=9)}).status_code == 302
    assert check_pair(other, anchor) == [Rule.EXCLUSIVE_ELSEWHERE.code]
    assert check_pair(stall, anchor) == []
    end(staff, PROMISES, "end", Exclusivity.objects.get())
    assert check_pair(other, anchor) == []
    assert Exclusivity.objects.get().ends_on == today - timedelta(days=1)
    assert heard == [(stall.pk, anchor.pk)] * 2


def test_without_permission_no_rule_is_set(
    client_of: Any, staff_user: Any, stall: Stall, anchor: Anchor
) -> None:
    data = {"stall": stall.pk, "anchor": anchor.pk, "reason_code": "forbid_dispute", "note": ""}
    assert client_of(staff_user).post(f"{RULES}add/", data).status_code == 403
    assert not PairRule.objects.exists()


def test_dead_jobs_are_tried_again(staff: Client) -> None:
    dead = Job.objects.create(
        kind="k", dedupe_key="a", not_before=timezone.now(), state=JobState.DEAD, attempts=5
    )
    done = Job.objects.create(kind="k", dedupe_key="b", not_before=timezone.now(), state=JobState.DONE)
    twin = Job.objects.create(kind="k", dedupe_key="c", not_before=timezone.now(), state=JobState.DEAD)
    Job.objects.create(kind="k", dedupe_key="c", not_before=timezone.now(), state=JobState.QUEUED)
    chosen = {"action": "try_again", "_selected_action": [dead.pk, done.pk, twin.pk]}
    response = staff.post("/admin/jobs/job/", chosen, follow=True)
    states = {
        job.pk: (job.state, job.attempts) for job in Job.objects.filter(pk__in=[dead.pk, done.pk, twin.pk])
    }
    assert states == {
        dead.pk: (JobState.QUEUED, 0),
        done.pk: (JobState.DONE, 0),
        twin.pk: (JobState.DEAD, 0),
    }
    html = response.content.decode()
    assert "Only a job that was given up" in html and "An equal job is queued already" in html
