"""The state table, whole: status × action × awaiting × actor, legal and illegal, through the services."""

import itertools

import pytest
from django.db import transaction

from matching.choices import Awaiting, MatchStatus
from matching.models import Match, MatchEvent
from matching.moves import allowed_actions, state_after
from matching.services.matches import accept_match, approve_match, decline_match, reject_match
from matching.states import TRANSITIONS
from matchmaker.core.errors import Conflict, DomainError, NotAllowed, NotFound
from tests.matching.market import make_anchor, make_staff, make_stall, make_user, member_of, proposed

SERVICES = {
    "accept": accept_match,
    "decline": decline_match,
    "approve": approve_match,
    "reject": lambda **given: reject_match(**given, reason_code="reject_other"),
}
ACTORS = (
    "stall",
    "anchor",
    "both sides",
    "staff",
    "staff of the stall",
    "staff without permission",
    "stranger",
)
# Written down by hand from the design, so that a wrong line in the table fails here.
SIDES_OF = {"stall": {"stall"}, "anchor": {"anchor"}, "both sides": {"stall", "anchor"}}
ASKED = {"": set(), "stall": {"stall"}, "anchor": {"anchor"}, "both": {"stall", "anchor"}}
TARGET = {"decline": "declined", "approve": "approved", "reject": "rejected"}


def expected(action, status, awaiting, actor):
    """(status, awaiting) after the move, or the error that the design asks for."""
    if actor in ("stranger", "staff without permission"):
        return NotFound
    sides = SIDES_OF.get(actor, {"stall"} if actor == "staff of the stall" else set())
    if action in ("accept", "decline"):
        return _answer(action, status, ASKED[awaiting], sides)
    if actor not in ("staff", "staff of the stall"):
        return NotAllowed
    if status != "agreed":
        return Conflict
    return NotAllowed if actor == "staff of the stall" else (TARGET[action], "")


def _answer(action, status, asked, sides):
    if not sides:
        return NotAllowed
    if status != "proposed" or not asked & sides:
        return Conflict
    if action == "decline":
        return "declined", ""
    # Who stands on both sides speaks for the stall first.
    left = asked - {"stall" if "stall" in asked & sides else "anchor"}
    return ("proposed", left.pop()) if left else ("agreed", "")


def test_the_table_and_the_services_name_the_same_actions():
    assert [row.action for row in TRANSITIONS] == list(SERVICES)


@pytest.fixture
def cast(db):
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor)
    both, insider = make_user(), make_staff()
    for user, party in ((both, {"merchant": stall.merchant}), (both, {"anchor": anchor})):
        user.memberships.create(**party)
    insider.memberships.create(merchant=stall.merchant)
    actors = {
        "stall": member_of(stall),
        "anchor": member_of(anchor),
        "both sides": both,
        "staff": make_staff(),
        "staff of the stall": insider,
        "staff without permission": make_user(is_staff=True),
        "stranger": make_user(),
    }
    return match, actors


@pytest.mark.parametrize("action", list(SERVICES))
@pytest.mark.parametrize("status", MatchStatus.values)
def test_every_move_by_everybody(cast, status, action):
    match, actors = cast
    for awaiting, actor in itertools.product(Awaiting.values, ACTORS):
        Match.objects.filter(pk=match.pk).update(status=status, awaiting=awaiting)
        case = f"{action} by {actor} while {status} awaits {awaiting or 'nobody'}"
        with transaction.atomic():
            check_move(match, action, actors[actor], expected(action, status, awaiting, actor), case)
            transaction.set_rollback(True)


def check_move(match, action, actor, outcome, case):
    before = Match.objects.values().get(pk=match.pk)
    events = MatchEvent.objects.filter(match=match)
    try:
        SERVICES[action](actor=actor, match=match)
    except DomainError as error:
        assert type(error) is outcome, case
        assert Match.objects.values().get(pk=match.pk) == before and events.count() == 1, case
        if isinstance(error, Conflict):
            assert error.extra["status_now"] == before["status"], case
        return
    now = Match.objects.get(pk=match.pk)
    assert (now.status, now.awaiting) == outcome, case
    assert now.version == before["version"] + 1, case
    event = events.last()
    written = (event.seq, event.action, event.from_status, event.to_status, event.awaiting, event.actor_id)
    assert written == (2, action, before["status"], *outcome, actor.pk), case


@pytest.mark.parametrize("status", MatchStatus.values)
@pytest.mark.parametrize("awaiting", Awaiting.values)
@pytest.mark.parametrize("actor", ACTORS[:5])
def test_allowed_actions_are_those_that_would_succeed(status, awaiting, actor):
    roles = SIDES_OF.get(actor, set()) | ({"staff"} if actor.startswith("staff") else set())
    roles |= {"stall"} if actor == "staff of the stall" else set()
    would = [a for a in SERVICES if isinstance(expected(a, status, awaiting, actor), tuple)]
    assert allowed_actions(status, awaiting, roles) == would


def test_nobody_is_offered_anything_without_a_role():
    assert allowed_actions("proposed", "both", ()) == []


def test_an_unknown_action_is_an_error():
    with pytest.raises(LookupError):
        state_after("teleport", "proposed", "anchor", "anchor")
