"""The state table, whole: status × action × awaiting × actor, legal and illegal, through the services."""

import itertools
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from matching.choices import OPEN_STATUSES, Awaiting, MatchStatus
from matching.models import Match, MatchEvent, Session
from matching.moves import acting_role, allowed_actions, state_after
from matching.services import matches as services
from matching.services.bookings import reserve
from matching.states import TRANSITIONS
from matchmaker.core.errors import Conflict, DomainError, NotAllowed, NotFound
from tests.matching.market import (
    make_anchor,
    make_staff,
    make_stall,
    make_user,
    member_of,
    proposed,
    session,
    terms,
)

SERVICES = {
    "counter": lambda **given: services.counter_match(**given, terms=terms(session(3))),
    "accept": services.accept_match,
    "decline": services.decline_match,
    "withdraw": services.withdraw_match,
    "approve": services.approve_match,
    "reject": lambda **given: services.reject_match(**given, reason_code="reject_other"),
    "expire": lambda actor, match: services.expire_match(match=match),
    "cancel": lambda **given: services.cancel_match(**given, reason_code="cancel_other"),
    "complete": services.complete_match,
    "fail": lambda **given: services.fail_match(**given, reason_code="fail_other"),
}
PEOPLE = (
    "stall",
    "anchor",
    "both sides",
    "staff",
    "staff of the stall",
    "staff without permission",
    "stranger",
)
# Written down by hand from the design, so that a wrong line in the table fails here.
SIDES_OF = {
    "stall": {"stall"},
    "anchor": {"anchor"},
    "both sides": {"stall", "anchor"},
    "staff of the stall": {"stall"},
}
ASKED = {"": set(), "stall": {"stall"}, "anchor": {"anchor"}, "both": {"stall", "anchor"}}
ANSWERS = {"counter", "accept", "decline"}
OF_SIDES = {"withdraw": ("withdrawn", {"proposed", "agreed"}), "cancel": ("cancelled", {"approved"})}
OF_STAFF = {
    "approve": ("approved", {"agreed"}),
    "reject": ("rejected", {"agreed"}),
    "cancel": ("cancelled", {"approved"}),
    "complete": ("completed", {"approved"}),
    "fail": ("failed", {"approved"}),
}
HELD = ("agreed", "approved")
# Whoever is not waited for is kept so by the database.
STATES = [("proposed", "stall"), ("proposed", "anchor"), ("proposed", "both")]
STATES += [(status, "") for status in MatchStatus.values if status != "proposed"]


def expected(action, status, awaiting, actor):
    """(status, awaiting) after the move, or the error that the design asks for."""
    if action == "expire":
        return ("expired", "") if status in ("proposed", "agreed") else Conflict
    if actor in ("stranger", "staff without permission"):
        return NotFound
    sides, is_staff = SIDES_OF.get(actor, set()), actor in ("staff", "staff of the stall")
    if action in ANSWERS:
        return _answer(action, status, ASKED[awaiting], sides)
    if sides and action in OF_SIDES:
        target, sources = OF_SIDES[action]
        return (target, "") if status in sources else Conflict
    if not is_staff or action not in OF_STAFF:
        return NotAllowed
    target, sources = OF_STAFF[action]
    if status not in sources:
        return Conflict
    return NotAllowed if sides else (target, "")


def _answer(action, status, asked, sides):
    if not sides:
        return NotAllowed
    if status != "proposed" or not asked & sides:
        return Conflict
    if action == "decline":
        return "declined", ""
    # Who stands on both sides speaks for the stall first.
    own = "stall" if "stall" in asked & sides else "anchor"
    if action == "counter":
        return "proposed", "anchor" if own == "stall" else "stall"
    left = asked - {own}
    return ("proposed", left.pop()) if left else ("agreed", "")


def test_the_table_and_the_services_name_the_same_actions():
    assert [row.action for row in TRANSITIONS] == ["propose", *SERVICES]


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


def put(match, status, awaiting, action):
    """Bring the row into that state, with what it holds there, at a time that allows `action`."""
    Match.objects.filter(pk=match.pk).update(status=status, awaiting=awaiting)
    if status in HELD:
        reserve(match)
    if action in ("complete", "fail"):
        long_ago = timezone.now() - timedelta(days=9)
        Session.objects.update(starts_at=long_ago, ends_at=long_ago + timedelta(hours=2))
    if action == "expire":
        Match.objects.filter(pk=match.pk).update(deadline_at=timezone.now())


@pytest.mark.parametrize("action", list(SERVICES))
@pytest.mark.parametrize(("status", "awaiting"), STATES)
def test_every_move_by_everybody(cast, status, awaiting, action):
    match, actors = cast
    for actor in PEOPLE if action != "expire" else ("staff",):
        case = f"{action} by {actor} while {status} awaits {awaiting or 'nobody'}"
        with transaction.atomic():
            put(match, status, awaiting, action)
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
            assert error.extra["awaiting_now"] == before["awaiting"], case
        return
    now = Match.objects.get(pk=match.pk)
    assert (now.status, now.awaiting) == outcome, case
    assert now.version == before["version"] + 1, case
    event = events.last()
    written = (event.seq, event.action, event.from_status, event.to_status, event.awaiting)
    assert written == (2, action, before["status"], *outcome), case
    assert event.actor_id == (None if action == "expire" else actor.pk), case
    check_times_and_holdings(now, before, case)


def check_times_and_holdings(now, before, case):
    is_open = now.status in OPEN_STATUSES
    assert (now.ended_at is None) == is_open, case
    assert (now.deadline_at is None) == (now.status not in ("proposed", "agreed")), case
    held = now.bookings.filter(released_at__isnull=True).count()
    assert held == (1 if now.status in ("agreed", "approved", "completed") else 0), case


@pytest.mark.parametrize(("status", "awaiting"), STATES)
@pytest.mark.parametrize("actor", PEOPLE[:5])
def test_allowed_actions_are_those_that_would_succeed(status, awaiting, actor):
    roles = SIDES_OF.get(actor, set()) | ({"staff"} if actor.startswith("staff") else set())
    would = [a for a in SERVICES if isinstance(expected(a, status, awaiting, actor), tuple)]
    assert allowed_actions(status, awaiting, roles) == [a for a in would if a != "expire"]


def expected_proposal(status, awaiting, by):
    """(status, awaiting) of the pair's open match after a proposal with other terms, or the error."""
    if status not in ("proposed", "agreed", "approved"):
        return "proposed", {"stall": "anchor", "anchor": "stall", "staff": "both"}[by]
    if by in ASKED[awaiting]:
        return "proposed", "anchor" if by == "stall" else "stall"
    return Conflict


@pytest.mark.parametrize(("status", "awaiting"), STATES)
@pytest.mark.parametrize("by", ["stall", "anchor", "staff"])
def test_every_proposal_over_every_match(cast, status, awaiting, by):
    match, actors = cast
    given = {"actor": actors[by], "stall": match.stall, "anchor": match.anchor, "terms": terms(session(4))}
    put(match, status, awaiting, "propose")
    Match.objects.update(ended_at=timezone.now() - timedelta(days=40))
    outcome = expected_proposal(status, awaiting, by)
    try:
        if by == "staff":
            now = services.propose_to_both(**given)
        else:
            now = services.propose_match(**given, side=by)
    except Conflict as error:
        assert outcome is Conflict and error.code == "already_open"
        assert error.extra["match"] == str(match.public_id)
        return
    assert (now.status, now.awaiting) == outcome
    assert (now.pk == match.pk) == (status == "proposed")
    assert now.terms.digest == terms(session(4)).digest() and now.terms.proposed_by == by


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "awaiting"), sorted(set(itertools.product(MatchStatus.values, Awaiting.values)) - set(STATES))
)
def test_the_database_lets_only_proposals_wait_for_somebody(status, awaiting):
    match = proposed(make_stall(), make_anchor())
    with pytest.raises(IntegrityError), transaction.atomic():
        Match.objects.filter(pk=match.pk).update(status=status, awaiting=awaiting)


def test_nobody_is_offered_anything_without_a_role():
    assert allowed_actions("proposed", "both", ()) == []


def test_an_unknown_action_is_an_error():
    with pytest.raises(LookupError):
        state_after("teleport", "proposed", "anchor", "anchor")
    with pytest.raises(LookupError):
        acting_role("teleport", "", {"stall"})
