"""`manage.py verify_events` and the invariants on outcomes: every way to falsify what a session brought."""

import json
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from matching.choices import Role
from matching.models import Outcome, OutcomeEvent
from matching.services import outcomes as services
from matching.services.invariants import check_some
from matching.states import OUTCOME_TRANSITIONS
from tests.matching.held import BETTER, FIGURES, bookings_in, held, settler, told
from tests.matching.market import make_anchor, make_stall, member_of
from tests.matching.tampering import change, found, raw, rehash, unlocked, verify

pytestmark = pytest.mark.django_db
migration = import_module("matching.migrations.0007_chains_of_outcomes")


@pytest.fixture
def outcome(db):
    """An outcome that the anchor recorded and the stall at last confirmed, beside a taken-over one."""
    match = held()
    booking = bookings_in(match)[0]
    stall, anchor = member_of(match.stall), member_of(match.anchor)
    services.record_outcome(actor=anchor, booking=booking, figures=FIGURES)
    services.dispute_outcome(actor=stall, booking=booking, reason_code="dispute_sales")
    services.correct_outcome(actor=anchor, booking=booking, figures=BETTER)
    made = services.confirm_outcome(actor=stall, booking=booking)
    told(make_stall(), make_anchor())
    return made


@pytest.fixture
def name(outcome):
    return str(outcome.public_id)


def found_by_invariants():
    """Return {(number, code)} of what the invariants find, in 3, 4, 5 and 7."""
    results = check_some(numbers=[3, 4, 5, 7])
    return {(result["number"], one["what"]) for result in results for one in result["found"]}


def test_what_is_true_passes(outcome, capsys):
    said, code = verify(capsys)
    assert (code, said["found"], said["matches"], said["outcomes"], said["events"]) == (0, [], 2, 2, 13)
    assert found_by_invariants() == set()


def test_every_move_of_the_table_passes(capsys):
    """Whatever services write, the walk takes for legal; from every state that the table names."""
    moved = set()
    for row in OUTCOME_TRANSITIONS:
        for source in row.sources:
            match = held(make_stall(), make_anchor())
            booking, members = bookings_in(match)[0], (member_of(match.stall), member_of(match.anchor))
            if source:
                services.record_outcome(actor=members[0], booking=booking, figures=FIGURES)
            if source == "disputed":
                services.dispute_outcome(actor=members[1], booking=booking, reason_code="dispute_sales")
            actor = members[row.action in ("confirm", "dispute")]
            actor = settler() if row.by == {Role.STAFF} else actor
            extra = {"reason_code": "dispute_sales"} if row.needs_reason else {}
            extra |= {} if row.action in ("confirm", "dispute") else {"figures": BETTER}
            getattr(services, f"{row.action}_outcome")(actor=actor, booking=booking, **extra)
            last = OutcomeEvent.objects.filter(outcome__booking=booking).last()
            moved.add((last.action, last.from_status))
    assert moved == {(row.action, source) for row in OUTCOME_TRANSITIONS for source in row.sources}
    assert found(capsys) == set()


CHANGES = {
    "action": "settle",
    "from_status": "disputed",
    "to_status": "settled",
    "actor_id": 4711,
    "actor_role": "staff",
    "reason_code": "dispute_orders",
    "at": "2020-01-01 00:00:00+00:00",
    "figures": json.dumps(FIGURES),
}


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_event_is_named(outcome, name, capsys, column):
    change(outcome, 4, **{column: CHANGES[column]})
    wrong = found(capsys)
    assert (name, 4, "wrong_hash") in wrong
    assert {subject for subject, _seq, _code in wrong} == {name}, "and nothing else is"
    assert (5, "wrong_hash") in found_by_invariants()


def test_the_kind_is_said(outcome, name, capsys):
    change(outcome, 4, actor_id=4711)
    [said] = verify(capsys)[0]["found"]
    assert (said["kind"], said["subject"]) == ("outcome", name)
    [result] = check_some(numbers=[5])
    assert result["found"] == [{"what": "wrong_hash", "ids": {"outcome": name, "seq": 4}}]


def delete(outcome, condition):
    with unlocked():
        raw(f"DELETE FROM matching_outcomeevent WHERE outcome_id = %s AND {condition}", outcome.pk)  # noqa: S608


def test_a_deleted_event_is_named(outcome, name, capsys):
    delete(outcome, "seq = 2")
    assert {(name, 3, "number_missing"), (name, 3, "broken_link"), (name, 3, "illegal_move")} <= found(capsys)


def test_a_chain_cut_short_is_named(outcome, name, capsys):
    delete(outcome, "seq = 4")
    assert found(capsys) == {(name, 3, "other_state"), (name, None, "change_without_event")}
    assert found_by_invariants() == {(4, "other_state"), (5, "change_without_event")}


def test_a_chain_that_is_gone_is_named(outcome, name, capsys):
    delete(outcome, "1 = 1")
    assert found(capsys) == {(name, None, "no_events"), (name, None, "change_without_event")}


def test_an_inserted_event_is_named(outcome, name, capsys):
    last = outcome.events.last()
    last.pk, last.seq, last.prev_hash, last.hash = None, 5, last.hash, "f" * 64
    last.save(force_insert=True)
    assert {(name, 5, "wrong_hash"), (name, 5, "illegal_move")} <= found(capsys)


@pytest.mark.parametrize(
    ("column", "value", "number", "seq", "code"),
    [
        ("status", "settled", 4, 4, "other_state"),
        ("version", 9, 5, None, "change_without_event"),
        ("gmv_cents", 9_999_999, 5, 4, "figures_exchanged"),
        ("orders_returned", 0, 5, 4, "figures_exchanged"),
    ],
)
def test_a_row_that_its_events_do_not_lead_to_is_named(
    outcome, name, capsys, column, value, number, seq, code
):
    Outcome.objects.filter(pk=outcome.pk).update(**{column: value})
    assert found(capsys) == {(name, seq, code)}
    assert found_by_invariants() == {(number, code)}


@pytest.mark.parametrize(
    ("seq", "values", "code"),
    [
        (4, {"actor_role": "anchor"}, "illegal_move"),  # confirms its own figures
        (3, {"actor_role": "stall"}, "illegal_move"),  # corrects those of the other side
        (2, {"actor_role": "system"}, "illegal_move"),
        (1, {"action": "correct"}, "illegal_move"),
        (4, {"action": "teleport"}, "illegal_move"),
        (4, {"to_status": "settled"}, "illegal_move"),
        (4, {"from_status": "disputed"}, "illegal_move"),
        (2, {"reason_code": ""}, "no_reason"),
        (2, {"figures": json.dumps(BETTER)}, "figures_moved"),
        (4, {"figures": "[]"}, "figures_moved"),
    ],
)
def test_a_path_that_cannot_be_is_named_though_its_hashes_are_right(outcome, name, capsys, seq, values, code):
    change(outcome, seq, **values)
    with unlocked():
        rehash(outcome)
    wrong = found(capsys)
    assert (name, seq, code) in wrong and "wrong_hash" not in {entry[2] for entry in wrong}
    assert (5 if code == "figures_moved" else 4, code) in found_by_invariants()


# --- outcomes that are older than their events -----------------------------------------------------


def take_over():
    migration.begin_chains(apps, SimpleNamespace(connection=connection))


def test_a_settled_outcome_without_events_gets_its_chain(outcome, capsys):
    older = Outcome.objects.exclude(pk=outcome.pk).get()
    was = older.events.values_list("action", "at", "figures", "hash").get()
    delete(older, "1 = 1")
    assert found(capsys) != set()
    for _ in range(2):
        take_over()
        assert older.events.values_list("action", "at", "figures", "hash").get() == was
        assert found(capsys) == set()


def test_a_chain_that_was_lost_is_not_made_up(outcome, name, capsys):
    delete(outcome, "1 = 1")
    take_over()
    assert (name, None, "no_events") in found(capsys)
