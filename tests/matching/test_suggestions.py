"""Pages of suggestions: pinned, masked as of now, filtered, continued beyond the stored list."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from django.utils.translation import override

from accounts.models import Anchor, Stall, Zone
from matching.engine.scoring import PART_CODES
from matching.filters import Filters
from matching.models import Reaction, RecommendationList
from matching.reasons import REASONS
from matching.selectors import SuggestionPage, suggestions_for
from matching.selectors.suggestions import ListGone
from matching.services import recommendations
from matchmaker.core.errors import InvalidInput
from tests.factories import AnchorFactory, StallFactory

pytestmark = pytest.mark.django_db


def ids(page: SuggestionPage) -> list[int]:
    return [item.partner.pk for item in page.items]


def pages(side: str, subject: Any, **options: Any) -> list[SuggestionPage]:
    found = [suggestions_for(side=side, subject=subject, **options)]
    while found[-1].next_cursor:
        found.append(suggestions_for(side=side, subject=subject, cursor=found[-1].next_cursor, **options))
    return found


@pytest.fixture
def crowd(stall: Stall) -> list[Anchor]:
    """60 anchors, more than a stored list holds; the odd ones sell t-shirts in Zhejiang."""
    made = [
        AnchorFactory.create(
            legal_basis="contract",
            categories=["t_shirt" if number % 2 else "dress"],
            commission_rate=Decimal("0.10") + Decimal(number) / 1000,
            followers=1_000 * (number + 1),
        )
        for number in range(60)
    ]
    recommendations.rematch_everybody()
    return made


def test_pages_go_on_beyond_the_stored_list_without_a_gap_or_a_repeat(
    stall: Stall, crowd: list[Anchor]
) -> None:
    found = pages("stall", stall, page_size=20)
    shown = [pk for page in found for pk in ids(page)]
    assert sorted(shown) == sorted(anchor.pk for anchor in crowd)
    assert [item.rank for page in found for item in page.items] == list(range(1, 61))
    assert [page.source for page in found] == ["stored", "stored", "stored", "computed"]
    stored = [item for page in found[:3] for item in page.items][:50]
    values = [item.score + sum(moved["points"] for moved in item.adjustments) for item in stored]
    # Scores are whole points here, so that a value may seem to rise by less than one.
    assert all(later < value + 1 for value, later in pairwise(values))


def test_parts_sum_to_the_score_in_whole_points(stall: Stall, crowd: list[Anchor]) -> None:
    for page in pages("stall", stall):
        for item in page.items:
            assert item.base + sum(part["points"] for part in item.parts) == item.score


def test_every_part_of_the_engine_can_be_told_in_both_languages(stall: Stall, anchor: Anchor) -> None:
    assert set(PART_CODES) == set(REASONS)
    for language in ("en", "zh-hans"):
        with override(language):
            for code, reason in REASONS.items():
                facts = reason.facts(stall, anchor)
                for sentence in (reason.good, reason.bad):
                    assert "%(" not in str(sentence) % {name: "x" for name in facts}, code


def test_whoever_passed_is_gone_at_once_and_the_rest_keeps_its_order(
    stall: Stall, crowd: list[Anchor]
) -> None:
    before = [pk for page in pages("stall", stall) for pk in ids(page)]
    Reaction.objects.create(
        side="stall", stall=stall, anchor_id=before[1], kind="pass", until=timezone.now() + timedelta(days=30)
    )
    after = [pk for page in pages("stall", stall) for pk in ids(page)]
    assert after == [before[0], *before[2:]]


def test_a_cursor_stays_with_its_list_while_that_is_replaced(stall: Stall, crowd: list[Anchor]) -> None:
    first = suggestions_for(side="stall", subject=stall, page_size=20)
    expected = ids(suggestions_for(side="stall", subject=stall, page_size=20, cursor=first.next_cursor))
    Stall.objects.filter(pk=stall.pk).update(categories=["t_shirt"], version=7)
    recommendations.refresh_party(side="stall", party_id=stall.pk)
    second = suggestions_for(side="stall", subject=stall, page_size=20, cursor=first.next_cursor)
    assert (ids(second), second.list_id) == (expected, first.list_id)
    assert suggestions_for(side="stall", subject=stall).list_id != first.list_id
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        recommendations.forget_superseded_lists()
    with pytest.raises(ListGone):
        suggestions_for(side="stall", subject=stall, cursor=first.next_cursor)


@pytest.mark.parametrize("spoil", [lambda c: c[:-1] + "x", lambda c: "x", lambda c: c.upper()])
def test_a_cursor_that_is_not_ours_is_refused(stall: Stall, crowd: list[Anchor], spoil: Any) -> None:
    cursor = suggestions_for(side="stall", subject=stall).next_cursor
    with pytest.raises(InvalidInput):
        suggestions_for(side="stall", subject=stall, cursor=spoil(cursor))


def test_a_cursor_serves_only_its_own_subject_and_filters(
    stall: Stall, other_stall: Stall, crowd: list[Anchor]
) -> None:
    cursor = suggestions_for(side="stall", subject=stall).next_cursor
    with pytest.raises(InvalidInput):
        suggestions_for(side="stall", subject=other_stall, cursor=cursor)
    with pytest.raises(InvalidInput):
        suggestions_for(side="stall", subject=stall, cursor=cursor, filters=Filters(category="dress"))


@pytest.mark.parametrize(
    ("filters", "keeps"),
    [
        (Filters(category="t_shirt"), lambda a: a.categories == ["t_shirt"]),
        # Bands of 5 %, and those of followers that cards show.
        (Filters(commission_max=0.13), lambda a: a.commission_rate < Decimal("0.15")),
        (Filters(commission_min=0.15), lambda a: a.commission_rate >= Decimal("0.15")),
        (Filters(followers_min=10_000, followers_max=50_000), lambda a: 10_000 <= a.followers < 50_000),
        (Filters(region="guangdong"), lambda a: True),
        (Filters(region="zhejiang"), lambda a: False),
        (Filters(language="mandarin", category="dress"), lambda a: a.categories == ["dress"]),
        (Filters(language="no_such"), lambda a: False),
    ],
)
def test_filters_keep_exactly_those_who_fulfil_them(
    stall: Stall, crowd: list[Anchor], filters: Filters, keeps: Any
) -> None:
    found = pages("stall", stall, filters=filters, page_size=7)
    shown = [pk for page in found for pk in ids(page)]
    assert sorted(shown) == sorted(anchor.pk for anchor in crowd if keeps(anchor))
    assert all(page.source == "computed" for page in found)
    if not shown:
        assert found[0].why_none == {"filtered": 60}


def test_an_anchor_filters_stalls_by_place(anchor: Anchor, stall: Stall) -> None:
    zones = list(Zone.objects.all()[:2])
    upstairs = StallFactory.create(zone=zones[1], floor=5)
    StallFactory.create(zone=zones[1], floor=1)
    recommendations.rematch_everybody()
    filters = Filters(zone=zones[1].code, floor=5)
    assert ids(suggestions_for(side="anchor", subject=anchor, filters=filters)) == [upstairs.pk]
    assert len(ids(suggestions_for(side="anchor", subject=anchor, filters=Filters(moq_max=5)))) == 3
    assert ids(suggestions_for(side="anchor", subject=anchor, filters=Filters(moq_max=4))) == []


def test_excluded_partners_are_left_out_of_every_source(stall: Stall, crowd: list[Anchor]) -> None:
    out = [crowd[0].pk, crowd[2].pk]
    for filters in (Filters(), Filters(category="dress")):
        shown = [pk for page in pages("stall", stall, filters=filters, exclude=out) for pk in ids(page)]
        assert not set(out) & set(shown)
        assert len(shown) == (58 if not filters.given() else 28)


def test_who_has_no_list_yet_is_computed_for_on_the_spot(stall: Stall, crowd: list[Anchor]) -> None:
    newcomer = StallFactory.create()
    page = suggestions_for(side="stall", subject=newcomer)
    assert page.source == "computed" and len(page.items) == 20
    assert not RecommendationList.objects.filter(side="stall", subject_id=newcomer.pk).exists()


def test_before_the_first_run_the_page_says_that_it_is_pending(stall: Stall, anchor: Anchor) -> None:
    page = suggestions_for(side="stall", subject=stall)
    assert (page.source, list(page.items), page.next_cursor) == ("pending", [], None)


def test_an_empty_list_says_why(stall: Stall, anchor: Anchor) -> None:
    Anchor.objects.update(birth_date=timezone.now().date() - timedelta(days=365 * 15))
    recommendations.rematch_everybody()
    assert suggestions_for(side="stall", subject=stall).why_none == {"under_age": 1}


def test_the_number_of_queries_does_not_grow_with_the_page(
    stall: Stall, crowd: list[Anchor], django_assert_max_num_queries: Any
) -> None:
    suggestions_for(side="stall", subject=stall)  # reference data is cached by the process
    for page_size in (1, 20, 50):
        with django_assert_max_num_queries(8):
            suggestions_for(side="stall", subject=stall, page_size=page_size)
