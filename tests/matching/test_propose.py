"""Proposals: what they write, what they are refused for, and what happens when two cross."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.choices import StreamingPermit
from jobs.throttle import TooManyRequests
from matching.choices import MatchStatus
from matching.models import Match, MatchEvent, Note, Terms
from matching.policy import ANSWER_WITHIN, PROPOSALS_A_WEEK
from matching.services.events import hash_of
from matching.services.matches import propose_match
from matching.services.quota import proposals_left
from matching.signals import match_moved, pair_changed
from matchmaker.core.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tests.matching.market import (
    agreed,
    make_anchor,
    make_stall,
    make_user,
    member_of,
    proposed,
    session,
    terms,
)

pytestmark = pytest.mark.django_db


def test_a_proposal_waits_for_the_other_side():
    stall, anchor = make_stall(), make_anchor()
    before = timezone.now()
    match = propose_match(
        actor=member_of(stall), side="stall", stall=stall, anchor=anchor, terms=terms(), note="A good season"
    )
    assert (match.status, match.awaiting, match.proposed_by) == ("proposed", "anchor", "stall")
    assert before + ANSWER_WITHIN <= match.deadline_at <= timezone.now() + ANSWER_WITHIN
    assert match.terms.number == 1 and match.terms.proposed_by == "stall"
    event = MatchEvent.objects.get(match=match)
    assert (event.seq, event.action, event.from_status, event.to_status) == (1, "propose", "", "proposed")
    assert (event.actor_id, event.actor_role, event.prev_hash) == (member_of(stall).pk, "stall", "")
    assert event.terms_digest == match.terms.digest and event.note.text == "A good season"


def test_the_anchor_proposes_to_a_stall():
    match = proposed(make_stall(), make_anchor(), side="anchor")
    assert (match.awaiting, match.proposed_by) == ("stall", "anchor")


def test_events_are_a_chain_that_can_be_recomputed():
    match = agreed(make_stall(), make_anchor())
    first, second = MatchEvent.objects.filter(match=match)
    for event in (first, second):
        assert event.hash == hash_of(event, match)
    assert second.prev_hash == first.hash
    second.to_status = "approved"
    assert hash_of(second, match) != second.hash


def test_a_proposal_is_announced_in_its_transaction():
    heard = []

    def on_move(sender, match, event, **_):
        heard.append((match.status, event.action))

    def on_pair(sender, stall_id, anchor_id, **_):
        heard.append((stall_id, anchor_id))

    match_moved.connect(on_move)
    pair_changed.connect(on_pair)
    try:
        match = proposed(make_stall(), make_anchor())
    finally:
        match_moved.disconnect(on_move)
        pair_changed.disconnect(on_pair)
    assert heard == [("proposed", "propose"), (match.stall_id, match.anchor_id)]


def test_terms_have_one_canonical_form():
    one = terms(session(2), session(1), commission_rate=Decimal("0.18"))
    other = terms(session(1), session(2), commission_rate=Decimal("0.1800"))
    assert one.canonical() == other.canonical() and one.digest() == other.digest()
    assert '"schema_version":1' in one.canonical()
    assert one.digest() != terms(session(1), session(2), commission_rate=Decimal("0.19")).digest()


def test_a_crossing_proposal_with_the_same_terms_accepts():
    stall, anchor = make_stall(), make_anchor()
    first = proposed(stall, anchor)
    second = proposed(stall, anchor, side="anchor")
    assert second.pk == first.pk and second.status == MatchStatus.AGREED
    assert Match.objects.count() == 1 and Terms.objects.count() == 1
    assert proposals_left("anchor", anchor.pk) == PROPOSALS_A_WEEK, "an acceptance is no proposal"


def test_a_crossing_proposal_with_other_terms_is_a_counter_offer():
    stall, anchor = make_stall(), make_anchor()
    first = proposed(stall, anchor)
    second = proposed(stall, anchor, session(3), side="anchor")
    assert second.pk == first.pk and (second.status, second.awaiting) == ("proposed", "stall")
    assert second.terms.number == 2 and second.terms.proposed_by == "anchor"
    assert proposals_left("anchor", anchor.pk) == PROPOSALS_A_WEEK, "an answer is no proposal"


def test_the_same_side_cannot_propose_twice():
    stall, anchor = make_stall(), make_anchor()
    proposed(stall, anchor)
    with pytest.raises(Conflict) as caught:
        proposed(stall, anchor)
    assert caught.value.code == "already_open"
    assert Match.objects.count() == 1


def test_nobody_proposes_for_a_party_of_others():
    stall, anchor = make_stall(), make_anchor()
    for side, actor in (("stall", member_of(anchor)), ("anchor", member_of(stall)), ("stall", make_user())):
        with pytest.raises(NotFound):
            propose_match(actor=actor, side=side, stall=stall, anchor=anchor, terms=terms())
    assert not Match.objects.exists()


def test_a_user_who_is_switched_off_makes_no_move():
    stall, anchor = make_stall(), make_anchor()
    actor = member_of(stall)
    actor.is_active = False
    with pytest.raises(NotAllowed):
        propose_match(actor=actor, side="stall", stall=stall, anchor=anchor, terms=terms())


def test_a_stall_by_invitation_invites_and_is_not_asked():
    stall, anchor = make_stall(streaming_permit=StreamingPermit.BY_INVITATION), make_anchor()
    with pytest.raises(Conflict) as caught:
        proposed(stall, anchor, side="anchor")
    assert caught.value.extra["reasons"] == ["by_invitation"]
    assert proposed(stall, anchor).status == MatchStatus.PROPOSED


def test_the_weekly_quota_is_exact_and_counts_only_what_succeeded(monkeypatch):
    monkeypatch.setattr("matching.services.quota.PROPOSALS_A_WEEK", 2)
    stall, archived = make_stall(), make_anchor(archived_at=timezone.now())
    with pytest.raises(Conflict):
        proposed(stall, archived)
    assert proposals_left("stall", stall.pk) == 2
    proposed(stall, make_anchor())
    proposed(stall, make_anchor())
    with pytest.raises(TooManyRequests) as caught:
        proposed(stall, make_anchor())
    assert caught.value.code == "proposal_quota_used"
    assert 0 < int(caught.value.headers["Retry-After"]) <= 7 * 24 * 3600
    assert proposals_left("stall", stall.pk) == 0 and Match.objects.count() == 2


def test_the_quota_starts_anew_on_monday_in_the_town(time_machine_at):
    stall = make_stall()
    with time_machine_at("2026-11-29T15:59:00Z"):  # Sunday 23:59 in the town
        proposed(stall, make_anchor(verified_until="2027-05-01"))
        assert proposals_left("stall", stall.pk) == PROPOSALS_A_WEEK - 1
    with time_machine_at("2026-11-29T16:00:00Z"):
        assert proposals_left("stall", stall.pk) == PROPOSALS_A_WEEK


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"commission_rate": Decimal("1.2")}, "terms.commission_rate"),
        ({"slot_fee_cents": -1}, "terms.slot_fee_cents"),
        ({"cooperation_mode": "barter"}, "terms.cooperation_mode"),
        ({"sessions": ()}, "terms.sessions"),
        ({"sessions": tuple(session(day=n % 7, weeks=1 + n // 7) for n in range(13))}, "terms.sessions"),
        ({"sessions": (session(), session(hour=21))}, "terms.sessions"),
        ({"sessions": (session(weeks=-1),)}, "terms.sessions.0.starts_at"),
        ({"sessions": (session(weeks=30),)}, "terms.sessions.0.starts_at"),
        ({"sessions": (session(length=0),)}, "terms.sessions.0.ends_at"),
        ({"sessions": (session(length=13),)}, "terms.sessions.0.ends_at"),
        ({"sessions": (session(places=2),)}, "terms.sessions.0.places"),
        ({"sessions": (session(mode="mixed", places=1),)}, "terms.sessions.0.places"),
        ({"sessions": (session(mode="duet"),)}, "terms.sessions.0.mode"),
    ],
)
def test_terms_that_cannot_be_name_the_field(changes, field):
    stall, anchor = make_stall(), make_anchor()
    with pytest.raises(InvalidInput) as caught:
        propose_match(
            actor=member_of(stall), side="stall", stall=stall, anchor=anchor, terms=terms(**changes)
        )
    assert field in caught.value.fields
    assert not Match.objects.exists() and not Note.objects.exists()


def test_sessions_begin_on_whole_hours():
    half_past = session().starts_at + timedelta(minutes=30)
    wanted = session().__class__(starts_at=half_past, ends_at=half_past + timedelta(hours=2))
    with pytest.raises(InvalidInput) as caught:
        proposed(make_stall(), make_anchor(), wanted)
    assert set(caught.value.fields) == {"terms.sessions.0.starts_at", "terms.sessions.0.ends_at"}


def test_sessions_lie_in_hours_that_both_keep_open():
    weekend = "0" * 120 + "1" * 48
    stall, anchor = make_stall(), make_anchor(availability=weekend)
    with pytest.raises(InvalidInput) as caught:
        proposed(stall, anchor, session(day=0))
    assert "terms.sessions.0.starts_at" in caught.value.fields
    assert proposed(stall, anchor, session(day=5)).status == MatchStatus.PROPOSED


def test_an_exception_of_the_calendar_overrides_the_week():
    stall, anchor = make_stall(), make_anchor()
    stall.exceptions.create(on=session(day=1).starts_at.date(), hours="0" * 24)
    with pytest.raises(InvalidInput):
        proposed(stall, anchor, session(day=1))
    assert proposed(stall, anchor, session(day=2)).status == MatchStatus.PROPOSED


def test_a_stall_offers_no_less_than_the_anchor_must_have():
    stall, anchor = make_stall(), make_anchor(is_commission_floor=True, commission_rate=Decimal("0.1900"))
    with pytest.raises(InvalidInput) as caught:
        proposed(stall, anchor)
    assert set(caught.value.fields) == {"terms.commission_rate"}
    assert proposed(stall, anchor, side="anchor").status == MatchStatus.PROPOSED, "the anchor may go lower"
