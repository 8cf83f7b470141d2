"""What matching does in the background: handlers take ids and make one service call (layer: tasks)."""

from collections.abc import Sequence
from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from accounts.services.scrubbing import forget_answers
from jobs.registry import Run, handles, on_every_worker
from matching.services import (
    decisions,
    erasure,
    fairness,
    invariants,
    matchdays,
    matches,
    models,
    news,
    recommendations,
    roots,
)
from matching.services.notes import FORGET_ANSWERS_KIND
from matching.snapshot.erased import forget_erased
from matching.snapshot.market import keep_markets, warm_market
from matchmaker.core.process import keep_loaded


@worker_ready.connect
def read_market_ahead(sender: Any = None, **_: Any) -> None:
    """Let the first save after the start of a worker wait for the engine alone."""
    if sender is not None and recommendations.QUEUE in sender.app.amqp.queues.consume_from:
        keep_markets()
        warm_market(then=keep_loaded)


on_every_worker(forget_erased)


@handles("matching.refresh_party")
def refresh_party(run: Run, *, side: str, party_id: int) -> dict[str, Any]:
    """Bring one party's list up to date."""
    return recommendations.refresh_party(side=side, party_id=party_id)


@handles("matching.refresh_between")
def refresh_between(run: Run, *, merchant_id: int, anchor_id: int) -> dict[str, Any]:
    """Bring the lists of an anchor and of all stalls of a merchant up to date."""
    return recommendations.refresh_between(merchant_id=merchant_id, anchor_id=anchor_id)


@handles("matching.patch_partners", jointly=True)
def patch_partners(run: Run, *, each: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Bring the lists that these parties touch up to date: one look at everybody's list does for all."""
    changed: dict[str, list[int]] = {"stall": [], "anchor": []}
    for args in each:
        # A job that was queued before the upgrade names one party.
        for side, ids in (args.get("changed") or {args["side"]: [args["party_id"]]}).items():
            changed[side] += ids
    return recommendations.patch_partners(changed=changed, progress=run.progress)


@handles(recommendations.DUE_KIND)
def refresh_due(run: Run) -> dict[str, Any]:
    """Bring the lists of all due parties up to date."""
    return recommendations.refresh_due(batch=run.job_id, progress=run.progress)


@handles(recommendations.HELP_KIND)
def help_rematch(run: Run, *, run_id: int, number: int) -> dict[str, Any]:
    """Do one piece of a re-match that another worker leads."""
    return recommendations.help_rematch(run_id=run_id, number=number)


@handles(FORGET_ANSWERS_KIND)
def forget_answers_to(run: Run, *, ids: Sequence[str]) -> dict[str, Any]:
    """Empty the answers kept for a repeat that name one of these."""
    return {"answers": forget_answers(ids)}


@handles("matching.rematch")
def rematch(run: Run) -> dict[str, Any]:
    """Compute everybody's lists."""
    return recommendations.rematch_everybody(progress=run.progress)


@handles(models.TRAIN_KIND)
def train(run: Run, *, actor_id: int | None) -> dict[str, Any]:
    """Train a challenger and let the gate decide."""
    return models.train_challenger(actor_id=actor_id, progress=run.progress)


@handles(decisions.JOB_KIND)
def decide_matches(
    run: Run,
    *,
    actor_id: int,
    match_ids: list[int],
    action: str,
    reason_code: str,
    note_id: int | None,
) -> dict[str, Any]:
    """Carry out what staff decided about the matches that they chose."""
    return decisions.decide_matches(
        actor_id=actor_id,
        match_ids=match_ids,
        action=action,
        reason_code=reason_code,
        note_id=note_id,
        progress=run.progress,
    )


@handles(news.MOVE_KIND)
def tell_of_move(run: Run, *, event_id: int) -> dict[str, Any]:
    """Tell of one move of a match."""
    return news.tell_of_move(event_id=event_id)


@handles(news.ESCALATION_KIND)
def tell_of_escalation(run: Run, *, match_id: int) -> dict[str, Any]:
    """Tell staff of a match that has waited for too long."""
    return news.tell_of_escalation(match_id=match_id)


@handles(news.OUTCOME_KIND)
def tell_of_outcome(run: Run, *, event_id: int) -> dict[str, Any]:
    """Tell of what a session brought."""
    return news.tell_of_outcome(event_id=event_id)


@handles(erasure.FORGET_KIND)
def forget_person(run: Run, *, erasure_id: int) -> dict[str, Any]:
    """End what an erased person had open."""
    return erasure.forget_person(erasure_id=erasure_id)


@handles(fairness.FAIRNESS_KIND)
def measure_fairness(run: Run) -> dict[str, Any]:
    """Measure how evenly the lists spread."""
    return fairness.measure_fairness(progress=run.progress)


@handles(invariants.CHECK_KIND)
def check_invariants(run: Run) -> dict[str, Any]:
    """Look for violations of all invariants."""
    check = invariants.check_all(progress=run.progress)
    return {"check": check.pk, "violations": check.violations}


@handles(matchdays.SOLVE_KIND)
def solve_match_day(run: Run, *, day_id: int) -> dict[str, Any]:
    """Solve a match day for the town as it is."""
    return matchdays.solve_match_day(day_id=day_id, progress=run.progress)


@handles(matchdays.RELEASE_KIND)
def release_match_day(run: Run, *, day_id: int, actor_id: int) -> dict[str, Any]:
    """Propose the pairs of a match day."""
    return matchdays.release_match_day(day_id=day_id, actor_id=actor_id, progress=run.progress)


@shared_task(name="matching.tasks.check_invariants_nightly")
def check_invariants_nightly() -> None:
    """Ask for a check of all invariants."""
    invariants.request_check()


@shared_task(name="matching.tasks.keep_deadlines")
def keep_deadlines() -> None:
    """Expire what nobody answered or approved in time; escalate what waits for staff."""
    matches.keep_deadlines()


@shared_task(name="matching.tasks.close_day")
def close_day() -> None:
    """Bind what happened until the last midnight of the town under a root."""
    roots.close_day()


@shared_task(name="matching.tasks.ask_for_due_lists")
def ask_for_due_lists() -> None:
    """Ask again for due parties whom no job waits for."""
    recommendations.ask_for_due()


@shared_task(name="matching.tasks.forget_superseded_lists")
def forget_superseded_lists() -> None:
    """Delete lists that no cursor reads any more."""
    recommendations.forget_superseded_lists()


@shared_task(name="matching.tasks.read_market")
def read_market() -> None:
    """Read the market as of the new day, before the first save of it has to wait for that."""
    warm_market().join()


@shared_task(name="matching.tasks.train_nightly")
def train_nightly() -> None:
    """Ask for a training where there is evidence that the last one had not seen."""
    models.request_training_if_new()


@shared_task(name="matching.tasks.rematch_nightly")
def rematch_nightly() -> None:
    """Ask for a fresh fit of the engine and everybody's lists."""
    recommendations.request_rematch()
