"""Many changes at once share few jobs, and nobody is forgotten."""

import threading
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Stall
from jobs.models import Job, JobState
from jobs.services import claim
from jobs.tasks import run_job
from matching.models import DueParty, RecommendationList
from matching.services import recommendations
from matching.services.recommendations import asking, listing
from tests.factories import AnchorFactory, StallFactory
from tests.isolation import SERVICES

pytestmark = pytest.mark.django_db


@pytest.fixture
def town() -> list[Stall]:
    AnchorFactory.create_batch(3, legal_basis="contract")
    stalls = StallFactory.create_batch(30)
    recommendations.rematch_everybody()
    return stalls


def edit(stall: Stall) -> None:
    with transaction.atomic():
        Stall.objects.filter(pk=stall.pk).update(moq=7, version=stall.version + 1)
        recommendations.request_refresh(side="stall", ids=[stall.pk])


def work_off() -> int:
    count = 0
    while (job := Job.objects.filter(state=JobState.QUEUED).order_by("pk").first()) is not None:
        run_job(job.pk)
        count += 1
    assert not Job.objects.exclude(state=JobState.DONE).exists(), Job.objects.values("kind", "error")
    return count


def is_listed(stall: Stall) -> bool:
    current = RecommendationList.objects.filter(side="stall", subject_id=stall.pk, superseded_at=None)
    return current.filter(
        subject_version=Stall.objects.get(pk=stall.pk).version + stall.merchant.version
    ).exists()


def test_a_herd_shares_one_job(town: list[Stall]) -> None:
    for stall in town:
        edit(stall)
    kinds = list(Job.objects.filter(state=JobState.QUEUED).order_by("pk").values_list("kind", flat=True))
    assert kinds == [asking.REFRESH_KIND] * asking.HERD_FROM + [asking.DUE_KIND]
    assert DueParty.objects.count() == len(town) - asking.HERD_FROM
    assert work_off() <= 2 * asking.HERD_FROM + 2
    assert all(is_listed(stall) for stall in town)
    assert not DueParty.objects.exists()


def test_an_edit_during_the_joint_job_is_due_again(
    town: list[Stall], monkeypatch: pytest.MonkeyPatch
) -> None:
    for stall in town[:10]:
        edit(stall)
    last = town[9]
    real = listing.relist

    def relist(*given: Any) -> int:
        stored = real(*given)
        if Stall.objects.get(pk=last.pk).moq == 7:
            with transaction.atomic():
                Stall.objects.filter(pk=last.pk).update(moq=8, version=last.version + 2)
                recommendations.request_refresh(side="stall", ids=[last.pk])
        return stored

    monkeypatch.setattr(listing, "relist", relist)
    work_off()
    assert is_listed(last)
    assert not DueParty.objects.exists()


def test_a_killed_worker_s_herd_is_taken_up_again(town: list[Stall]) -> None:
    for stall in town[:10]:
        edit(stall)
    job = Job.objects.get(kind=asking.DUE_KIND)
    assert claim(job.pk) is not None
    DueParty.objects.update(batch=job.pk)  # it took them, and was killed
    Job.objects.filter(pk=job.pk).update(state=JobState.QUEUED)
    work_off()
    assert all(is_listed(stall) for stall in town[:10])
    assert not DueParty.objects.exists()


@pytest.mark.serial
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.skipif(not SERVICES, reason="SQLite lets nobody take a party while an edit is not committed")
def test_an_edit_that_is_committed_after_its_party_was_taken_is_due_again(town: list[Stall]) -> None:
    for stall in town[:10]:
        edit(stall)
    last, noted, taken = town[9], threading.Event(), threading.Event()

    def edit_slowly() -> None:
        with transaction.atomic():
            Stall.objects.filter(pk=last.pk).update(moq=8, version=last.version + 2)
            recommendations.request_refresh(side="stall", ids=[last.pk])
            noted.set()
            taken.wait(30)
        connection.close()

    slow = threading.Thread(target=edit_slowly)
    slow.start()
    assert noted.wait(30)
    work_off()
    assert is_listed(last), "as it was before the slow edit"
    taken.set()
    slow.join()
    assert not is_listed(last)
    recommendations.ask_for_due()
    work_off()
    assert is_listed(last) and not DueParty.objects.exists()


def test_a_row_with_a_smaller_number_may_be_committed_later(
    town: list[Stall], monkeypatch: pytest.MonkeyPatch
) -> None:
    for stall in town[:10]:
        edit(stall)
    late, free = town[9], 1 + max(DueParty.objects.values_list("pk", flat=True))
    DueParty.objects.filter(party_id=late.pk).delete()
    edit(town[11])
    assert DueParty.objects.filter(party_id=town[11].pk, pk__gt=free - 1).exists()
    real = listing.relist

    def relist(*given: Any) -> int:
        if not is_listed(late) and not DueParty.objects.filter(party_id=late.pk).exists():
            DueParty.objects.create(pk=free - 1, side="stall", party_id=late.pk)
        return real(*given)

    monkeypatch.setattr(listing, "relist", relist)
    work_off()
    assert is_listed(late) and not DueParty.objects.exists()


def test_the_herd_of_a_job_that_failed_while_the_next_waited_is_taken_by_that(
    town: list[Stall], monkeypatch: pytest.MonkeyPatch
) -> None:
    for stall in town[:8]:
        edit(stall)
    first = Job.objects.get(kind=asking.DUE_KIND)
    real = listing.relist

    def relist(*given: Any) -> int:
        monkeypatch.setattr(listing, "relist", real)
        for stall in town[10:12]:
            edit(stall)
        raise MemoryError

    monkeypatch.setattr(listing, "relist", relist)
    run_job(first.pk)
    first.refresh_from_db()
    assert (first.state, first.result) == (JobState.DONE, {"joined": True})
    assert DueParty.objects.filter(batch=first.pk).exists()
    work_off()
    assert all(is_listed(stall) for stall in (*town[4:8], *town[10:12]))
    assert not DueParty.objects.exists()


def test_only_the_very_same_partners_are_asked_for_once() -> None:
    jobs = [asking.request_patch({"anchor": [3], "stall": [stall]}) for stall in (10, 11, 10)]
    assert jobs[0] == jobs[2] != jobs[1]


def test_who_slipped_in_while_the_job_was_taken_is_asked_for(town: list[Stall]) -> None:
    DueParty.objects.create(side="stall", party_id=town[0].pk)
    job = recommendations.ask_for_due()
    assert job is not None and job.kind == asking.DUE_KIND
    assert recommendations.ask_for_due() is None, "it waits already"
    work_off()
    assert recommendations.ask_for_due() is None and not DueParty.objects.exists()


def test_a_herd_too_large_to_patch_becomes_one_rematch(
    town: list[Stall], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "REMATCH_ABOVE", 5)
    for stall in town:
        edit(stall)
    work_off()
    assert Job.objects.filter(kind="matching.rematch").count() == 1
    assert all(is_listed(stall) for stall in town)
