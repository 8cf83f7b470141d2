"""A re-match in pieces: the same bytes whoever does them, redone after a death, swapped in at once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from accounts.models import Anchor, Stall
from jobs.models import Job
from matching.models import EngineRun, PartStage, Reaction, RecommendationList, RunPart
from matching.packing import unpack
from matching.services import recommendations
from matching.services.recommendations import pieces, rematch, storing
from matching.services.recommendations.computing import recommend_for
from matching.snapshot.market import current_market
from matchmaker.core import clock
from tests.factories import AnchorFactory, StallFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def town(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "REMATCH_PIECE", 3)
    categories = ("dress", "t_shirt", "jeans", "coat")
    for number in range(8):
        StallFactory.create(categories=[categories[number % 4]], weekly_capacity=1 + number % 3)
        AnchorFactory.create(categories=[categories[number % 3]], legal_basis="contract", weekly_capacity=1)


def current_lists() -> list[Any]:
    rows = RecommendationList.objects.filter(superseded_at=None).order_by("side", "subject_id")
    names = ("side", "subject_id", "partner_ids", "scores", "parts", "adjustments", "propensities")
    return [
        tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
        for row in rows.values_list(*names)
    ]


def test_block_size_does_not_matter(town: None, monkeypatch: pytest.MonkeyPatch) -> None:
    recommendations.rematch_everybody()
    first = current_lists()
    RecommendationList.objects.all().delete()
    monkeypatch.setattr(settings, "REMATCH_PIECE", 1000)
    recommendations.rematch_everybody()
    assert current_lists() == first and len(first) == 16
    assert not RunPart.objects.exists()


def test_who_does_a_piece_does_not_matter(town: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second piece is done by somebody who has only the rows: another machine."""
    recommendations.rematch_everybody()
    alone = EngineRun.objects.get().checksum
    real, done = pieces.do, []

    def do(plan: pieces.Plan, part: RunPart) -> None:
        done.append(part.stage)
        if len(done) % 2:
            plan = pieces._read_plan(EngineRun.objects.get(pk=part.run_id))
            assert plan.market.stalls.parties.text[0] == "", "words stay in the database"
        real(plan, part)

    monkeypatch.setattr(pieces, "do", do)
    assert recommendations.rematch_everybody() == {
        "run": EngineRun.objects.latest("pk").pk,
        "stored": 0,
        "checksum": alone,
    }
    assert {PartStage.POOLS, PartStage.LISTS} == set(done) and len(done) == 12


def test_helpers_take_one_piece_and_ask_for_more(town: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leader only waits; all pieces are done by the jobs it wrote."""
    taken: list[int] = []
    real_take = pieces.take

    def rest(seconds: float) -> None:
        for job in Job.objects.filter(kind=pieces.HELP_KIND, state="queued"):
            Job.objects.filter(pk=job.pk).delete()
            with monkeypatch.context() as patch:
                patch.setattr(pieces, "take", real_take)
                taken.append(pieces.help_rematch(**job.args)["done"])

    monkeypatch.setattr(pieces, "take", lambda run: None)
    monkeypatch.setattr(rematch.time, "sleep", rest)
    result = recommendations.rematch_everybody()
    assert result["stored"] == 16
    assert sum(taken) == 32, "both stages of all 16 parties"
    late = Job.objects.filter(kind=pieces.HELP_KIND, state="queued")
    assert late and all(pieces.help_rematch(**job.args) == {"done": 0} for job in late)


def test_a_piece_whose_worker_died_is_done_again(town: None, monkeypatch: pytest.MonkeyPatch) -> None:
    real, lost = pieces.cut, []

    def cut(plan: pieces.Plan, stage: PartStage) -> int:
        rows = real(plan, stage)
        part = RunPart.objects.filter(run=plan.market.run, stage=stage).earliest("pk")
        # Somebody took it and was killed: its lease is over in a moment.
        RunPart.objects.filter(pk=part.pk).update(lease_until=clock.now() + timedelta(seconds=0.3))
        lost.append(part.pk)
        return rows

    monkeypatch.setattr(pieces, "cut", cut)
    assert recommendations.rematch_everybody()["stored"] == 16
    assert len(lost) == 2


def test_a_list_staged_twice_is_there_once(town: None) -> None:
    recommendations.rematch_everybody()
    Stall.objects.update(moq=5)
    market = current_market()
    assert market is not None
    run = EngineRun.objects.create(fingerprint="x", part_codes=market.run.part_codes, parties_fitted=16)
    staging = replace(market, run=run)
    lists = recommend_for(staging, "stall", market.stalls.parties.ids.tolist())
    for _ in range(2):
        assert storing.stage_lists(market=staging, lists=lists)["staged"] == 8
    assert RecommendationList.objects.filter(run=run).count() == 8
    assert not RecommendationList.objects.filter(run=run, superseded_at=None).exists(), "nobody sees them yet"


def test_readers_see_all_old_lists_or_all_new(town: None, monkeypatch: pytest.MonkeyPatch) -> None:
    recommendations.rematch_everybody()
    old_run = EngineRun.objects.get()
    Anchor.objects.update(version=50, weekly_capacity=5)
    runs_seen = []
    real = storing._swap

    def swap(*given: Any) -> Any:
        current = RecommendationList.objects.filter(superseded_at=None)
        runs_seen.append(set(current.values_list("run", flat=True)))
        if len(runs_seen) == 1:
            raise IntegrityError("somebody stored one of these lists")
        return real(*given)

    monkeypatch.setattr(storing, "_swap", swap)
    recommendations.rematch_everybody()
    assert runs_seen == [{old_run.pk}] * 2
    current = RecommendationList.objects.filter(superseded_at=None)
    assert current.count() == 16 and current.exclude(run=old_run).exists()


def test_a_list_made_while_the_run_was_at_work_is_made_anew(
    town: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody passed on a partner after the run had read the market: the gap is closed in the new list."""
    recommendations.rematch_everybody()
    stall = Stall.objects.earliest("pk")
    held = recommendations_of(stall)
    real = rematch.publish_run

    def publish(**run: Any) -> Any:
        Reaction.objects.create(side="stall", stall=stall, anchor_id=held[0], kind="never")
        recommendations.refresh_party(side="stall", party_id=stall.pk)
        return real(**run)

    monkeypatch.setattr(rematch, "publish_run", publish)
    Stall.objects.update(commission_rate="0.33")  # so that the run's lists differ
    recommendations.rematch_everybody()
    assert held[0] not in recommendations_of(stall)


def recommendations_of(stall: Stall) -> list[int]:
    row = RecommendationList.objects.get(side="stall", subject_id=stall.pk, superseded_at=None)
    return unpack(row).partner_ids.tolist()


def test_an_empty_town_and_a_lone_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recommendations.rematch_everybody()["stored"] == 0
    stall = StallFactory.create()
    assert recommendations.rematch_everybody()["stored"] == 1
    assert recommendations_of(stall) == []


def test_what_a_killed_leader_left_goes_after_a_day(town: None) -> None:
    recommendations.rematch_everybody()
    lost = EngineRun.objects.create(fingerprint="lost", part_codes=[], parties_fitted=16)
    RunPart.objects.create(run=lost, stage=PartStage.POOLS, side="stall", start=0, stop=8, data=b"x")
    recommendations.forget_superseded_lists()
    assert RunPart.objects.exists(), "it may still be at work"
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        recommendations.forget_superseded_lists()
    assert not RunPart.objects.exists()
    assert not EngineRun.objects.filter(pk=lost.pk).exists() and EngineRun.objects.count() == 1
