"""What is usual in a category: by hand, and never so that it tells somebody's terms."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from matching.choices import MatchStatus
from matching.models import Match, Terms
from matching.selectors.norms import Norm, Quartiles, norms_of, norms_of_stall
from tests.matching.market import make_anchor, make_stall
from tests.matching.market import terms as draft

pytestmark = pytest.mark.django_db


def agreed(stall, anchor, rate, fee=0, *, ago=timedelta(days=1), status=MatchStatus.COMPLETED):
    wanted = draft(commission_rate=Decimal(rate), slot_fee_cents=fee)
    match = Match.objects.create(
        stall=stall, anchor=anchor, status=status, proposed_by="stall", agreed_at=timezone.now() - ago
    )
    match.terms = Terms.objects.create(
        match=match,
        number=1,
        commission_rate=wanted.commission_rate,
        slot_fee_cents=fee,
        cooperation_mode=wanted.cooperation_mode,
        sessions=wanted.sessions_as_json(),
        canonical=wanted.canonical(),
        digest=wanted.digest(),
        proposed_by="stall",
    )
    match.save(update_fields=["terms"])
    return match


def market(*deals, stalls=3, anchors=3, **fields):
    """Matches of these (rate, fee) of so many merchants and anchors in turn."""
    held = [make_stall(categories=["dress"]) for _ in range(stalls)]
    people = [make_anchor() for _ in range(anchors)]
    for number, (rate, fee) in enumerate(deals):
        agreed(held[number % stalls], people[number % anchors], rate, fee, **fields)
    return held


FIVE = [("0.10", 0), ("0.20", 0), ("0.30", 0), ("0.40", 0), ("0.50", 0)]


def test_quartiles_by_hand():
    market(*FIVE)
    assert norms_of(["dress"]) == [
        Norm("dress", 5, Quartiles(Decimal("0.2"), Decimal("0.3"), Decimal("0.4")), Decimal(1), None)
    ]


def test_share_of_pure_commission_and_the_middle_fee():
    fees = [10_000, 20_000, 30_001, 40_000, 50_000]
    market(*FIVE, *(("0.20", fee) for fee in fees))
    (norm,) = norms_of(["dress"])
    assert (norm.matches, norm.pure_commission_rate) == (10, Decimal("0.5"))
    assert norm.slot_fee_median_cents == 30_001


@pytest.mark.parametrize(
    ("deals", "parties"),
    [
        (FIVE[:4], {}),
        (FIVE, {"stalls": 2}),
        (FIVE, {"anchors": 2}),
        (FIVE, {"ago": timedelta(days=180, minutes=1)}),
        ([], {}),
    ],
)
def test_too_few_to_be_told(deals, parties):
    market(*deals, **parties)
    (norm,) = norms_of(["dress"])
    assert norm == Norm("dress") and norm.why_none == "too_few"


def test_several_stalls_of_one_merchant_are_one_party():
    stalls = [make_stall(categories=["dress"])]
    stalls += [make_stall(categories=["dress"], merchant=stalls[0].merchant) for _ in range(4)]
    for stall, (rate, fee) in zip(stalls, FIVE, strict=True):
        agreed(stall, make_anchor(), rate, fee)
    assert norms_of(["dress"])[0].why_none == "too_few"


def test_the_fee_of_a_few_is_not_told_by_the_norm_of_many():
    market(*FIVE, *(("0.20", 70_000) for _ in range(4)))
    (norm,) = norms_of(["dress"])
    assert norm.matches == 9 and norm.slot_fee_median_cents is None


def test_what_was_never_agreed_does_not_count_and_what_ended_since_does():
    stalls = market(*FIVE[:4], status=MatchStatus.CANCELLED)
    unanswered = agreed(stalls[0], make_anchor(), "0.90", status=MatchStatus.DECLINED)
    Match.objects.filter(pk=unanswered.pk).update(agreed_at=None)
    assert norms_of(["dress"])[0].why_none == "too_few"
    agreed(stalls[1], make_anchor(), "0.50", status=MatchStatus.AGREED)
    assert norms_of(["dress"])[0].commission.median == Decimal("0.3")


def test_a_match_counts_in_every_category_of_its_stall_and_in_no_other():
    for stall in market(*FIVE):
        type(stall).objects.filter(pk=stall.pk).update(categories=["dress_coat", "coat"])
    found = {norm.category: norm.matches for norm in norms_of(["dress", "coat", "dress_coat", "dress%coat"])}
    assert found == {"dress": 0, "coat": 5, "dress_coat": 5, "dress%coat": 0}


def test_one_query_for_any_number_of_categories_and_matches(django_assert_num_queries):
    stall = market(*FIVE)[0]
    stall.categories = ["dress", "coat", "skirt"]
    with django_assert_num_queries(1):
        assert [norm.category for norm in norms_of_stall(stall)] == ["dress", "coat", "skirt"]
    market(*FIVE, *FIVE)
    with django_assert_num_queries(1):
        norms_of_stall(stall)
    stall.categories = []
    with django_assert_num_queries(0):
        assert norms_of_stall(stall) == []
