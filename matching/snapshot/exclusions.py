"""Pairs that people, staff or open matches take out: one definition for every path (layer: snapshot)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import TruncDate

from accounts.models import Stall
from matching.choices import OPEN_STATUSES, MatchStatus, PairRuleKind, ReactionKind
from matching.engine.types import Exclusions, Rule
from matching.models import Block, Exclusivity, Match, PairRule, Reaction
from matching.policy import HIDDEN_AFTER_DECLINE
from matchmaker.core import clock
from matchmaker.core.prepared import Prepared
from matchmaker.core.weeks import TOWN_ZONE

Ids = Sequence[int] | None
Triple = tuple[int, int, Rule]
# Up to as many ids a side, the query is kept written; a page asks for some 25.
_FEW = 60


def read_exclusions(stall_ids: Ids = None, anchor_ids: Ids = None) -> Exclusions:
    """Return every excluded pair among these stalls and anchors (None: all of that side)."""
    if stall_ids is not None and anchor_ids is not None and max(len(stall_ids), len(anchor_ids)) <= _FEW:
        return exclusions_among(stall_ids, anchor_ids)
    promises = _promises(anchor_ids)
    return _exclusions(_listed(stall_ids, anchor_ids), promises, stall_ids)


def exclusions_among(stall_ids: Sequence[int], anchor_ids: Sequence[int]) -> Exclusions:
    """Return the same for a few parties, without waiting for SQL to be written."""
    if not stall_ids or not anchor_ids:
        return Exclusions.of([])
    rows = _LISTED.rows(stall_ids, anchor_ids)
    return _exclusions(rows, _PROMISES.rows(anchor_ids), stall_ids)


def _exclusions(listed: Iterable[Any], promises: Iterable[Any], stall_ids: Ids) -> Exclusions:
    triples = {(stall_id, anchor_id, Rule(rule)) for stall_id, anchor_id, rule in listed}
    triples.update(_exclusivities(list(promises), stall_ids))
    return Exclusions.of(sorted(triples))


def _listed(stall_ids: Ids, anchor_ids: Ids) -> QuerySet[Any, Any]:
    """Return (stall, anchor, rule) of every source in one query; a pair may come twice."""
    first, *others = (
        source(stall_ids, anchor_ids) for source in (_reactions, _pair_rules, _blocks, _matches)
    )
    return first.union(*others, all=True)


def _among(rows: QuerySet[Any], stall_ids: Ids, anchor_ids: Ids) -> QuerySet[Any]:
    if stall_ids is not None:
        rows = rows.filter(stall_id__in=stall_ids)
    if anchor_ids is not None:
        rows = rows.filter(anchor_id__in=anchor_ids)
    return rows


def _triples(rows: QuerySet[Any], rule: Any, stall: str = "stall_id") -> QuerySet[Any, Any]:
    return rows.order_by().annotate(rule=rule).values_list(stall, "anchor_id", "rule")


def _is(rule: Rule) -> Value:
    return Value(int(rule), output_field=IntegerField())


def _reactions(stall_ids: Ids, anchor_ids: Ids) -> QuerySet[Any, Any]:
    in_force = Q(kind=ReactionKind.NEVER) | Q(kind=ReactionKind.PASS, until__gt=clock.sql_now())
    rows = _among(Reaction.objects.filter(in_force), stall_ids, anchor_ids)
    return _triples(rows, Case(When(kind=ReactionKind.NEVER, then=_is(Rule.NEVER)), default=_is(Rule.PASSED)))


def _pair_rules(stall_ids: Ids, anchor_ids: Ids) -> QuerySet[Any, Any]:
    in_force = Q(until__isnull=True) | Q(until__gt=clock.sql_now())
    rows = _among(PairRule.objects.filter(in_force, kind=PairRuleKind.FORBID), stall_ids, anchor_ids)
    return _triples(rows, _is(Rule.FORBIDDEN))


def _blocks(stall_ids: Ids, anchor_ids: Ids) -> QuerySet[Any, Any]:
    """All stalls of a merchant with the anchor: who never wants to meet a party meets none of them."""
    # In one filter, so that it is one join and asks for no stall beyond those.
    wanted = {"merchant__stalls__isnull": False} if stall_ids is None else {"merchant__stalls__in": stall_ids}
    rows = Block.objects.filter(**wanted)
    if anchor_ids is not None:
        rows = rows.filter(anchor_id__in=anchor_ids)
    return _triples(rows, _is(Rule.BLOCKED), "merchant__stalls")


def _matches(stall_ids: Ids, anchor_ids: Ids) -> QuerySet[Any, Any]:
    declined = Q(status=MatchStatus.DECLINED, ended_at__gt=clock.sql_now() - HIDDEN_AFTER_DECLINE)
    rows = _among(Match.objects.filter(declined | Q(status__in=OPEN_STATUSES)), stall_ids, anchor_ids)
    is_declined = When(status=MatchStatus.DECLINED, then=_is(Rule.DECLINED))
    return _triples(rows, Case(is_declined, default=_is(Rule.OPEN_MATCH)))


def _promises(anchor_ids: Ids) -> QuerySet[Any, Any]:
    today = TruncDate(clock.sql_now(), tzinfo=TOWN_ZONE)
    promises = _among(Exclusivity.objects.filter(starts_on__lte=today, ends_on__gte=today), None, anchor_ids)
    return promises.values_list("stall_id", "anchor_id", "category")


def _exclusivities(promises: Sequence[tuple[int, int, str]], stall_ids: Ids) -> Iterator[Triple]:
    """Yield the other stalls that a promise in force closes to its anchor: all, or those of its category."""
    if not promises:
        return
    others = Stall.objects.filter(archived_at__isnull=True)
    if stall_ids is not None:
        others = others.filter(pk__in=stall_ids)
    stalls = list(others.values_list("pk", "categories"))
    for kept_stall, anchor_id, category in promises:
        for stall_id, categories in stalls:
            if stall_id != kept_stall and (not category or category in categories):
                yield stall_id, anchor_id, Rule.EXCLUSIVE_ELSEWHERE


_LISTED, _PROMISES = Prepared(_listed), Prepared(_promises)
