"""Exclusions hold on every path, whatever comes together: random exclusions on a small town.

Each example takes some pairs out in ways drawn from the table of all ways, then looks along every path: the
mask, the stored lists read before anything was computed anew, filters, lists computed for the request, lists
without personalisation, patched lists, refreshed ones, and a new match of everybody. Each has to show exactly
the partners that no rule is against. `MATCHMAKER_TEST_EXAMPLES` says how many.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Anchor, Stall
from matching.engine.candidates import LISTED_RULES, ruled_out
from matching.engine.types import Side
from matching.filters import Filters
from matching.models import RecommendationList
from matching.selectors import suggestions_for
from matching.services import recommendations
from matching.snapshot import parties_for_pairs
from matching.snapshot.market import forget_market
from tests.matching.exclusion_kinds import KINDS
from tests.matching.market import make_anchor, make_stall

EXAMPLES = int(os.environ.get("MATCHMAKER_TEST_EXAMPLES", "6"))
SIZE = 3
Shown = dict[tuple[str, int], set[int]]

# An open match needs a pair that may still be brought together, which the others would spoil.
drawn = st.sampled_from(sorted(set(KINDS) - {"an open match"}))
places = st.integers(0, SIZE - 1)
taken_out = st.dictionaries(st.tuples(places, places), drawn, max_size=4)

pytestmark = pytest.mark.django_db


@pytest.fixture
def town() -> tuple[list[Stall], list[Anchor]]:
    stalls, anchors = [make_stall() for _ in range(SIZE)], [make_anchor() for _ in range(SIZE)]
    recommendations.rematch_everybody()
    return stalls, anchors


@contextmanager
def undone() -> Iterator[None]:
    """What happens within is undone, and the market of the process forgotten."""
    try:
        with transaction.atomic():
            yield
            transaction.set_rollback(True)
    finally:
        forget_market()


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(chosen=taken_out)
def test_every_path_shows_exactly_whom_no_rule_is_against(town: Any, chosen: dict[tuple[int, int], str]):
    with undone():
        _check(*town, chosen)


def _check(stalls: list[Stall], anchors: list[Anchor], chosen: dict[tuple[int, int], str]) -> None:
    for (row, column), name in chosen.items():
        KINDS[name].exclude(stalls[row], anchors[column])
    # As another request reads them: the exclusions were written to the rows.
    stalls = list(
        Stall.objects.select_related("merchant").filter(pk__in=[s.pk for s in stalls]).order_by("pk")
    )
    anchors = list(Anchor.objects.filter(pk__in=[a.pk for a in anchors]).order_by("pk"))
    right = _by_the_mask(stalls, anchors)
    for (row, column), name in chosen.items():
        for side in KINDS[name].hides_from:
            subject, partner = (row, column) if side == "stall" else (column, row)
            own, others = (stalls, anchors) if side == "stall" else (anchors, stalls)
            assert others[partner].pk not in right[side, own[subject].pk], f"the mask, {name}"

    assert _served(stalls, anchors) == right, "stored"
    assert _served(stalls, anchors, filters=Filters(commission_min=0.0)) == right, "filtered"
    assert _served(stalls, anchors, personalised=False) == right, "not personalised"
    held = list(RecommendationList.objects.values_list("pk", flat=True))
    RecommendationList.objects.filter(pk__in=held).update(superseded_at="2020-01-01T00:00:00Z")
    assert _served(stalls, anchors) == right, "computed for the request"

    RecommendationList.objects.filter(pk__in=held).update(superseded_at=None)
    touched = {"stall": [s.pk for s in stalls], "anchor": [a.pk for a in anchors]}
    recommendations.patch_partners(changed=touched)
    assert _stored(stalls, anchors, right) == right, "patched"
    for side, ids in touched.items():
        for party_id in ids:
            recommendations.refresh_party(side=side, party_id=party_id)
    assert _stored(stalls, anchors, right) == right, "refreshed"
    recommendations.rematch_everybody()
    assert _stored(stalls, anchors, right) == right, "everybody anew"
    assert _served(stalls, anchors) == right, "read anew"


def _by_the_mask(stalls: list[Stall], anchors: list[Anchor]) -> Shown:
    """Whom the engine's mask leaves each subject."""
    rows = parties_for_pairs([s.pk for s in stalls], [a.pk for a in anchors])
    left: Shown = {}
    for side in Side:
        codes = ruled_out(*rows, subject=side)
        own, others = rows[:2] if side is Side.STALL else (rows[1], rows[0])
        table = codes if side is Side.STALL else codes.T
        for subject, row in zip(own.ids.tolist(), table, strict=True):
            left[side.value, subject] = set(others.ids[row == 0].tolist())
    return left


def _served(stalls: list[Stall], anchors: list[Anchor], **asked: Any) -> Shown:
    """What each of them reads now."""
    subjects = [("stall", stall) for stall in stalls] + [("anchor", anchor) for anchor in anchors]
    found: Shown = {}
    for side, subject in subjects:
        page = suggestions_for(side=side, subject=subject, **asked)
        assert page.source != "pending"
        assert page.items or page.why_none, "an empty list gives its reasons"
        others = anchors if side == "stall" else stalls
        found[side, subject.pk] = {item.partner.pk for item in page.items} & {o.pk for o in others}
    return found


def _stored(stalls: list[Stall], anchors: list[Anchor], right: Shown) -> Shown:
    rows = RecommendationList.objects.filter(superseded_at__isnull=True)
    ids = {(row.side, row.subject_id): bytes(row.partner_ids) for row in rows}
    # A promise to another stall brings that stall into the town; it is not looked at.
    known = {"stall": {a.pk for a in anchors}, "anchor": {s.pk for s in stalls}}
    return {key: set(memoryview(ids[key]).cast("q").tolist()) & known[key[0]] for key in right}


def test_the_ways_drawn_cover_every_listed_rule():
    assert {KINDS[name].rule for name in KINDS if name != "an open match"} >= set(LISTED_RULES) - {
        KINDS["an open match"].rule
    }
