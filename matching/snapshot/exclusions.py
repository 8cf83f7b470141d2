"""Pairs that people, staff or open matches take out: one definition for every path (layer: snapshot)."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import TruncDate

from accounts.models import Stall
from matching.choices import OPEN_STATUSES, MatchStatus, PairRuleKind, ReactionKind
from matching.engine.types import Exclusions, Rule
from matching.models import Block, Exclusivity, Match, PairRule, Reaction
from matching.policy import HIDDEN_AFTER_DECLINE
from matchmaker.core import clock
from matchmaker.core.weeks import TOWN_ZONE

_REACTION_RULES = {ReactionKind.PASS: Rule.PASSED, ReactionKind.NEVER: Rule.NEVER}
_PAIR_RULES = {PairRuleKind.FORBID: Rule.FORBIDDEN}

Ids = Sequence[int] | None
Triple = tuple[int, int, Rule]


def read_exclusions(stall_ids: Ids = None, anchor_ids: Ids = None) -> Exclusions:
    """Return every excluded pair among these stalls and anchors (None: all of that side)."""
    triples = [
        *_reactions(stall_ids, anchor_ids),
        *_pair_rules(stall_ids, anchor_ids),
        *_blocks(stall_ids, anchor_ids),
        *_matches(stall_ids, anchor_ids),
        *_exclusivities(stall_ids, anchor_ids),
    ]
    return Exclusions.of(sorted(set(triples)))


def _among(rows: QuerySet[Any], stall_ids: Ids, anchor_ids: Ids) -> QuerySet[Any]:
    if stall_ids is not None:
        rows = rows.filter(stall_id__in=stall_ids)
    if anchor_ids is not None:
        rows = rows.filter(anchor_id__in=anchor_ids)
    return rows


def _reactions(stall_ids: Ids, anchor_ids: Ids) -> Iterator[Triple]:
    in_force = Q(kind=ReactionKind.NEVER) | Q(kind=ReactionKind.PASS, until__gt=clock.sql_now())
    rows = _among(Reaction.objects.filter(in_force), stall_ids, anchor_ids)
    for stall_id, anchor_id, kind in rows.values_list("stall_id", "anchor_id", "kind"):
        yield stall_id, anchor_id, _REACTION_RULES[kind]


def _pair_rules(stall_ids: Ids, anchor_ids: Ids) -> Iterator[Triple]:
    in_force = Q(until__isnull=True) | Q(until__gt=clock.sql_now())
    rows = _among(PairRule.objects.filter(in_force, kind__in=list(_PAIR_RULES)), stall_ids, anchor_ids)
    for stall_id, anchor_id, kind in rows.values_list("stall_id", "anchor_id", "kind"):
        yield stall_id, anchor_id, _PAIR_RULES[kind]


def _blocks(stall_ids: Ids, anchor_ids: Ids) -> Iterator[Triple]:
    """Yield all stalls of a merchant with the anchor: who never wants to meet a party meets none of them."""
    # In one filter, so that it is one join and asks for no stall beyond those.
    wanted = {"merchant__stalls__isnull": False} if stall_ids is None else {"merchant__stalls__in": stall_ids}
    rows = Block.objects.filter(**wanted)
    if anchor_ids is not None:
        rows = rows.filter(anchor_id__in=anchor_ids)
    for stall_id, anchor_id in rows.values_list("merchant__stalls", "anchor_id"):
        yield stall_id, anchor_id, Rule.BLOCKED


def _matches(stall_ids: Ids, anchor_ids: Ids) -> Iterator[Triple]:
    declined = Q(status=MatchStatus.DECLINED, ended_at__gt=clock.sql_now() - HIDDEN_AFTER_DECLINE)
    rows = _among(Match.objects.filter(declined | Q(status__in=OPEN_STATUSES)), stall_ids, anchor_ids)
    for stall_id, anchor_id, status in rows.values_list("stall_id", "anchor_id", "status"):
        yield stall_id, anchor_id, Rule.DECLINED if status == MatchStatus.DECLINED else Rule.OPEN_MATCH


def _exclusivities(stall_ids: Ids, anchor_ids: Ids) -> Iterator[Triple]:
    """Yield the other stalls that a promise in force closes to its anchor: all, or those of its category."""
    today = TruncDate(clock.sql_now(), tzinfo=TOWN_ZONE)
    promises = _among(Exclusivity.objects.filter(starts_on__lte=today, ends_on__gte=today), None, anchor_ids)
    kept = list(promises.values_list("stall_id", "anchor_id", "category"))
    if not kept:
        return
    others = Stall.objects.filter(archived_at__isnull=True)
    if stall_ids is not None:
        others = others.filter(pk__in=stall_ids)
    stalls = list(others.values_list("pk", "categories"))
    for kept_stall, anchor_id, category in kept:
        for stall_id, categories in stalls:
            if stall_id != kept_stall and (not category or category in categories):
                yield stall_id, anchor_id, Rule.EXCLUSIVE_ELSEWHERE
