"""`manage.py verify_events`: silent about what is true, names every way to falsify the past."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from matching.models import DailyRoot, Match, MatchEvent, Terms
from matching.selectors import chain_rows
from matching.selectors.chains import ALL_CHECKS, CHECKS, violations
from matching.selectors.roots import root_violations
from matching.services import matches as services
from matching.services.matches import accept_match, propose_to_both
from matching.states import TRANSITIONS
from tests.matching import tampering
from tests.matching.market import (
    agreed,
    make_anchor,
    make_staff,
    make_stall,
    member_of,
    proposed,
    session,
    terms,
)
from tests.matching.tampering import approved_match, change, closed_days, found, raw, unlocked, verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def match(db):
    """An approved match under a root, beside another that nobody touches."""
    made = approved_match()
    agreed(make_stall(), make_anchor())
    closed_days(2, 1)
    return made


@pytest.fixture
def name(match):
    return str(match.public_id)


def event_of(match, seq):
    return MatchEvent.objects.get(match=match, seq=seq)


def test_what_is_true_passes(match, capsys):
    said, code = verify(capsys)
    assert (code, said["found"]) == (0, [])
    counted = {"matches": 2, "outcomes": 0, "events": 5, "terms": 2, "roots": 2, "leaves": 2, "violations": 0}
    assert {key: said[key] for key in counted} == counted
    last = DailyRoot.objects.first()
    assert said["last_root"] == {"on": str(last.on), "root": last.root} and said["seconds"] >= 0
    call_command("verify_events")
    assert last.root in capsys.readouterr().out


def test_an_empty_town_passes(capsys):
    said, code = verify(capsys)
    assert (code, said["events"], said["last_root"]) == (0, 0, None)


def test_every_move_of_the_table_passes(monkeypatch):
    """Whatever services write, the walk takes for legal."""
    staff = make_staff()
    for module in (services.deciding, services.deadlines):
        monkeypatch.setattr(module, "require_begun", lambda *_: None, raising=False)
        monkeypatch.setattr(module, "require_over", lambda *_: None, raising=False)
    for end in ("decline", "withdraw", "counter"):
        match = proposed(make_stall(), make_anchor())
        extra = {"terms": terms(session(2))} if end == "counter" else {}
        getattr(services, f"{end}_match")(actor=member_of(match.anchor), match=match, **extra)
    match = proposed(make_stall(), make_anchor(), side="anchor")
    Match.objects.filter(pk=match.pk).update(deadline_at=match.created_at)
    services.expire_match(match=match)
    both = propose_to_both(actor=staff, stall=make_stall(), anchor=make_anchor(), terms=terms())
    for party in (both.anchor, both.stall):
        both = accept_match(actor=member_of(party), match=both)
    services.reject_match(actor=staff, match=both, reason_code="reject_other")
    for end, reason in (("cancel", "cancel_other"), ("fail", "fail_other"), ("complete", "")):
        getattr(services, f"{end}_match")(actor=staff, match=approved_match(), reason_code=reason)
    assert set(MatchEvent.objects.values_list("action", flat=True)) == {row.action for row in TRANSITIONS}
    assert list(violations(Match.objects.all(), *ALL_CHECKS)) == []


# --- one event -------------------------------------------------------------------------------------

CHANGES = {
    "action": "accept",
    "from_status": "approved",
    "to_status": "completed",
    "awaiting": "anchor",
    "terms_digest": "0" * 64,
    "actor_id": 4711,
    "actor_role": "anchor",
    "reason_code": "approve_other",
    "at": "2020-01-01 00:00:00+00:00",
}


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_event_is_named(match, name, capsys, column):
    change(match, 3, **{column: CHANGES[column]})
    assert (name, 3, "wrong_hash") in found(capsys)
    assert {subject for subject, _seq, _code in found(capsys)} == {name}, "and nothing else is"


def test_nobody_who_could_be_awaited_is_named(match, name, capsys):
    change(match, 1, awaiting="nobody")
    assert {(name, 1, "illegal_move"), (name, 2, "illegal_move")} <= found(capsys)


def test_swapped_hashes_are_named(match, name, capsys):
    first, second = event_of(match, 1).hash, event_of(match, 2).hash
    change(match, 1, hash=second)
    change(match, 2, hash=first)
    wrong = found(capsys)
    assert {(name, 1, "wrong_hash"), (name, 2, "wrong_hash"), (name, 2, "broken_link")} <= wrong


def test_a_deleted_event_is_named(match, name, capsys):
    with unlocked():
        raw("DELETE FROM matching_matchevent WHERE match_id = %s AND seq = 2", match.pk)
    assert {(name, 3, "number_missing"), (name, 3, "broken_link"), (name, 3, "no_consent")} <= found(capsys)


def test_a_chain_cut_short_is_named(match, name, capsys):
    with unlocked():
        raw("DELETE FROM matching_matchevent WHERE match_id = %s AND seq = 3", match.pk)
    codes = {(name, 2, "other_state"), (name, None, "never_approved"), (name, None, "change_without_event")}
    assert found(capsys) == codes | {(name, 3, "leaf_differs")}


def test_a_chain_that_is_gone_is_named(match, name, capsys):
    with unlocked():
        raw("DELETE FROM matching_matchevent WHERE match_id = %s", match.pk)
    codes = {(name, None, code) for code in ("no_events", "never_approved", "change_without_event")}
    assert found(capsys) == codes | {(name, 3, "leaf_differs")}


def test_an_inserted_event_is_named(match, name, capsys):
    """Adding rows is allowed, so the chain itself has to show it."""
    last = event_of(match, 3)
    columns = "match_id, action, from_status, to_status, awaiting, terms_digest, actor_role, reason_code, at"
    raw(
        f"INSERT INTO matching_matchevent ({columns}, seq, prev_hash, hash) "  # noqa: S608
        f"SELECT {columns}, 4, %s, %s FROM matching_matchevent WHERE id = %s",
        last.hash,
        "f" * 64,
        last.pk,
    )
    assert {(name, 4, "wrong_hash"), (name, 4, "illegal_move")} <= found(capsys)


def test_a_state_that_no_event_leads_to_is_named(match, name, capsys):
    raw("UPDATE matching_match SET status = 'completed' WHERE id = %s", match.pk)
    assert found(capsys) == {(name, 3, "other_state")}


def test_an_approval_that_nobody_gave_is_named(match, name, capsys):
    other = str(Match.objects.exclude(pk=match.pk).get().public_id)
    raw("UPDATE matching_match SET status = 'failed' WHERE id <> %s", match.pk)
    assert found(capsys) == {(other, 2, "other_state"), (other, None, "never_approved")}


def test_a_change_without_an_event_is_named(match, name, capsys):
    raw("UPDATE matching_match SET version = 4 WHERE id = %s", match.pk)
    assert found(capsys) == {(name, None, "change_without_event")}


# --- terms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column, value",
    [
        ("commission_rate", "0.9000"),
        ("slot_fee_cents", 1),
        ("cooperation_mode", "roaming_broadcast"),
        ("sessions", "[]"),
        ("sessions", '"nonsense"'),
        ("sessions", '[{"starts_at": 7}]'),
        ("canonical", "{}"),
        ("digest", "0" * 64),
    ],
)
def test_changed_terms_are_named(match, name, capsys, column, value):
    with unlocked():
        raw(f"UPDATE matching_terms SET {column} = %s WHERE match_id = %s", value, match.pk)  # noqa: S608
    assert (name, None, "terms_altered") in found(capsys)


def test_terms_forged_with_their_digest_are_named(match, name, capsys):
    forged = terms(session(3))
    with unlocked():
        Terms.objects.filter(match=match).update(
            sessions=forged.sessions_as_json(), canonical=forged.canonical(), digest=forged.digest()
        )
    assert {(name, seq, "terms_unknown") for seq in (1, 2, 3)} <= found(capsys)


def test_a_match_that_points_to_other_terms_is_named(match, name, capsys):
    forged = terms(session(3))
    row = Terms.objects.get(match=match)
    row.pk, row.number, row.proposed_by = None, 2, "anchor"
    row.sessions, row.canonical, row.digest = forged.sessions_as_json(), forged.canonical(), forged.digest()
    row.save(force_insert=True)
    Match.objects.filter(pk=match.pk).update(terms=row)
    assert found(capsys) == {(name, 3, "terms_exchanged")}


def test_terms_that_changed_after_the_agreement_are_named(match, name, capsys):
    test_a_match_that_points_to_other_terms_is_named(match, name, capsys)
    change(match, 3, terms_digest=terms(session(3)).digest())
    with unlocked():
        tampering.rehash(match)
    assert found(capsys) == {(name, 3, "terms_moved"), (name, 3, "leaf_differs")}


# --- forgers who recompute hashes ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seq", "values", "code"),
    [
        (2, {"actor_role": "stall"}, "illegal_move"),
        (2, {"actor_role": "stall"}, "no_consent"),
        (3, {"actor_role": "system"}, "illegal_move"),
        (3, {"action": "reject"}, "illegal_move"),
        (3, {"action": "teleport"}, "illegal_move"),
        (3, {"actor_role": "nobody"}, "illegal_move"),
        (3, {"from_status": "proposed"}, "illegal_move"),
        (3, {"to_status": "rejected", "action": "reject"}, "no_reason"),
    ],
)
def test_a_path_that_cannot_be_is_named_though_its_hashes_are_right(match, name, capsys, seq, values, code):
    change(match, seq, **values)
    with unlocked():
        tampering.rehash(match)
    wrong = found(capsys)
    assert (name, seq, code) in wrong and "wrong_hash" not in {entry[2] for entry in wrong}


def forge_chain(match):
    """Approved by somebody else and earlier; legal in itself, all hashes right."""
    change(match, 3, actor_id=4711, at="2020-01-01 00:00:00+00:00")
    with unlocked():
        tampering.rehash(match)
    assert list(violations(Match.objects.all(), *ALL_CHECKS)) == [], "the chain alone does not show it"


def test_a_chain_forged_as_a_whole_is_caught_by_the_daily_root(match, name, capsys):
    forge_chain(match)
    assert found(capsys) == {(name, 3, "leaf_differs")}


def test_forged_leaves_are_caught_by_their_root(match, capsys):
    forge_chain(match)
    tampering.forge_leaves()
    first = DailyRoot.objects.earliest("on")
    assert found(capsys) == {(str(first.on), None, "root_differs")}


def test_forged_roots_are_caught_by_whoever_kept_one_elsewhere(match, capsys):
    kept = DailyRoot.objects.first().root
    assert found(capsys, "--root", kept) == set() == found(capsys, "--root", kept.upper())
    forge_chain(match)
    tampering.forge_leaves()
    tampering.forge_roots()
    assert found(capsys) == set(), "who rewrites everything agrees with themselves"
    assert found(capsys, "--root", kept) == {(kept, None, "root_unknown")}


# --- roots -----------------------------------------------------------------------------------------


def test_a_lost_day_is_named(match, capsys):
    first, second = DailyRoot.objects.order_by("on")
    raw('UPDATE matching_dailyroot SET "on" = %s WHERE id = %s', first.on - timedelta(days=2), first.pk)
    missing = (first.on - timedelta(days=1), first.on)
    assert found(capsys) == {(str(day), None, "day_missing") for day in missing}


def test_a_lost_root_is_named(match, capsys):
    first, second = DailyRoot.objects.order_by("on")
    raw("DELETE FROM matching_rootleaf WHERE root_id = %s", first.pk)
    raw("DELETE FROM matching_dailyroot WHERE id = %s", first.pk)
    assert found(capsys) == {(str(second.on), None, "root_not_linked")}


def test_a_lost_leaf_is_named(match, capsys):
    first = DailyRoot.objects.earliest("on")
    raw("DELETE FROM matching_rootleaf WHERE match_id = %s", match.pk)
    assert found(capsys) == {(str(first.on), None, code) for code in ("leaves_missing", "root_differs")}


def test_a_changed_root_is_named(match, capsys):
    first, second = DailyRoot.objects.order_by("on")
    raw("UPDATE matching_dailyroot SET root = %s WHERE id = %s", "0" * 64, first.pk)
    assert found(capsys) == {
        (str(first.on), None, "root_differs"),
        (str(second.on), None, "root_not_linked"),
    }


def test_a_missing_trigger_is_named(match, capsys):
    with unlocked():
        wrong = found(capsys)
    assert {code for _subject, _seq, code in wrong} == {"trigger_missing"}
    assert "matching_terms" in str(wrong)


# --- the command and what others build on ----------------------------------------------------------


def test_the_text_names_match_event_and_fault(match, name, capsys):
    change(match, 2, actor_id=4711)
    with pytest.raises(SystemExit):
        call_command("verify_events")
    out = capsys.readouterr().out
    assert f"{name} #2: " in out and "[wrong_hash]" in out and len(out.splitlines()) == 3


@pytest.mark.parametrize("given", ["abc", "g" * 64, "0" * 63, "", "0" * 65])
def test_a_root_that_is_none_is_refused(given):
    with pytest.raises(CommandError, match="--root"):
        call_command("verify_events", f"--root={given}")


def test_checks_are_had_by_invariant_and_for_some_matches_only(match, name):
    change(match, 3, actor_role="system", reason_code="forged")
    other = Match.objects.exclude(pk=match.pk)
    assert not list(violations(other, *ALL_CHECKS))
    codes = {
        number: {violation.code for violation in violations(Match.objects.all(), *checks)}
        for number, checks in CHECKS.items()
    }
    assert codes == {3: set(), 4: {"illegal_move"}, 5: {"wrong_hash"}, 7: set()}


def test_the_walk_reads_blocks(match, monkeypatch, django_assert_num_queries):
    for _ in range(3):
        proposed(make_stall(), make_anchor())
    whole = [chain.subject for chain in chain_rows.chains_of(Match.objects.all())]
    with django_assert_num_queries(4):  # keys, events, terms; no more keys
        assert len(list(chain_rows.chains_of(Match.objects.all(), with_terms=True))) == 5
    monkeypatch.setattr(chain_rows, "BLOCK", 2)
    with django_assert_num_queries(7):
        assert [chain.subject for chain in chain_rows.chains_of(Match.objects.all())] == whole
    with django_assert_num_queries(4):  # leaves that differ, roots, the leaves of two
        assert not list(root_violations())
