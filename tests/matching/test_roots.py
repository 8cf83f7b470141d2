"""One root a day: what falls under it, that it is written once, and what follows what."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from matching.digests import root_hash
from matching.models import DailyRoot, Match, MatchEvent, RootLeaf
from matching.selectors.roots import last_root, root_violations
from matching.services import roots
from matching.services.events import record_event
from matching.services.matches import accept_match, withdraw_match
from matching.services.roots import close_day
from matching.tasks import close_day as close_day_task
from matchmaker.celery import app
from matchmaker.core import clock
from matchmaker.core.errors import Conflict
from matchmaker.core.weeks import TOWN_ZONE, town_today
from tests.matching.market import make_anchor, make_stall, member_of, proposed
from tests.matching.tampering import closed_days

pytestmark = pytest.mark.django_db


def at_once(*calls):
    """Return what calls that start together return."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        try:
            barrier.wait(10)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def leaves_of(root):
    return {(leaf.match_id, leaf.seq, leaf.hash) for leaf in RootLeaf.objects.filter(root=root)}


def head_of(match):
    event = MatchEvent.objects.filter(match=match).last()
    return match.pk, event.seq, event.hash


def test_a_root_is_over_the_heads_that_grew():
    quiet, busy = proposed(make_stall(), make_anchor()), proposed(make_stall(), make_anchor())
    (first,) = closed_days(3)
    assert leaves_of(first) == {head_of(quiet), head_of(busy)} and first.leaf_count == 2
    accept_match(actor=member_of(busy.anchor), match=busy)
    withdraw_match(actor=member_of(busy.anchor), match=busy)
    (second,) = closed_days(2)
    assert leaves_of(second) == {head_of(busy)} and head_of(busy)[1] == 3, "one leaf for two moves"
    (empty,) = closed_days(1)
    assert empty.leaf_count == 0 and leaves_of(empty) == set()
    assert [root.prev_root for root in (first, second, empty)] == ["", first.root, second.root]
    assert len({first.root, second.root, empty.root}) == 3 and last_root() == empty
    assert list(root_violations()) == []


def test_a_root_can_be_recomputed():
    matches = [proposed(make_stall(), make_anchor()) for _ in range(3)]
    (root,) = closed_days(1)
    leaves = sorted((str(match.public_id), *head_of(match)[1:]) for match in matches)
    assert (root.root, 3) == root_hash("", leaves)
    assert root_hash("0" * 64, leaves)[0] != root.root


def test_days_that_were_missed_are_made_up_for():
    closed_days(5)
    match = proposed(make_stall(), make_anchor())
    written = close_day()
    assert [root.on for root in written] == [town_today() - timedelta(days=n) for n in (4, 3, 2, 1)]
    assert leaves_of(written[0]) == {head_of(match)} and not any(leaves_of(root) for root in written[1:])
    assert close_day() == [] and DailyRoot.objects.count() == 5


def test_a_new_town_begins_with_yesterday():
    assert [root.on for root in close_day()] == [town_today() - timedelta(days=1)]


def test_a_day_that_is_not_over_is_refused():
    for ahead in (0, 1, 400):
        with pytest.raises(Conflict) as refused:
            close_day(on=town_today() + timedelta(days=ahead))
        assert refused.value.code == "day_not_over"
    assert not DailyRoot.objects.exists()


@pytest.mark.parametrize(("utc_hour", "closed"), [(15, 8), (16, 9)])
def test_the_day_ends_at_midnight_in_the_town(monkeypatch, utc_hour, closed):
    moment = clock.now().replace(year=2026, month=3, day=9, hour=utc_hour, minute=5)
    monkeypatch.setattr(clock, "_read", lambda: moment)
    assert [root.on for root in close_day()] == [date(2026, 3, closed)]


def test_an_event_that_was_committed_late_falls_under_the_next_root():
    """Whatever its time and its key say."""
    match = proposed(make_stall(), make_anchor())
    closed_days(2)
    long_ago = clock.now() - timedelta(days=30)
    actor = member_of(match.anchor)
    Match.objects.filter(pk=match.pk).update(status="declined", awaiting="")
    match.refresh_from_db()
    record_event(match, action="decline", from_status="proposed", role="anchor", actor=actor, at=long_ago)
    (root,) = closed_days(1)
    assert leaves_of(root) == {head_of(match)} and head_of(match)[1] == 2


@pytest.mark.parametrize("days_before", [1, 2, 3])
def test_who_comes_between_the_reading_and_the_writing_breaks_no_link(monkeypatch, days_before):
    """Of two workers in a new town: the second writes when the first has read what is last."""
    following, others = roots._following, iter([town_today() - timedelta(days=days_before)])

    def overtaken(until):
        answer = following(until)
        for on in others:
            close_day(on=on)
        return answer

    proposed(make_stall(), make_anchor())
    monkeypatch.setattr(roots, "_following", overtaken)
    close_day()
    assert list(root_violations()) == []
    assert [root.on for root in DailyRoot.objects.order_by("on")] == [
        town_today() - timedelta(days=n) for n in range(days_before, 0, -1)
    ]


def test_closing_costs_the_same_whatever_the_number_of_matches(django_assert_num_queries):
    closed_days(3)
    for days, count in ((2, 1), (1, 6)):
        for _ in range(count):
            proposed(make_stall(), make_anchor())
        # Clock, last root; savepoint, row, leaves, reading them, root, end of savepoint; last root.
        with django_assert_num_queries(8):
            (root,) = close_day(on=town_today() - timedelta(days=days))
        assert root.leaf_count == count


def test_the_database_keeps_one_root_a_day_and_one_leaf_an_event():
    match = proposed(make_stall(), make_anchor())
    (root,) = closed_days(1)
    for row in (
        DailyRoot(on=root.on, prev_root="a"),
        DailyRoot(on=root.on + timedelta(days=1), prev_root=root.prev_root),
        RootLeaf(root=root, match=match, seq=2),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            row.save()
    other = DailyRoot.objects.create(on=root.on + timedelta(days=1), prev_root=root.root)
    with pytest.raises(IntegrityError), transaction.atomic():
        RootLeaf.objects.create(root=other, match=match, seq=1)


def test_the_timetable_closes_days_soon_after_midnight_in_the_town():
    entry = app.conf.beat_schedule["close-day"]
    assert app.tasks[entry["task"]].name == close_day_task.name
    midnight = clock.now().astimezone(TOWN_ZONE).replace(hour=0, minute=5)
    assert {midnight.minute} == set(entry["schedule"].minute) and midnight.hour in entry["schedule"].hour
    close_day_task()
    assert DailyRoot.objects.count() == 1


@pytest.mark.serial
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("workers", [2, 6])
def test_of_several_workers_one_writes_each_day(workers):
    for _ in range(3):
        proposed(make_stall(), make_anchor())
    closed_days(6)
    moved = Match.objects.first()
    withdraw_match(actor=member_of(moved.stall), match=moved)
    written = [root.on for roots in at_once(*[close_day] * workers) for root in roots]
    assert sorted(written) == [town_today() - timedelta(days=n) for n in range(5, 0, -1)]
    assert DailyRoot.objects.count() == 6 and RootLeaf.objects.count() == 4
    assert list(root_violations()) == []


@pytest.mark.serial
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_first_days_cannot_both_begin():
    days = [town_today() - timedelta(days=n) for n in (1, 2, 3)]
    at_once(*[lambda day=day: close_day(on=day) for day in days])
    assert list(root_violations()) == [] and DailyRoot.objects.filter(prev_root="").count() == 1
