"""Blocks: by whom, of whom, for how long, and with how much work for the lists."""

import pytest

from accounts.models import Membership
from jobs.models import Job
from jobs.tasks import run_job
from matching.choices import MatchStatus
from matching.models import Block, RecommendationList
from matching.rules import check_pair
from matching.selectors import suggestions_for
from matching.selectors.blocks import blocks_of
from matching.services import recommendations
from matching.services.blocks import block_party, unblock_party
from matching.services.matches import accept_match, cancel_match
from matchmaker.core.errors import Conflict, NotAllowed, NotFound
from tests.matching.market import (
    agreed,
    make_anchor,
    make_merchant,
    make_staff,
    make_stall,
    make_user,
    member_of,
    proposed,
)

pytestmark = pytest.mark.django_db
SIDES = ("stall", "anchor")


def block(side, stall, anchor):
    actor = member_of(stall if side == "stall" else anchor)
    return block_party(actor=actor, side=side, merchant=stall.merchant, anchor=anchor)[0]


def held(side, subject):
    row = RecommendationList.objects.get(side=side, subject_id=subject.pk, superseded_at__isnull=True)
    return memoryview(bytes(row.partner_ids)).cast("q").tolist()


def work_off():
    """Run the queued jobs and those that they write; return their kinds."""
    kinds = []
    while (job := Job.objects.filter(state="queued").order_by("pk").first()) is not None:
        run_job(job.pk)
        job.refresh_from_db()
        assert job.state == "done", job.error
        kinds.append(job.kind)
    return kinds


@pytest.mark.parametrize("side", SIDES)
def test_a_block_covers_all_stalls_of_the_merchant_those_to_come_too(side):
    stall, anchor = make_stall(), make_anchor()
    second, stranger = make_stall(merchant=stall.merchant), make_stall()
    block(side, stall, anchor)
    later = make_stall(merchant=stall.merchant)
    recommendations.rematch_everybody()
    for blocked in (stall, second, later):
        assert check_pair(blocked, anchor) == ["blocked"]
        assert suggestions_for(side="stall", subject=blocked).items == []
        with pytest.raises(Conflict):
            proposed(blocked, anchor)
    shown = suggestions_for(side="anchor", subject=anchor).items
    assert [item.partner.pk for item in shown] == [stranger.pk]


@pytest.mark.parametrize("side", SIDES)
def test_a_repeat_changes_nothing_and_makes_no_work(side):
    stall, anchor = make_stall(), make_anchor()
    first = block(side, stall, anchor)
    jobs = Job.objects.count()
    again, is_new = block_party(actor=first.actor, side=side, merchant=stall.merchant, anchor=anchor)
    assert (again.pk, is_new, Job.objects.count(), Block.objects.count()) == (first.pk, False, jobs, 1)


def test_taking_a_block_back_leaves_that_of_the_other_side():
    stall, anchor = make_stall(), make_anchor()
    own, others = block("stall", stall, anchor), block("anchor", stall, anchor)
    assert unblock_party(actor=member_of(stall), block=own) is True
    assert unblock_party(actor=member_of(stall), block=own) is False
    assert check_pair(stall, anchor) == ["blocked"]
    unblock_party(actor=member_of(anchor), block=others)
    assert check_pair(stall, anchor) == []


@pytest.mark.parametrize("side", SIDES)
def test_only_the_side_itself_blocks_and_takes_back(side):
    stall, anchor = make_stall(), make_anchor()
    pair = {"merchant": stall.merchant, "anchor": anchor}
    other = member_of(anchor if side == "stall" else stall)
    for stranger in (other, make_staff(), make_user()):
        with pytest.raises(NotFound):
            block_party(actor=stranger, side=side, **pair)
    mine = block(side, stall, anchor)
    with pytest.raises(NotFound):
        unblock_party(actor=other, block=mine)
    mine.actor.is_active = False
    with pytest.raises(NotAllowed):
        unblock_party(actor=mine.actor, block=mine)
    assert Block.objects.count() == 1


def test_everybody_sees_their_own_blocks_only():
    stall, anchor = make_stall(), make_anchor()
    by_stall, by_anchor = block("stall", stall, anchor), block("anchor", stall, anchor)
    assert list(blocks_of(member_of(stall))) == [by_stall]
    assert list(blocks_of(member_of(anchor))) == [by_anchor]
    assert list(blocks_of(make_staff())) == []
    agency = make_user()
    Membership.objects.create(user=agency, anchor=anchor)
    Membership.objects.create(user=agency, merchant=stall.merchant)
    assert set(blocks_of(agency)) == {by_stall, by_anchor}


def test_one_job_brings_all_lists_up_to_date_however_many_stalls_there_are():
    merchant, anchor, other = make_merchant(), make_anchor(), make_anchor()
    stalls = [make_stall(merchant=merchant) for _ in range(5)]
    recommendations.rematch_everybody()
    assert all(held("stall", stall) for stall in stalls) and len(held("anchor", anchor)) == 5

    mine = block("anchor", stalls[0], anchor)
    assert work_off() == ["matching.refresh_between"]
    assert held("anchor", anchor) == [] and all(held("stall", stall) == [other.pk] for stall in stalls)

    unblock_party(actor=member_of(anchor), block=mine)
    assert work_off() == ["matching.refresh_between"]
    assert len(held("anchor", anchor)) == 5 and all(len(held("stall", stall)) == 2 for stall in stalls)


def test_before_the_first_run_there_is_nothing_to_bring_up_to_date():
    stall, anchor = make_stall(), make_anchor()
    block("stall", stall, anchor)
    assert work_off() == ["matching.refresh_between"]
    assert not RecommendationList.objects.exists()


def test_a_block_costs_the_same_for_one_stall_and_for_many(django_assert_max_num_queries):
    counts = []
    for number in (1, 8):
        stalls, anchor = [make_stall()], make_anchor()
        stalls += [make_stall(merchant=stalls[0].merchant) for _ in range(number - 1)]
        with django_assert_max_num_queries(20) as captured:
            block("stall", stalls[0], anchor)
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_what_is_agreed_stays_and_what_is_approved_can_be_called_off():
    waiting, approved = agreed(make_stall(), make_anchor()), agreed(make_stall(), make_anchor())
    type(approved).objects.filter(pk=approved.pk).update(status=MatchStatus.APPROVED, deadline_at=None)
    for match in (waiting, approved):
        block("anchor", match.stall, match.anchor)
        match.refresh_from_db()
    assert (waiting.status, approved.status) == (MatchStatus.AGREED, MatchStatus.APPROVED)
    assert not waiting.bookings.filter(released_at__isnull=False).exists()
    cancelled = cancel_match(
        actor=member_of(approved.anchor), match=approved, reason_code="cancel_other", note=""
    )
    assert cancelled.status == MatchStatus.CANCELLED


def test_a_proposal_that_was_open_can_no_longer_be_accepted():
    match = proposed(make_stall(), make_anchor())
    block("stall", match.stall, match.anchor)
    with pytest.raises(Conflict) as caught:
        accept_match(actor=member_of(match.anchor), match=match)
    assert caught.value.extra["reasons"] == ["excluded"] and "block" not in caught.value.detail
