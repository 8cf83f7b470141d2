"""`manage.py verify_events` and the invariants on learned models and match days, falsified every way."""

from typing import Any

import pytest

from matching.choices import ModelStatus
from matching.models import EngineModel, EngineModelEvent, MatchDay, MatchDayEvent
from matching.services import models
from matching.services.invariants import check_some
from matching.services.matchdays.moving import (
    Settings,
    begin_match_day,
    cancel_match_day,
    next_week,
    take_step,
)
from matching.states import MATCH_DAY_TRANSITIONS, MODEL_TRANSITIONS
from tests.matching.market import make_staff
from tests.matching.tampering import change, found, raw, unlocked, verify

pytestmark = pytest.mark.django_db
MOVES = {row.action: row for row in MODEL_TRANSITIONS}


def trained(digit: str) -> EngineModel:
    """A challenger that the gate lets through."""
    model = EngineModel.objects.create(weights=b"x", digest=digit * 64, figures={"refused": []})
    models._record(model, MOVES["train"], "", None)
    return model


@pytest.fixture
def model(db: None) -> EngineModel:
    """Published, retired by another one and counting again: four events; beside it all other ends."""
    first, second, refused = trained("a"), trained("b"), trained("c")
    models.publish_model(model=first)
    models.publish_model(model=second)
    models.rollback_model(actor=None)
    models._move(refused, "refuse", None)
    first.refresh_from_db()
    assert first.status == ModelStatus.PUBLISHED
    return first


@pytest.fixture
def day(db: None) -> MatchDay:
    """Solved twice, with a change in between; beside it a cancelled one."""
    staff = make_staff()
    cancel_match_day(actor=staff, day=begin_match_day(actor=staff, settings=Settings(next_week())))
    made = begin_match_day(actor=staff, settings=Settings(next_week()))
    for action, digest in (("solve", "d" * 64), ("change", "d" * 64), ("solve", "e" * 64)):
        take_step(action, day=made, actor=None if action == "solve" else staff, digest=digest)
    return made


def by_invariants() -> set[tuple[int, str]]:
    results = check_some(numbers=[3, 4, 5, 7])
    return {(result["number"], one["what"]) for result in results for one in result["found"]}


def rows() -> dict[str, Any]:
    return {"model": EngineModel.objects.earliest("pk"), "day": MatchDay.objects.latest("pk")}


def test_what_is_true_passes_and_is_counted(model: EngineModel, day: MatchDay, capsys: Any) -> None:
    said, code = verify(capsys)
    assert (code, said["models"], said["match_days"], said["violations"]) == (0, 3, 2, 0)
    assert said["events"] == EngineModelEvent.objects.count() + MatchDayEvent.objects.count() == 15
    assert not by_invariants()


def test_every_move_of_both_tables_was_taken(model: EngineModel, day: MatchDay) -> None:
    """But for the release of a match day, whose trip `test_matchdays` walks."""
    taken = set(EngineModelEvent.objects.values_list("action", flat=True))
    assert taken == {row.action for row in MODEL_TRANSITIONS}
    taken = set(MatchDayEvent.objects.values_list("action", flat=True))
    assert taken == {row.action for row in MATCH_DAY_TRANSITIONS} - {"release", "finish"}


FORGED = {"actor_id": 4711, "action": "restore", "from_status": "refused", "at": "2020-01-01 00:00:00+00:00"}


@pytest.mark.parametrize("column", FORGED)
@pytest.mark.parametrize("kind", ["model", "day"])
def test_a_changed_event_is_named(
    model: EngineModel, day: MatchDay, capsys: Any, kind: str, column: str
) -> None:
    row = rows()[kind]
    change(row, 2, **{column: FORGED[column]})
    assert (str(row.public_id), 2, "wrong_hash") in found(capsys)
    assert (5, "wrong_hash") in by_invariants()


@pytest.mark.parametrize("kind", ["model", "day"])
def test_a_chain_cut_short_is_named(model: EngineModel, day: MatchDay, capsys: Any, kind: str) -> None:
    row = rows()[kind]
    event = row.events.model
    with unlocked():
        event.objects.filter(pk=row.events.latest("seq").pk).delete()
    wrong = {code for subject, _seq, code in found(capsys) if subject == str(row.public_id)}
    assert {"change_without_event", "other_state"} <= wrong


def test_exchanged_weights_are_named(model: EngineModel, capsys: Any) -> None:
    """Every event is bound to the digest of what was trained."""
    EngineModel.objects.filter(pk=model.pk).update(digest="f" * 64)
    assert {(seq, code) for _subject, seq, code in found(capsys)} == {(n, "wrong_hash") for n in (1, 2, 3, 4)}


def test_a_model_published_behind_our_back_is_named(model: EngineModel, capsys: Any) -> None:
    refused = EngineModel.objects.get(status=ModelStatus.REFUSED)
    EngineModel.objects.filter(pk=model.pk).update(status=ModelStatus.RETIRED)
    EngineModel.objects.filter(pk=refused.pk).update(status=ModelStatus.PUBLISHED)
    assert (str(refused.public_id), 2, "other_state") in found(capsys)
    assert (4, "other_state") in by_invariants()


def test_another_result_than_was_solved_is_named(day: MatchDay, capsys: Any) -> None:
    raw("UPDATE matching_matchday SET digest = %s WHERE id = %s", "f" * 64, day.pk)
    assert found(capsys) == {(str(day.public_id), 4, "result_exchanged")}
    assert (5, "result_exchanged") in by_invariants()
