"""The comparison of journal and database finds what it is there for."""

import time
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import F

from accounts.models import Stall
from matching.models import Match, MatchEvent, RecommendationList
from matching.services.matches import withdraw_match
from matching.services.outcomes import record_outcome
from matching.services.recommendations import rematch_everybody
from notifications.models import Notice
from tests.chaos.clients import FIGURES as SENT
from tests.chaos.reconcile import reconcile
from tests.chaos.report import _too_slow
from tests.matching.held import bookings_in, held
from tests.matching.market import make_anchor, make_stall, member_of, proposed

pytestmark = pytest.mark.django_db


class Told:
    """Lines as clients write them."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.began = time.time() - 1.0

    def write(self, what: str, about: Any, status: int | None = 200, **answer: Any) -> None:
        """A write that was sent, and what came back: None for nothing at all, 0 when patience ended."""
        key = str(len(self.lines))
        told = {"what": what, "about": str(about), "key": key, "moq": answer.pop("moq", None)}
        self.lines.append({"kind": "sent", "at": self.began, **told})
        if status is not None:
            given = {"code": None, "id": None, "becomes": None, "replayed": False, "aim": ""} | answer
            self.lines.append({"kind": "answered", "status": status, **told, **given})

    def found(self) -> dict[str, list[str]]:
        told = reconcile(self.lines)
        return {kind: told[kind]["first"] for kind in ("lost", "double", "never_sent")}


@pytest.fixture
def told() -> Told:
    return Told()


NOTHING: dict[str, list[str]] = {"lost": [], "double": [], "never_sent": []}


def test_edits_are_counted_and_the_last_one_stands(told: Told) -> None:
    stall = make_stall(moq=5)
    told.lines.append(
        {"kind": "began", "what": "edit", "about": str(stall.public_id), "version": stall.version}
    )
    told.write("edit", stall.public_id, moq=6)
    told.write("edit", stall.public_id, 0, moq=7)  # done or not, nobody knows
    rows = Stall.objects.filter(pk=stall.pk)
    for moq, changes in ((6, 1), (7, 2)):
        rows.update(moq=moq, version=stall.version + changes)
        assert told.found() == NOTHING
    rows.update(moq=5, version=stall.version)
    assert len(told.found()["lost"]) == 2, "the value and the change"
    rows.update(moq=7, version=stall.version + 3)
    assert len(told.found()["double"]) == 1
    rows.update(moq=9, version=stall.version + 1)
    assert len(told.found()["lost"]) == 1


def test_registrations_both_ways(told: Told) -> None:
    stall = make_stall(name="chaos-a")
    told.write("register", "chaos-a", 201, id=str(stall.public_id))
    told.write("register", "chaos-b", 0)
    assert told.found() == NOTHING
    make_stall(name="chaos-a"), make_stall(name="chaos-c")
    assert told.found() == {"lost": [], "double": ["stall chaos-a × 2"], "never_sent": ["stall chaos-c"]}
    told.write("register", "chaos-d", 201, id="somewhere")
    assert told.found()["lost"] == ["stall chaos-d"]


def test_a_match_is_where_its_last_move_left_it_by_as_many_events(told: Told) -> None:
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor)
    told.write("propose", stall.public_id, 201, id=str(match.public_id))
    told.write("withdraw", match.public_id, becomes="withdrawn")
    assert any(line.startswith("match") for line in told.found()["lost"]), "the move is not there"
    Notice.objects.create(user=member_of(anchor), topic="x", subject_id=match.public_id)
    withdraw_match(actor=member_of(stall), match=match)
    assert told.found() == NOTHING
    last = MatchEvent.objects.filter(match=match).latest("seq")
    MatchEvent.objects.create(match=match, seq=3, action="withdraw", to_status=last.to_status, at=last.at)
    assert [line.split(":")[0] for line in told.found()["double"]] == [f"match {match.public_id}"]
    told.write("cancel", match.public_id, None)  # nobody knows whether it was done
    assert told.found() == NOTHING
    Match.objects.filter(pk=match.pk).update(public_id=stall.public_id)
    assert told.found()["lost"]


def test_an_outcome_that_was_acknowledged_is_there(told: Told) -> None:
    match = held()
    [booking] = bookings_in(match)
    told.write("record", booking.public_id, 201)
    assert len(told.found()["lost"]) == 1
    record_outcome(actor=member_of(match.stall), booking=booking, figures=SENT, note="")
    assert told.found() == NOTHING
    told.write("confirm", booking.public_id)
    assert len(told.found()["lost"]) == 1


def test_a_notice_that_came_twice_and_one_that_never_came(told: Told) -> None:
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor)
    told.write("propose", stall.public_id, 201, id=str(match.public_id))
    assert [line.split()[0] for line in told.found()["lost"]] == ["notice"]
    for key in "ab":
        Notice.objects.create(user=member_of(anchor), key=key, topic="x", subject_id=match.public_id)
    assert len(told.found()["double"]) == 1 and not told.found()["lost"]


def test_a_match_that_nobody_sent(told: Told) -> None:
    stall = make_stall()
    told.write("propose", stall.public_id, 409)
    assert told.found() == NOTHING
    proposed(stall, make_anchor())
    assert told.found()["never_sent"] == [f"1 matches of stall {stall.public_id}"]
    told.write("propose", stall.public_id, 0)
    assert told.found() == NOTHING


def test_figures_that_are_others(told: Told) -> None:
    match = held()
    [booking] = bookings_in(match)
    told.write("record", booking.public_id, 201)
    record_outcome(actor=member_of(match.stall), booking=booking, figures=SENT | {"orders": 99}, note="")
    assert told.found()["lost"] == [f"figures of {booking.public_id}"]


def test_an_edited_stall_that_is_gone(told: Told) -> None:
    gone = str(uuid4())
    told.lines.append({"kind": "began", "what": "edit", "about": gone, "version": 1})
    told.write("edit", gone, moq=6)
    assert told.found()["lost"] == [f"stall {gone}"]


def test_a_list_that_is_older_than_its_stall_is_undone() -> None:
    stall = make_stall(categories=["dress"])
    make_anchor()
    rematch_everybody()
    assert reconcile([])["undone"]["first"] == []
    Stall.objects.filter(pk=stall.pk).update(version=F("version") + 1)
    never = make_stall(categories=["dress"])
    held_by = RecommendationList.objects.get(side="stall", subject_id=stall.pk).subject_version
    assert reconcile([])["undone"]["first"] == [
        f"list of stall {stall.pk}: {held_by} of {held_by + 1}",
        f"list of stall {never.pk}: None of {never.version + never.merchant.version}",
    ]


def test_a_fault_that_is_felt_for_too_long_is_told() -> None:
    quick = {"max": 44.0, "meanwhile": {"failed": 0, "writes": {"p99": 1.9}}}
    assert _too_slow({"redis_hung": quick, "worker_killed": quick | {"meanwhile": {"failed": 3}}}) == []
    slow = [
        {"redis_hung": quick | {"meanwhile": {"failed": 1, "writes": {"p99": 0.1}}}},
        {"connections_reset": quick | {"meanwhile": {"failed": 0, "writes": {"p99": 2.1}}}},
        {"worker_killed": quick | {"max": 45.1}},
    ]
    assert [len(_too_slow(felt)) for felt in slow] == [1, 1, 1]
