"""Learned models: trained, let through the gate or refused, rolled back; what then scores; the commands."""

import io
import json
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from jobs.models import Job, JobState
from jobs.tasks import run_job
from matching import tasks
from matching.choices import ModelStatus
from matching.digests import model_event_hash
from matching.models import EngineModel, EngineRun, Reaction, RecommendationList
from matching.services import models
from matching.services.models import (
    publish_model,
    request_training,
    request_training_if_new,
    rollback_model,
    train_challenger,
)
from matching.services.recommendations import rematch_everybody
from matching.snapshot.learned import current_weights, pack_weights, unpack_weights
from matching.snapshot.market import unpack_model
from matching.states import MODEL_TRANSITIONS
from matchmaker.celery import app
from matchmaker.core.errors import Conflict, NotAllowed
from tests.engine.learned import random_learned
from tests.factories import AnchorFactory, StallFactory, UserFactory
from tests.matching.taught import opinionated_town

pytestmark = pytest.mark.django_db


@pytest.fixture
def town(db: None) -> None:
    opinionated_town()


def make_model(status: str = "challenger", refused: Any = (), **fields: Any) -> EngineModel:
    """A stored model, without the training."""
    figures = {"refused": list(refused)}
    values = {"weights": b"x", "digest": "d" * 64, "figures": figures, "status": status}
    return EngineModel.objects.create(**(values | fields))


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


# --- training -----------------------------------------------------------------------------------------


def test_what_the_town_likes_is_learned_published_and_scored_with(town: None) -> None:
    rematch_everybody()
    steps: list[tuple[int, int]] = []
    result = train_challenger(progress=lambda done, total: steps.append((done, total)))
    figures = result["figures"]
    assert (result["status"], figures["refused"]) == (ModelStatus.PUBLISHED, [])
    assert figures["challenger"]["auc"] > figures["current"]["auc"] + 0.2
    assert figures["challenger"]["ece"] <= 0.03
    assert steps == [(number, 5) for number in range(6)]

    model = EngineModel.objects.get()
    learned = unpack_weights(bytes(model.weights))
    assert learned.digest == model.digest and model.decisions == int(learned.decisions[:2].sum())
    assert learned.blocks[0, 0] < 0, "they like who sells something else"
    assert model.details["libraries"].keys() == {"numpy", "scipy", "scikit-learn"}
    assert Job.objects.filter(kind="matching.rematch", state=JobState.QUEUED).count() == 1

    rematch_everybody()
    run = EngineRun.objects.order_by("-pk")[0]
    assert run.learned == model and run.details["learned"] == model.digest
    assert unpack_model(bytes(run.model)).learned == model.digest
    assert EngineRun.objects.order_by("pk")[0].learned is None
    assert RecommendationList.objects.filter(superseded_at__isnull=True, run=run).exists()


def test_the_same_evidence_again_is_refused_and_changes_nothing(town: None) -> None:
    train_challenger()
    before = current_weights()
    Job.objects.all().delete()
    again = train_challenger()
    assert again["status"] == ModelStatus.REFUSED and "not_better" in again["figures"]["refused"]
    after = current_weights()
    assert before is not None and after is not None and before.digest == after.digest
    assert not Job.objects.exists()
    digests = EngineModel.objects.order_by("pk").values_list("digest", flat=True)
    assert digests[0] == digests[1], "the same evidence teaches the same bytes"


def test_too_few_decisions_are_a_clear_answer() -> None:
    StallFactory.create()
    AnchorFactory.create()
    result = train_challenger()
    assert result["model"] is None and result["lacking"]["code"] == "too_few_answers"
    assert not EngineModel.objects.exists()
    with pytest.raises(CommandError, match="at least 50 decisions of both kinds"):
        call_command("train")
    assert json.loads(run("train", "--json"))["lacking"]["stall_yes"] == 0


def test_an_empty_town_is_a_clear_answer() -> None:
    assert train_challenger()["lacking"]["code"] == "too_few_answers"


def test_one_kind_of_answer_is_a_clear_answer() -> None:
    opinionated_town(stalls=10, anchors=12)
    Reaction.objects.update(kind="like")
    assert train_challenger()["lacking"]["stall_no"] == 0


def test_a_single_week_is_a_clear_answer() -> None:
    opinionated_town(stalls=10, anchors=12, weeks=1)
    with pytest.raises(CommandError, match="at least 6 weeks; there are 1"):
        call_command("train")


# --- the states ---------------------------------------------------------------------------------------


def test_only_what_passed_the_gate_can_be_published() -> None:
    for refused in (["not_better"], ["too_steep", "miscalibrated"]):
        with pytest.raises(Conflict, match="gate_refused"):
            publish_model(model=make_model(refused=refused))
    unjudged = make_model()
    unjudged.figures = {}
    with pytest.raises(Conflict, match="gate_refused"):
        publish_model(model=unjudged)
    assert not EngineModel.objects.filter(status="published").exists()


def test_publishing_retires_what_counted_and_rolling_back_restores_it() -> None:
    first, second = make_model(), make_model()
    publish_model(model=first)
    publish_model(model=second)
    first.refresh_from_db()
    assert (first.status, second.status, second.replaced) == ("retired", "published", first)

    assert rollback_model(actor=None) == first
    second.refresh_from_db()
    assert (first.__class__.objects.get(pk=first.pk).status, second.status) == ("published", "retired")
    assert rollback_model(actor=None) is None
    with pytest.raises(Conflict, match="none_published"):
        rollback_model(actor=None)
    actions = [e.action for e in first.events.order_by("seq")]
    assert actions == ["publish", "retire", "restore", "retire"]
    link = ""
    for event in first.events.order_by("seq"):
        assert event.prev_hash == link
        assert event.hash == model_event_hash(event, first.public_id, first.digest)
        link = event.hash


@pytest.mark.parametrize("status", ["published", "refused", "retired"])
def test_only_a_challenger_is_published(status: str) -> None:
    model = make_model(status)
    with pytest.raises(Conflict, match="wrong_state"):
        publish_model(model=model)
    model.refresh_from_db()
    assert model.status == status and not model.events.exists()


def test_two_cannot_be_published_at_once() -> None:
    make_model("published")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_model("published")


def test_the_table_names_every_state() -> None:
    states = {row.target for row in MODEL_TRANSITIONS} | {s for row in MODEL_TRANSITIONS for s in row.sources}
    assert states == {"", *ModelStatus.values}


def test_rolling_back_asks_for_everybodys_lists() -> None:
    make_model("published")
    assert "prior" in run("rollback_model")
    assert Job.objects.get().kind == "matching.rematch"
    with pytest.raises(CommandError, match="prior scores alone"):
        call_command("rollback_model")


def test_the_command_tells_which_model_counts_again() -> None:
    before = make_model("retired")
    make_model("published", replaced=before)
    assert f"Model {before.pk} counts again" in run("rollback_model")


# --- who, and when ------------------------------------------------------------------------------------


def test_only_who_may_trains_and_rolls_back() -> None:
    nobody = UserFactory.create(is_staff=True)
    with pytest.raises(NotAllowed):
        request_training(actor=nobody)
    make_model("published")
    with pytest.raises(NotAllowed):
        rollback_model(actor=nobody)
    assert EngineModel.objects.get().status == "published" and not Job.objects.exists()


def test_one_training_is_queued_however_often_it_is_asked_for() -> None:
    root = UserFactory.create(is_staff=True, is_superuser=True)
    first = request_training(actor=root)
    assert request_training(actor=None).pk == first.pk
    assert (first.queue, first.args) == ("compute", {"actor_id": root.pk})
    run_job(first.pk)
    first.refresh_from_db()
    assert first.state == JobState.DONE and first.result["lacking"]["needed"] == 50


def test_the_night_trains_only_on_new_evidence() -> None:
    entry = app.conf.beat_schedule["train-nightly"]
    assert entry["task"] == tasks.train_nightly.name
    tasks.train_nightly()
    Job.objects.get(kind="matching.train").delete()
    make_model("refused", high_water=models.high_water_mark())
    assert request_training_if_new() is None
    stall, anchor = StallFactory.create(), AnchorFactory.create()
    Reaction.objects.create(side="stall", stall=stall, anchor=anchor, kind="like")
    assert request_training_if_new() is not None


# --- after an upgrade ---------------------------------------------------------------------------------


def broken(how: str) -> bytes:
    whole = pack_weights(random_learned(1))
    cut = {"cut": whole[: len(whole) // 2], "empty": b"", "other": b"of another engine"}
    return cut.get(how, whole[:200] + bytes(50) + whole[250:])


@pytest.mark.parametrize("how", ["cut", "empty", "other", "overwritten"])
def test_weights_that_this_engine_cannot_read_leave_the_prior(how: str, caplog: Any) -> None:
    make_model("published", weights=broken(how))
    StallFactory.create()
    AnchorFactory.create()
    assert current_weights() is None
    rematch_everybody()
    assert EngineRun.objects.get().learned is None
    assert "cannot be read" in caplog.text


def test_the_command_prints_the_figures_and_why_it_was_refused(town: None) -> None:
    told = run("train")
    assert "NDCG@10" in told and "is published" in told and "95" not in told.splitlines()[0]
    refused = run("train")
    assert "is refused: " in refused and "not better for sure" in refused
    assert json.loads(run("train", "--json"))["status"] == "refused"


def test_weights_too_steep_for_this_market_leave_the_prior(caplog: Any) -> None:
    steep = random_learned(1, hinges=np.full_like(random_learned(1).hinges, 50.0))
    make_model("published", weights=pack_weights(steep))
    StallFactory.create()
    AnchorFactory.create()
    rematch_everybody()
    assert EngineRun.objects.get().learned is None
    assert "do not fit this market" in caplog.text
