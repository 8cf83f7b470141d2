"""The trips end to end: real HTTP views, a real worker in its own process, the database between them."""

import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rest_framework.test import APIClient

from accounts.models import Anchor, Erasure, Stall, User, Zone
from accounts.services.verification import verify_merchant
from jobs.models import Job, JobState
from matching.models import Match, MatchEvent, RecommendationList
from matching.services import recommendations
from matching.services.invariants import check_some
from matching.services.matches import approve_match
from tests.factories import PASSWORD, AnchorFactory, StallFactory, UserFactory, credit_code, next_year
from tests.matching.market import member_of, monday, proposed
from tests.services import wait_for_jobs, wait_until, worker_processes

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.serial]

Api = Callable[[User | None], APIClient]
STALL = {
    "name": "小雅女装",
    "zone": "A",
    "floor": 2,
    "number": "A-208",
    "categories": ["dress"],
    "price_min_cents": 8_000,
    "price_max_cents": 20_000,
    "stock_depth": 500,
    "commission_rate": "0.20",
    "cooperation_modes": ["creator_broadcast"],
}


def register(client: APIClient, zone: str) -> str:
    merchant = {
        "name": "广州小雅服饰有限公司",
        "credit_code": credit_code(77),
        "licence_expires_on": next_year().isoformat(),
        "contact_name": "陈小姐",
        "contact_phone": "13800138000",
    }
    answer = client.post("/api/v1/merchants/", merchant)
    assert answer.status_code == 201, answer.json()
    answer = client.post("/api/v1/stalls/", STALL | {"zone": zone})
    assert answer.status_code == 201, answer.json()
    assert 'rel="monitor"' in answer["Link"]
    return str(answer.json()["id"])


@pytest.fixture
def zone(db: None) -> str:
    return str(Zone.objects.values_list("code", flat=True).first())


def test_a_stall_registers_and_the_worker_fills_both_sides_lists(
    api: Api, zone: str, staff_user: User
) -> None:
    anchors = AnchorFactory.create_batch(3, legal_basis="contract")
    recommendations.rematch_everybody()
    client = api(UserFactory.create())
    with worker_processes():
        stall_id = register(client, zone)
        stall = Stall.objects.get(public_id=stall_id)
        wait_until(
            lambda: RecommendationList.objects.filter(side="stall", subject_id=stall.pk).exists(), seconds=60
        )
        wait_for_jobs()
        assert holders_of(stall) == set(), "nobody is shown an unverified stall"
        verify_merchant(actor=staff_user, merchant=stall.merchant)
        wait_until(lambda: holders_of(stall) == {anchor.pk for anchor in anchors}, seconds=60)
    page = client.get(f"/api/v1/stalls/{stall_id}/suggestions/").json()
    assert page["source"] == "stored"
    assert {item["partner"]["id"] for item in page["results"]} == {str(a.public_id) for a in anchors}
    for item in page["results"]:
        assert item["base"] + sum(part["points"] for part in item["parts"]) == item["score"]


def holders_of(stall: Stall) -> set[int]:
    """The anchors whose current list holds the stall."""
    held = RecommendationList.objects.filter(side="anchor", superseded_at__isnull=True)
    return {row.subject_id for row in held if stall.pk in np.frombuffer(bytes(row.partner_ids), "<i8")}


def test_a_worker_killed_in_the_middle_loses_nothing(api: Api, zone: str) -> None:
    AnchorFactory.create_batch(3, legal_basis="contract")
    recommendations.rematch_everybody()
    stall = StallFactory.create()
    # A worker's first job also loads the engine and reads the market: time enough to kill it in between.
    with worker_processes({"MATCHMAKER_LEASE_SECONDS": "4"}, beat=False) as worker:
        recommendations.request_refresh(side="stall", ids=[stall.pk])
        wait_until(lambda: Job.objects.filter(state=JobState.RUNNING).exists(), every=0.005)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    job = Job.objects.get(kind="matching.refresh_party")
    assert job.state == JobState.RUNNING, "the killed worker could not give it back"
    with worker_processes():
        wait_for_jobs()
    job.refresh_from_db()
    assert job.attempts == 2
    assert RecommendationList.objects.filter(side="stall", subject_id=stall.pk).count() == 1


def test_both_agree_and_staff_approve(api: Api, stall: Stall, anchor: Anchor, staff_user: User) -> None:
    recommendations.rematch_everybody()
    merchant_client = api(stall.merchant.memberships.get().user)
    anchor_client = api(anchor.memberships.get().user)
    suggestion = anchor_client.get("/api/v1/anchors/me/suggestions/").json()["results"][0]
    assert "propose" in suggestion["allowed_actions"]
    begins = monday(1).replace(hour=20)
    terms = {
        "commission_rate": "0.20",
        "slot_fee_cents": 0,
        "cooperation_mode": "creator_broadcast",
        "sessions": [{"starts_at": begins.isoformat(), "ends_at": begins.replace(hour=22).isoformat()}],
    }
    answer = anchor_client.post("/api/v1/matches/", {"suggestion": suggestion["id"], "terms": terms})
    assert answer.status_code == 201, answer.json()
    match_id = answer.json()["id"]
    assert answer.json()["awaiting"] == "stall"
    answer = merchant_client.post(f"/api/v1/matches/{match_id}/accept/")
    assert (answer.status_code, answer.json()["status"]) == (200, "agreed"), answer.json()
    match = approve_match(actor=staff_user, match=Match.objects.get(public_id=match_id))
    assert match.status == "approved"
    actions = MatchEvent.objects.filter(match=match).order_by("seq").values_list("action", flat=True)
    assert list(actions) == ["propose", "accept", "approve"]
    assert merchant_client.get(f"/api/v1/matches/{match_id}/").json()["status"] == "approved"
    again: Any = anchor_client.get("/api/v1/anchors/me/suggestions/").json()
    assert again["results"] == [], "an open match of the pair hides it at once"


def test_who_erases_herself_is_gone_within_a_minute(api: Api, stall: Stall, anchor: Anchor) -> None:
    user = member_of(anchor)
    user.set_password(PASSWORD), user.save()
    recommendations.rematch_everybody()
    open_one = proposed(stall, anchor)
    with worker_processes():
        answer = api(user).post("/api/v1/accounts/me/erase/", {"password": PASSWORD})
        assert answer.status_code == 202, answer.json()
        wait_until(lambda: Erasure.objects.filter(finished_at__isnull=False).exists(), seconds=60)
        wait_until(lambda: Match.objects.get(pk=open_one.pk).status == "withdrawn", seconds=60)
        wait_for_jobs()
    anchor.refresh_from_db()
    assert (anchor.display_name, anchor.real_name) == (answer.json()["pseudonym"], "")
    held = RecommendationList.objects.filter(side="stall", superseded_at=None).values_list(
        "partner_ids", flat=True
    )
    assert not any(anchor.pk in np.frombuffer(bytes(partners), "<i8") for partners in held)
    assert all(not line["violations"] for line in check_some(numbers=(13, 14, 15)))
