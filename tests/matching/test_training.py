"""Decisions as training rows: what each knew, what it must not know, and what is left out."""

from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from accounts.models import Anchor, ForgottenTag, Merchant, Stall
from matching.engine.decisions import PAST_COLUMNS, Decisions
from matching.models import Impression, Outcome, Reaction
from matching.selectors.outcomes import outcomes_for_learning
from matching.snapshot.history import histories
from matching.snapshot.market import read_snapshot
from matching.snapshot.training import build_decisions, high_water_mark, past_of, read_evidence
from tests.factories import AnchorFactory, MerchantFactory, StallFactory
from tests.matching.taught import at, past_match, reacted, record

pytestmark = pytest.mark.django_db
DONE = ("propose", "accept", "approve", "complete")


def decisions() -> Decisions:
    return build_decisions(read_snapshot()[0], read_evidence(outcomes_for_learning()))


def told(rows: Decisions) -> list[tuple[int, int]]:
    """(direction, yes) of each row, in order."""
    return list(zip(rows.direction.tolist(), rows.yes.astype(int).tolist(), strict=True))


@pytest.fixture
def busy() -> tuple[list[Stall], list[Anchor]]:
    """A town in which something of every kind has happened, all before the last two weeks."""
    stalls, anchors = [StallFactory.create() for _ in range(3)], [AnchorFactory.create() for _ in range(3)]
    record(
        past_match(stalls[0], anchors[0], 60, DONE),
        past_match(stalls[0], anchors[1], 50, DONE, proposer="anchor"),
        past_match(stalls[1], anchors[0], 40, ("propose", "decline")),
        past_match(stalls[1], anchors[1], 35, ("propose", "withdraw"), proposer="anchor"),
        past_match(stalls[2], anchors[0], 30, ("propose", "accept", "approve", "fail"), hour=14),
        past_match(stalls[0], anchors[2], 25, DONE),
    )
    reacted("stall", stalls[0], anchors[2], "like", 58)
    reacted("stall", stalls[1], anchors[2], "pass", 45)
    reacted("anchor", stalls[2], anchors[1], "never", 44)
    return stalls, anchors


# --- which rows ---------------------------------------------------------------------------------------


def test_moves_reactions_and_sessions_become_rows(stall: Stall, anchor: Anchor, other_stall: Stall) -> None:
    record(past_match(stall, anchor, 30, DONE), past_match(other_stall, anchor, 20, ("propose", "decline")))
    reacted("anchor", other_stall, anchor, "pass", 10)
    rows = decisions()
    assert told(rows) == [(0, 1), (1, 1), (2, 1), (0, 1), (1, 0), (1, 0)]
    assert (np.diff(rows.at) >= 0).all()
    mondays = {timezone.datetime.fromordinal(int(week)).weekday() for week in rows.week}
    assert mondays == {0}


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (("propose", "withdraw"), [(0, 1), (0, 0)]),
        (("propose", "accept", "approve", "fail"), [(0, 1), (1, 1), (2, 0)]),
        (("propose",), [(0, 1)]),
    ],
)
def test_each_story(stall: Stall, anchor: Anchor, story: tuple[str, ...], expected: Any) -> None:
    record(past_match(stall, anchor, 2 if story == ("propose",) else 20, story))
    assert told(decisions()) == expected


def test_an_outcome_in_dispute_teaches_nothing(stall: Stall, anchor: Anchor) -> None:
    record(past_match(stall, anchor, 20, DONE))
    Outcome.objects.update(status="disputed")
    assert told(decisions()) == [(0, 1), (1, 1)]


def test_nothing_yet_is_no_row() -> None:
    rows = decisions()
    assert len(rows) == 0 and set(rows.stall_past) == set(PAST_COLUMNS)


def test_who_opted_out_teaches_nothing_and_is_nobody_to_learn_about(busy: Any) -> None:
    stalls, anchors = busy
    every = decisions()
    Anchor.objects.filter(pk=anchors[0].pk).update(is_personalised=False)
    left = decisions()
    about_her = int((every.anchor_rows == 0).sum())
    assert about_her and len(left) == len(every) - about_her
    stalls[0].merchant.is_personalised = False
    stalls[0].merchant.save()
    assert not (decisions().stall_rows == 0).any()


def test_accounts_that_staff_have_not_verified_teach_nothing_and_count_for_nobody(busy: Any) -> None:
    """Else a crowd of second accounts would teach the town its taste."""
    stalls, anchors = busy
    every, liked = decisions(), histories("anchor").received_yes
    fakes = [StallFactory.create(merchant=MerchantFactory.create(verification="pending")) for _ in range(3)]
    for fake in fakes:
        reacted("stall", fake, anchors[2], "like", 3)
        past = past_match(fake, anchors[1], 4, ("propose", "decline"))
        record(past)
    assert len(decisions()) == len(every)
    assert histories("anchor").received_yes == liked
    Merchant.objects.update(verification="verified")
    assert len(decisions()) == len(every) + 3 * 3
    assert histories("anchor").received_yes[anchors[2].pk] == liked.get(anchors[2].pk, 0) + 3


# --- what each knew -----------------------------------------------------------------------------------


def past(rows: Decisions, side: str, number: int) -> dict[str, float]:
    columns = rows.stall_past if side == "stall" else rows.anchor_past
    return {name: float(values[number]) for name, values in columns.items()}


def test_the_history_is_that_of_just_before_without_the_pair_itself(busy: Any) -> None:
    rows = decisions()
    last = len(rows) - 1  # the last session took place: stall 0 with anchor 2, who liked her before
    assert told(rows)[-1] == (2, 1)
    stall, anchor = past(rows, "stall", last), past(rows, "anchor", last)
    assert (stall["accepted"], stall["completed"]) == (2, 2)
    # Asked once (it proposed to anchor 0, who agreed) and answered once (anchor 1); the own pair is left out.
    assert (stall["received"], stall["received_yes"]) == (1, 1)
    assert (stall["decisions_given"], stall["decisions_yes"]) == (1, 1)
    assert stall["reply_hours"] == pytest.approx(10.0)
    # Stall 1 passed her; her own match with stall 0 does not count here.
    assert (anchor["received"], anchor["received_yes"], anchor["accepted"]) == (1, 0, 0)
    assert np.isnan(anchor["reply_hours"])
    first = past(rows, "stall", 0)
    assert not any(value for name, value in first.items() if name != "reply_hours")


def test_the_load_is_what_was_booked_ahead_then(stall: Stall, anchor: Anchor, other_anchor: Anchor) -> None:
    record(past_match(stall, anchor, 20, DONE))
    reacted("stall", stall, other_anchor, "like", 21)  # after the agreement, before the session
    reacted("anchor", stall, other_anchor, "like", 40)
    rows = decisions()
    loads = dict(zip(rows.at.tolist(), rows.stall_past["load_used"].tolist(), strict=True))
    assert loads[at(21).timestamp()] == 1 and loads[at(40).timestamp()] == 0


def test_today_it_tells_what_the_market_reads(busy: Any) -> None:
    """As of now and for a pair that never met, the counts are those of `histories`, deleted tags left out."""
    stalls, anchors = busy
    for stall, code, days in ((stalls[0], "reliability", 45), (stalls[0], "reply", 45)):
        ForgottenTag.objects.create(stall=stall, code=code, forgotten_at=at(days))
    ForgottenTag.objects.create(anchor=anchors[0], code="accepts_given", forgotten_at=at(41))
    ForgottenTag.objects.create(stall=stalls[1], code="accepts_received", forgotten_at=at(39))
    evidence = read_evidence(outcomes_for_learning())
    for side, parties in (("stall", stalls), ("anchor", anchors)):
        ids = np.array([party.pk for party in parties])
        nobody = np.zeros(3, dtype=np.int64)
        asked = {"stall": nobody, "anchor": nobody, "at": np.full(3, timezone.now().timestamp()), side: ids}
        now = past_of(side, evidence, asked)
        expected = histories(side).columns(ids)
        for name in PAST_COLUMNS:
            np.testing.assert_allclose(now[name], expected[name], err_msg=f"{side} {name}")


def test_what_comes_later_changes_no_earlier_row(busy: Any) -> None:
    stalls, anchors = busy
    before = decisions()
    mark = high_water_mark()
    record(
        past_match(stalls[1], anchors[2], 8, DONE, hour=9),
        past_match(stalls[2], anchors[2], 7, ("propose", "decline"), proposer="anchor"),
    )
    reacted("anchor", stalls[0], anchors[1], "like", 1)
    reacted("stall", stalls[2], anchors[2], "never", 0.5)
    Impression.objects.create(
        side="stall", stall=stalls[0], anchor=anchors[0], rank=1, score_hundredths=1, propensity=0.2,
        shown_at=timezone.now(),
    )  # fmt: skip
    after = decisions()
    assert len(after) == len(before) + 7
    same = after.at_rows(slice(0, len(before)))
    for name in ("stall_rows", "anchor_rows", "direction", "yes", "at", "week", "weight"):
        np.testing.assert_array_equal(getattr(same, name), getattr(before, name), err_msg=name)
    for name in PAST_COLUMNS:
        np.testing.assert_array_equal(same.stall_past[name], before.stall_past[name], err_msg=name)
        np.testing.assert_array_equal(same.anchor_past[name], before.anchor_past[name], err_msg=name)
    assert high_water_mark() != mark


# --- what each weighs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("propensity", "weight"), [(1.0, 1.0), (0.25, 4.0), (0.001, 10.0)])
def test_a_place_seldom_drawn_weighs_more_up_to_a_bound(
    stall: Stall, anchor: Anchor, propensity: float, weight: float
) -> None:
    shown = {"stall": stall, "anchor": anchor, "rank": 10, "score_hundredths": 1}
    Impression.objects.create(side="stall", propensity=0.9, shown_at=at(6), **shown)
    Impression.objects.create(side="stall", propensity=propensity, shown_at=at(4), **shown)
    Impression.objects.create(side="stall", propensity=0.5, shown_at=at(1), **shown)
    reacted("stall", stall, anchor, "like", 3)
    reacted("anchor", stall, anchor, "like", 2)
    assert decisions().weight.tolist() == [weight, 1.0]


def test_all_evidence_is_read_in_nine_queries(django_assert_num_queries: Any) -> None:
    merchant = MerchantFactory.create()
    stalls = [StallFactory.create(merchant=merchant) for _ in range(4)]
    anchors = [AnchorFactory.create() for _ in range(5)]
    for number in (2, 5):
        rows = [
            Reaction(side="stall", stall=stall, anchor=anchor, kind="like")
            for stall in stalls
            for anchor in anchors[:number]
        ]
        Reaction.objects.bulk_create(rows, ignore_conflicts=True)
        with django_assert_num_queries(9):
            evidence = read_evidence(outcomes_for_learning())
        assert len(evidence.reactions["at"]) == 4 * number
