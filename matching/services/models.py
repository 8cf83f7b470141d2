"""Training a challenger, publishing it through the gate only, and rolling back (layer: services)."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from jobs.models import Job
from jobs.services import enqueue
from matching.choices import ModelStatus, Role
from matching.digests import model_event_hash
from matching.engine.config import Config
from matching.engine.decisions import decision_features
from matching.engine.errors import EngineError
from matching.engine.judging import Case, held_out_from, judge, with_weights
from matching.engine.model import Model
from matching.engine.pipeline import code_version, fit
from matching.engine.teach import Lesson, shortage, teach
from matching.engine.weights import Learned, blend, features_hash
from matching.models import EngineModel, EngineModelEvent
from matching.selectors.outcomes import outcomes_for_learning
from matching.signals import model_changed
from matching.snapshot.learned import current_weights, pack_weights, published_model
from matching.snapshot.market import read_snapshot
from matching.snapshot.profiles import read_profiles
from matching.snapshot.training import build_decisions, high_water_mark, read_evidence
from matching.states import MODEL_TRANSITIONS
from matchmaker.core import clock
from matchmaker.core.errors import Conflict, NotAllowed
from matchmaker.core.transitions import Transition, move

logger = logging.getLogger(__name__)

QUEUE = "compute"
TRAIN_KIND = "matching.train"
SEED = 621
STEPS = 5
MAY_TRAIN = "matching.train_enginemodel"
MAY_ROLL_BACK = "matching.roll_back_enginemodel"
Progress = Callable[[int, int], None]
_MOVES = {row.action: row for row in MODEL_TRANSITIONS}


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


# --- asking for work ---------------------------------------------------------------------------------


def request_training(*, actor: User | None) -> Job:
    """Write the job that trains a challenger; who asks while one is queued gets that one.

    Raises NotAllowed for who may not train.
    """
    _require(actor, MAY_TRAIN)
    with transaction.atomic():
        return enqueue(
            kind=TRAIN_KIND,
            key="train",
            args={"actor_id": actor.pk if actor else None},
            queue=QUEUE,
            requested_by=actor,
        )


def request_training_if_new() -> Job | None:
    """Write the job if there is evidence that the last training had not seen."""
    last = EngineModel.objects.order_by("-pk").values_list("high_water", flat=True).first()
    return None if last == high_water_mark() else request_training(actor=None)


def _require(actor: User | None, permission: str) -> None:
    if actor is not None and not actor.has_perm(permission):
        raise NotAllowed(_("You may not do that."), code="not_allowed")


# --- training ----------------------------------------------------------------------------------------


def train_challenger(*, actor_id: int | None = None, progress: Progress = _silent) -> dict[str, Any]:
    """Learn from all evidence but the last weeks, judge on those, and publish or refuse.

    Returns `model`, `status` and `figures`; or `lacking`, what there is too little of. The figures are of
    the very weights that are stored: nothing is fitted again after the gate.
    """
    progress(0, STEPS)
    mark = high_water_mark()
    snapshot, _versions = read_snapshot()
    decisions = build_decisions(snapshot, read_evidence(outcomes_for_learning()))
    lacking = shortage(decisions)
    if lacking is not None:
        return {"model": None, "lacking": lacking}
    progress(1, STEPS)
    prior = fit(snapshot, Config(), seed=SEED)
    features = decision_features(prior, read_profiles(snapshot, decisions), decisions)
    progress(2, STEPS)
    early = decisions.week < held_out_from(decisions.directed_weeks)
    lesson = teach(prior, decisions.at_rows(early), features[early])
    progress(3, STEPS)
    case = Case(snapshot, decisions.at_rows(~early), features[~early], SEED)
    figures = judge(case, _model_of(prior, current_weights()), _model_of(prior, lesson.learned))
    progress(4, STEPS)
    model = _decide(lesson, figures, mark, actor_id, int(early.sum()))
    progress(STEPS, STEPS)
    return {"model": model.pk, "status": model.status, "figures": figures}


def _model_of(prior: Model, learned: Learned | None) -> Model:
    """Return the model of these weights beside the prior; the prior itself where they do not fit."""
    if learned is None:
        return prior
    try:
        weights = blend(prior.weights, learned, prior.encoder.weights, prior.encoder.base)
    except EngineError:
        logger.exception("weights that cannot be blended: the prior stands for them")
        return prior
    return with_weights(prior, weights, learned.digest)


def _decide(
    lesson: Lesson, figures: dict[str, Any], mark: dict[str, Any], actor_id: int | None, count: int
) -> EngineModel:
    """Store the challenger, and publish or refuse it in the same transaction."""
    with transaction.atomic():
        model = EngineModel.objects.create(
            status=ModelStatus.CHALLENGER,
            weights=pack_weights(lesson.learned),
            digest=lesson.learned.digest,
            figures=figures,
            details=_details(lesson),
            high_water=mark,
            decisions=count,
            seed=SEED,
            trained_by_id=actor_id,
        )
        _record(model, _MOVES["train"], "", actor_id)
        if figures["refused"]:
            _move(model, "refuse", actor_id)
        else:
            publish_model(model=model, actor_id=actor_id)
    return model


def _details(lesson: Lesson) -> dict[str, Any]:
    return {
        "chosen": [asdict(choice) for choice in lesson.choices],
        "shares": lesson.learned.shares.round(6).tolist(),
        "calibration": lesson.learned.calibration.round(6).tolist(),
        "features": features_hash(),
        "code": code_version(),
        "config": Config().digest(),
        "libraries": {name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
    }


# --- what counts -------------------------------------------------------------------------------------


def publish_model(*, model: EngineModel, actor_id: int | None = None) -> EngineModel:
    """Let a challenger that passed the gate count from now on; what counted before is retired.

    Announces `model_changed`. Raises Conflict for a model that the gate refuses, that is no challenger, or
    while another one is being published.
    """
    if model.figures.get("refused") != []:
        raise Conflict(_("The gate does not let this model count."), code="gate_refused")
    try:
        with transaction.atomic():
            before = published_model()
            if before is not None:
                _move(before, "retire", actor_id)
            _move(model, "publish", actor_id, published_at=clock.now(), replaced=before)
            model_changed.send(sender=EngineModel, model=model, actor=_user(actor_id))
    except IntegrityError as error:
        raise Conflict(_("Another model was published meanwhile."), code="published_meanwhile") from error
    return model


def rollback_model(*, actor: User | None) -> EngineModel | None:
    """Let what counted before the published model count again; return it, None for the prior.

    Announces `model_changed`. Raises NotAllowed for who may not, Conflict when nothing is published.
    """
    _require(actor, MAY_ROLL_BACK)
    actor_id = actor.pk if actor else None
    with transaction.atomic():
        model = published_model()
        if model is None:
            raise Conflict(_("No learned model is published: the prior scores alone."), code="none_published")
        _move(model, "retire", actor_id)
        before = model.replaced
        if before is not None:
            _move(before, "restore", actor_id, published_at=clock.now())
        model_changed.send(sender=EngineModel, model=model, actor=actor)
    return before


def _user(actor_id: int | None) -> User | None:
    return None if actor_id is None else User.objects.filter(pk=actor_id).first()


def _move(model: EngineModel, action: str, actor_id: int | None, **changes: Any) -> None:
    """Make one move of the table with its event."""
    row, before = _MOVES[action], model.status
    move(model, sources=row.sources, status=row.target, **changes)
    _record(model, row, before, actor_id)


def _record(model: EngineModel, row: Transition, before: str, actor_id: int | None) -> None:
    last = EngineModelEvent.objects.filter(model=model).order_by("-seq").first()
    event = EngineModelEvent(
        model=model,
        seq=last.seq + 1 if last else 1,
        action=row.action,
        from_status=before,
        to_status=row.target,
        actor_id=actor_id,
        actor_role=Role.SYSTEM if actor_id is None else Role.STAFF,
        at=clock.now(),
        prev_hash=last.hash if last else "",
    )
    event.hash = model_event_hash(event, model.public_id, model.digest)
    event.save(force_insert=True)
