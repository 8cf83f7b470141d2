"""The wiring diagram of matching: which fact becomes which job, in its transaction (layer: receivers)."""

from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from accounts.models import Erasure
from accounts.signals import person_erased, profile_changed
from matching.models import EngineModel, Match, MatchEvent, OutcomeEvent
from matching.services.erasure import request_forgetting
from matching.services.news import (
    request_news_of_escalation,
    request_news_of_move,
    request_news_of_outcome,
)
from matching.services.recommendations import request_refresh, request_refresh_between, request_rematch
from matching.signals import (
    block_changed,
    match_escalated,
    match_moved,
    model_changed,
    outcome_changed,
    pair_changed,
)


@receiver(profile_changed, dispatch_uid="matching.profile_changed")
def on_profile_changed(*, side: str, ids: Sequence[int], actor: Any = None, **_: Any) -> None:
    """A changed party gets a new list, and so do the partners it touches."""
    request_refresh(side=side, ids=ids, actor=actor)


@receiver(person_erased, dispatch_uid="matching.person_erased")
def on_person_erased(*, erasure: Erasure, **_: Any) -> None:
    """Open matches of whoever is erased end, and their lists go."""
    request_forgetting(erasure=erasure)


@receiver(pair_changed, dispatch_uid="matching.pair_changed")
def on_pair_changed(*, stall_id: int, anchor_id: int, **_: Any) -> None:
    """A reaction, rule or match leaves a gap in both lists, or closes one."""
    request_refresh(side="stall", ids=[stall_id])
    request_refresh(side="anchor", ids=[anchor_id])


@receiver(block_changed, dispatch_uid="matching.block_changed")
def on_block_changed(*, merchant_id: int, anchor_id: int, **_: Any) -> None:
    """A block leaves a gap in the lists of the anchor and of every stall of the merchant, or closes it."""
    request_refresh_between(merchant_id=merchant_id, anchor_id=anchor_id)


@receiver(match_moved, dispatch_uid="matching.match_moved")
def on_match_moved(*, event: MatchEvent, **_: Any) -> None:
    """Those whom a move concerns or awaits are told."""
    request_news_of_move(event=event)


@receiver(match_escalated, dispatch_uid="matching.match_escalated")
def on_match_escalated(*, match: Match, **_: Any) -> None:
    """Staff are told that a match waits for them."""
    request_news_of_escalation(match=match)


@receiver(outcome_changed, dispatch_uid="matching.outcome_changed")
def on_outcome_changed(*, event: OutcomeEvent, **_: Any) -> None:
    """Those whom the figures of a session concern are told."""
    request_news_of_outcome(event=event)


@receiver(model_changed, dispatch_uid="matching.model_changed")
def on_model_changed(*, model: EngineModel, actor: Any = None, **_: Any) -> None:
    """Other weights make other lists, everybody's."""
    request_rematch(actor=actor)
