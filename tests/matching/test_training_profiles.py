"""Training rows read the profile that a decision was made on, not the one of today."""

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from accounts.models import Anchor, ForgottenTag, Stall
from accounts.services.rows import record_history as write_line
from accounts.services.rows import update_row
from matching.engine.config import Config
from matching.engine.decisions import FEATURES, Profiles, decision_features
from matching.engine.pipeline import fit
from matching.selectors.outcomes import outcomes_for_learning
from matching.snapshot.market import read_snapshot
from matching.snapshot.profiles import read_profiles
from matching.snapshot.training import build_decisions, read_evidence
from tests.factories import AnchorFactory, MerchantFactory, StallFactory
from tests.matching.taught import at, past_match, reacted, record

pytestmark = pytest.mark.django_db
DONE = ("propose", "accept", "approve", "complete")


def profiles() -> Profiles:
    snapshot, _versions = read_snapshot()
    return read_profiles(snapshot, build_decisions(snapshot, read_evidence(outcomes_for_learning())))


def written(party: Any, moment: datetime, **columns: Any) -> None:
    """An edit that was made then."""
    update_row(party, columns, actor=None)
    newest = party.history.first()
    type(newest).objects.filter(pk=newest.pk).update(history_date=moment)


def born(party: Any, moment: datetime) -> None:
    """Its registration was the first line of its history."""
    write_line(type(party), [party], actor=None, is_new=True)
    party.history.update(history_date=moment)


@pytest.fixture
def pair() -> tuple[Stall, Anchor]:
    """Two who reacted to each other 30 and 10 days ago, registered long before."""
    stall, anchor = StallFactory.create(moq=5), AnchorFactory.create(average_viewers=100)
    Stall.history.all().delete()
    Anchor.history.all().delete()
    born(stall, at(90))
    born(anchor, at(90))
    reacted("stall", stall, anchor, "like", 30)
    reacted("anchor", stall, anchor, "like", 10)
    return stall, anchor


def moqs(found: Profiles) -> list[float]:
    return found.stalls.moq[found.stall_rows].tolist()


def test_a_decision_sees_the_last_profile_before_it(pair: tuple[Stall, Anchor]) -> None:
    stall, _anchor = pair
    written(stall, at(40), moq=6)
    written(stall, at(20), moq=7)
    written(stall, at(1), moq=8)
    assert moqs(profiles()) == [6, 7]


def test_an_edit_at_the_very_moment_was_not_seen(pair: tuple[Stall, Anchor]) -> None:
    stall, _anchor = pair
    written(stall, at(30), moq=9)
    assert moqs(profiles()) == [5, 9]


def test_what_is_older_than_all_history_saw_the_first_profile(pair: tuple[Stall, Anchor]) -> None:
    """A town that brought its past along registered everybody after it."""
    stall, _anchor = pair
    stall.history.update(history_date=at(5))
    written(stall, at(1), moq=8)
    assert moqs(profiles()) == [5, 5]


def test_a_party_without_history_is_read_as_it_is(pair: tuple[Stall, Anchor]) -> None:
    Stall.history.all().delete()
    assert moqs(profiles()) == [5, 5]


def test_profiles_that_no_decision_saw_are_not_read(pair: tuple[Stall, Anchor]) -> None:
    stall, _anchor = pair
    StallFactory.create()
    for days in range(60, 50, -1):
        written(stall, at(days), moq=days)
    found = profiles()
    assert len(found.stalls) == 1 and moqs(found) == [51, 51]


def test_a_deleted_tag_is_gone_from_older_profiles_too(pair: tuple[Stall, Anchor]) -> None:
    _stall, anchor = pair
    assert profiles().anchors.average_viewers.tolist() == [100]
    ForgottenTag.objects.create(anchor=anchor, code="reach", forgotten_at=at(0))
    assert np.isnan(profiles().anchors.average_viewers).all()


def test_who_opted_out_for_a_while_teaches_with_what_she_says(pair: tuple[Stall, Anchor]) -> None:
    _stall, anchor = pair
    written(anchor, at(40), is_personalised=False)
    written(anchor, at(5), is_personalised=True)
    assert profiles().anchors.personalised.all()


def test_a_later_edit_changes_no_earlier_row() -> None:
    """Every column that an edit can move, after all decisions: not one bit of a feature moves with it."""
    stalls = [StallFactory.create(merchant=MerchantFactory.create()) for _ in range(2)]
    anchors = [AnchorFactory.create() for _ in range(2)]
    record(
        past_match(stalls[0], anchors[0], 40, DONE),
        past_match(stalls[1], anchors[0], 30, ("propose", "decline"), proposer="anchor"),
    )
    reacted("anchor", stalls[0], anchors[1], "pass", 20)
    for party in (*stalls, *anchors):
        party.history.all().delete()
        born(party, at(90))
    snapshot, _versions = read_snapshot()
    model = fit(snapshot, Config(), seed=1)
    decisions = build_decisions(snapshot, read_evidence(outcomes_for_learning()))
    before = decision_features(model, read_profiles(snapshot, decisions), decisions)

    for stall in stalls:
        written(
            stall,
            at(1),
            moq=900,
            categories=["jeans"],
            price_min_cents=100,
            price_max_cents=200,
            return_rate=0.9,
        )
    for anchor in anchors:
        written(
            anchor, at(1), average_viewers=10**6, styles=[], is_on_site=False, weekly_capacity=1, bio="other"
        )

    changed, _versions = read_snapshot()
    after = decision_features(model, read_profiles(changed, decisions), decisions)
    np.testing.assert_array_equal(after, before)
    today = decision_features(model, Profiles.of_snapshot(changed, decisions), decisions)
    moved = {
        FEATURES[number] for number in np.flatnonzero(((today != before) & ~np.isnan(before)).any(axis=0))
    }
    assert {"block:category", "block:price", "block:text", "single:reach:reach"} <= moved, (
        "the edits do matter"
    )


def test_the_queries_do_not_grow_with_the_decisions(
    pair: tuple[Stall, Anchor], django_assert_max_num_queries: Any
) -> None:
    others = [AnchorFactory.create() for _ in range(8)]
    for number, anchor in enumerate(others):
        reacted("stall", pair[0], anchor, "pass", 20 - number)
    snapshot, _versions = read_snapshot()
    decisions = build_decisions(snapshot, read_evidence(outcomes_for_learning()))
    with django_assert_max_num_queries(8):
        read_profiles(snapshot, decisions)
