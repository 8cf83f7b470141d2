"""Lists: computed, stored, patched, replaced, and told apart from what changed meanwhile."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import time_machine
from django.db import OperationalError, transaction
from django.utils import timezone

from accounts.models import Anchor, Stall
from accounts.services.stalls import archive_stall, update_stall
from jobs.models import Job, JobState
from jobs.services import enqueue
from jobs.tasks import run_job
from matching.models import EngineRun, RecommendationList
from matching.packing import LIST_LENGTH, unpack
from matching.services import recommendations
from matching.services.recommendations import rematch, storing
from matching.services.recommendations.computing import recommend_for
from matching.snapshot.market import current_market
from tests.factories import AnchorFactory, MerchantFactory, StallFactory

pytestmark = pytest.mark.django_db


def entries_of(side: str, subject_id: int) -> Any:
    row = RecommendationList.objects.get(side=side, subject_id=subject_id, superseded_at__isnull=True)
    return unpack(row)


def partners_of(side: str, subject_id: int) -> list[int]:
    return entries_of(side, subject_id).partner_ids.tolist()


def work_off() -> int:
    """Run queued jobs until none is left; how many there were."""
    count = 0
    while (job := Job.objects.filter(state=JobState.QUEUED).order_by("pk").first()) is not None:
        run_job(job.pk)
        job.refresh_from_db()
        assert job.state == JobState.DONE, job.error
        count += 1
    return count


@pytest.fixture
def town() -> tuple[list[Stall], list[Anchor]]:
    stalls = [StallFactory.create(categories=[code]) for code in ("dress", "t_shirt", "dress")]
    anchors = [AnchorFactory.create(legal_basis="contract", categories=[c]) for c in ("dress", "t_shirt")]
    recommendations.rematch_everybody()
    return stalls, anchors


def test_a_rematch_stores_a_list_for_everybody_that_sums_exactly(town: Any) -> None:
    stalls, anchors = town
    run = EngineRun.objects.get()
    assert run.finished_at is not None and run.checksum
    for side, parties, others in (("stall", stalls, anchors), ("anchor", anchors, stalls)):
        for party in parties:
            entries = entries_of(side, party.pk)
            assert sorted(entries.partner_ids.tolist()) == sorted(other.pk for other in others)
            assert np.all(np.diff(entries.scores + entries.adjustments.sum(axis=1)) <= 0)
            assert np.array_equal(run.base_hundredths + entries.parts.sum(axis=1), entries.scores)


def test_the_same_market_gives_the_same_bytes_and_keeps_every_list(town: Any) -> None:
    before = list(RecommendationList.objects.order_by("pk").values_list("pk", flat=True))
    again = recommendations.rematch_everybody()
    assert EngineRun.objects.values_list("checksum", flat=True).distinct().count() == 1
    assert again["stored"] == 0
    assert list(RecommendationList.objects.order_by("pk").values_list("pk", flat=True)) == before


def test_the_one_who_shares_the_category_comes_first(town: Any) -> None:
    (dress, shirt, _), (dresses, shirts) = town
    assert partners_of("stall", dress.pk) == [dresses.pk, shirts.pk]
    assert partners_of("stall", shirt.pk) == [shirts.pk, dresses.pk]


def test_a_registered_stall_gets_a_list_and_enters_its_partners_lists(town: Any) -> None:
    _, anchors = town
    newcomer = StallFactory.create(categories=["dress"])
    recommendations.request_refresh(side="stall", ids=[newcomer.pk])
    assert work_off() == 2, "one refresh and one patch of the partners"
    assert len(partners_of("stall", newcomer.pk)) == 2
    assert all(newcomer.pk in partners_of("anchor", anchor.pk) for anchor in anchors)


def test_an_edit_goes_through_the_service_to_both_sides_lists(town: Any) -> None:
    (stall, *_), (dresses, shirts) = town
    owner = stall.merchant.memberships.first() or StallFactory  # the actor of a service may be staff
    update_stall(actor=None, stall=stall, data={"categories": ["t_shirt"]}, expected=stall.version)
    assert owner is not None
    work_off()
    assert partners_of("stall", stall.pk)[0] == shirts.pk
    assert current_market().stalls.parties.ids.tolist() == sorted(s.pk for s in Stall.objects.all())


def test_an_archived_stall_leaves_every_list(town: Any) -> None:
    (stall, *_), anchors = town
    archive_stall(actor=None, stall=stall, expected=stall.version)
    work_off()
    assert partners_of("stall", stall.pk) == []
    assert all(stall.pk not in partners_of("anchor", anchor.pk) for anchor in anchors)


def test_an_older_computation_does_not_overwrite_a_newer_list(town: Any) -> None:
    (stall, *_), _ = town
    old_market = current_market()
    lists = recommend_for(old_market, "stall", [stall.pk])
    update_stall(actor=None, stall=stall, data={"categories": ["t_shirt"]}, expected=stall.version)
    work_off()
    newer = RecommendationList.objects.get(side="stall", subject_id=stall.pk, superseded_at__isnull=True)
    assert recommendations.store_lists(market=old_market, lists=lists) == 0
    current = RecommendationList.objects.get(side="stall", subject_id=stall.pk, superseded_at__isnull=True)
    assert current.pk == newer.pk


def test_what_changed_during_a_rematch_is_computed_again(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (stall, *_), (_, shirts) = town
    publish = rematch.publish_run

    def edit_and_publish(**run: Any) -> Any:
        update_stall(actor=None, stall=stall, data={"categories": ["t_shirt"]}, expected=stall.version)
        Job.objects.all().delete()  # as if that job had run before the rematch stored its older list
        return publish(**run)

    monkeypatch.setattr(rematch, "publish_run", edit_and_publish)
    recommendations.rematch_everybody()
    assert Job.objects.filter(dedupe_key=f"refresh:stall:{stall.pk}").exists()
    work_off()
    assert partners_of("stall", stall.pk)[0] == shirts.pk


def test_many_changes_become_one_rematch() -> None:
    with transaction.atomic():
        recommendations.request_refresh(side="stall", ids=range(1, recommendations.REMATCH_ABOVE + 2))
    assert list(Job.objects.values_list("kind", flat=True)) == ["matching.rematch"]


def test_the_first_registration_of_an_empty_town_fits_the_engine() -> None:
    stall = StallFactory.create()
    recommendations.request_refresh(side="stall", ids=[stall.pk])
    work_off()
    row = RecommendationList.objects.get(side="stall", subject_id=stall.pk)
    assert partners_of("stall", stall.pk) == [] and row.floor_hundredths == -1


def test_a_list_says_why_it_is_empty(town: Any) -> None:
    (stall, *_), anchors = town
    Anchor.objects.update(verified_until=timezone.now().date() - timedelta(days=2), version=99)
    recommendations.refresh_party(side="stall", party_id=stall.pk)
    row = RecommendationList.objects.get(side="stall", subject_id=stall.pk, superseded_at__isnull=True)
    assert row.ruled_out == {"unverified": len(anchors)}


def test_superseded_lists_are_kept_for_a_day(town: Any) -> None:
    (stall, *_), _ = town
    update_stall(actor=None, stall=stall, data={"categories": ["t_shirt"]}, expected=stall.version)
    work_off()
    assert RecommendationList.objects.filter(superseded_at__isnull=False).exists()
    assert recommendations.forget_superseded_lists() == 0
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        assert recommendations.forget_superseded_lists() > 0


def test_one_current_list_per_subject_is_held_by_the_database(town: Any) -> None:
    row = RecommendationList.objects.filter(side="stall").first()
    row.pk, row._state.adding = None, True
    row.public_id = "7b0cb2a4-6f9d-4e9b-8f5e-0a5f3c0c9d11"
    with pytest.raises(Exception, match="(?i)unique"), transaction.atomic():
        row.save()


def test_full_lists_tell_the_score_to_beat() -> None:
    merchant = MerchantFactory.create()
    StallFactory.create(merchant=merchant)
    AnchorFactory.create_batch(LIST_LENGTH + 3, legal_basis="contract")
    recommendations.rematch_everybody()
    row = RecommendationList.objects.get(side="stall")
    assert row.floor_hundredths == value_of_last(entries_of("stall", row.subject_id))
    assert len(partners_of("stall", row.subject_id)) == LIST_LENGTH


def value_of_last(entries: Any) -> int:
    return int(entries.scores[-1]) + int(entries.adjustments[-1].sum())


def market_before(change: Any) -> Any:
    """A market as another worker read it just before `change`."""
    market = current_market()
    change()
    return market


def test_a_slower_worker_does_not_undo_what_a_quicker_one_knew(town: Any) -> None:
    """Two patches at once: the one that read the market first stores last, and the newcomer has to stay."""
    (dress, *_), (anchor, _) = town
    old = market_before(lambda: StallFactory.create(categories=["dress"]))
    newcomer = Stall.objects.latest("pk")
    recommendations.patch_partners(changed={"stall": [newcomer.pk]})
    assert newcomer.pk in partners_of("anchor", anchor.pk)
    late = recommend_for(old, "anchor", [anchor.pk])
    assert newcomer.pk not in late.partner_ids
    assert recommendations.store_lists(market=old, lists=late) == 0
    assert newcomer.pk in partners_of("anchor", anchor.pk)


def test_a_list_that_stays_the_same_still_notes_which_partners_it_has_seen(town: Any) -> None:
    (_, shirt, _), (anchor, _) = town
    row = RecommendationList.objects.get(side="anchor", subject_id=anchor.pk, superseded_at=None)
    archived = StallFactory.create(archived_at=timezone.now())
    recommendations.patch_partners(changed={"stall": [archived.pk, shirt.pk]})
    again = RecommendationList.objects.get(side="anchor", subject_id=anchor.pk, superseded_at=None)
    assert again.pk == row.pk and again.partners_version > row.partners_version


def test_where_neither_of_two_lists_knows_all_a_third_is_asked_for(town: Any) -> None:
    """Another machine read newer partners but an older subject."""
    _stalls, (anchor, _) = town
    RecommendationList.objects.filter(side="anchor", subject_id=anchor.pk).update(partners_version=10**6)
    Anchor.objects.filter(pk=anchor.pk).update(moq_max=1, version=anchor.version + 1)
    market = current_market()
    assert market is not None
    lists = recommend_for(market, "anchor", [anchor.pk])
    recommendations.store_lists(market=market, lists=lists)
    assert Job.objects.filter(dedupe_key=f"refresh:anchor:{anchor.pk}", state=JobState.QUEUED).count() == 1


def test_two_workers_that_lock_each_other_out_try_again(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL ends one of two transactions that update the same lists in another order."""
    (_dress, shirt, _), _anchors = town
    real, tries = storing._store_once, []

    def store(*given: Any) -> int:
        tries.append(given)
        if len(tries) == 1:
            raise OperationalError("deadlock detected")
        return real(*given)

    monkeypatch.setattr(storing, "_store_once", store)
    Stall.objects.filter(pk=shirt.pk).update(moq=9, version=shirt.version + 1)
    assert recommendations.refresh_party(side="stall", party_id=shirt.pk)["stored"] == 1
    assert len(tries) == 2


def test_a_patch_queued_before_the_upgrade_is_done(town: Any) -> None:
    _, (anchor, _) = town
    newcomer = StallFactory.create(categories=["dress"])
    args = {"side": "stall", "party_id": newcomer.pk}
    enqueue(kind="matching.patch_partners", key=f"patch:stall:{newcomer.pk}", args=args, queue="compute")
    assert work_off() == 1
    assert newcomer.pk in partners_of("anchor", anchor.pk)
