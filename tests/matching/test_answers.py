"""Accepting, declining, approving and rejecting: conditions, effects, and what must roll back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from matching.choices import MatchStatus
from matching.models import Booking, Match, MatchEvent, WeekLoad
from matching.policy import ANSWER_WITHIN
from matching.rules import check_pair
from matching.services.matches import accept_match, approve_match, decline_match, reject_match
from matching.signals import match_moved
from matchmaker.core.errors import Conflict, InvalidInput, NotAllowed
from tests.matching.market import agreed, make_anchor, make_staff, make_stall, member_of, proposed, session

pytestmark = pytest.mark.django_db


def unchanged(match):
    """Tell whether the match and its events are as `match` was read."""
    now = Match.objects.get(pk=match.pk)
    return (now.status, now.version) == (match.status, match.version)


def test_acceptance_agrees_and_reserves():
    match = agreed(make_stall(), make_anchor(), session(0), session(2))
    assert (match.status, match.awaiting) == ("agreed", "")
    assert match.agreed_at and match.bookings.count() == 2
    assert WeekLoad.objects.values_list("used", flat=True).distinct().get() == 2


def test_a_staff_proposal_needs_both_consents():
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor)
    Match.objects.filter(pk=match.pk).update(awaiting="both")
    half = accept_match(actor=member_of(anchor), match=match)
    assert (half.status, half.awaiting) == ("proposed", "stall")
    assert not Booking.objects.exists()
    whole = accept_match(actor=member_of(stall), match=half)
    assert (whole.status, whole.awaiting) == ("agreed", "")
    assert [e.awaiting for e in MatchEvent.objects.filter(match=match)] == ["anchor", "stall", ""]
    assert whole.bookings.count() == 1


def test_accepting_other_terms_than_were_read_is_a_conflict():
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor)
    with pytest.raises(Conflict) as caught:
        accept_match(actor=member_of(anchor), match=match, terms_digest="0" * 64)
    assert caught.value.code == "terms_changed" and unchanged(match)
    assert (
        accept_match(actor=member_of(anchor), match=match, terms_digest=match.terms.digest).status == "agreed"
    )


def test_no_acceptance_after_the_deadline(time_machine_at):
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor, session(weeks=2))
    with time_machine_at(timezone.now() + ANSWER_WITHIN + timedelta(seconds=1)):
        with pytest.raises(Conflict) as caught:
            accept_match(actor=member_of(anchor), match=match)
    assert caught.value.code == "deadline_passed" and unchanged(match)


def test_no_acceptance_once_a_session_should_have_begun(time_machine_at):
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor)
    Match.objects.filter(pk=match.pk).update(deadline_at=timezone.now() + timedelta(days=30))
    with time_machine_at(session().starts_at):
        with pytest.raises(Conflict) as caught:
            accept_match(actor=member_of(anchor), match=match)
    assert caught.value.code == "session_past" and unchanged(match)


def test_declining_hides_the_pair_for_a_while(time_machine_at):
    stall, anchor = make_stall(), make_anchor()
    match = decline_match(actor=member_of(anchor), match=proposed(stall, anchor), note="No time")
    assert match.status == MatchStatus.DECLINED
    assert MatchEvent.objects.filter(match=match).last().note.text == "No time"
    assert check_pair(stall, anchor) == ["declined"]
    with pytest.raises(Conflict) as caught:
        proposed(stall, anchor)
    assert caught.value.extra["reasons"] == ["excluded"], "who declined is nobody's guess"
    with time_machine_at(timezone.now() + timedelta(days=31)):
        assert check_pair(stall, anchor) == []


def test_approval_keeps_who_approved():
    staff, match = make_staff(), agreed(make_stall(), make_anchor())
    approved = approve_match(actor=staff, match=match, note="Checked by phone")
    assert (approved.status, approved.approved_by) == ("approved", staff)
    event = MatchEvent.objects.filter(match=match).last()
    assert (event.actor_role, event.action, event.note.text) == ("staff", "approve", "Checked by phone")
    assert approved.bookings.filter(released_at__isnull=True).count() == 1


def test_the_last_place_of_both_does_not_speak_against_its_own_approval():
    stall, anchor = make_stall(weekly_capacity=1), make_anchor(weekly_capacity=1)
    weeks = [session(weeks=n) for n in (1, 2, 3)]
    match = agreed(stall, anchor, *weeks)
    WeekLoad.objects.create(
        side="stall", party_id=stall.pk, week_on=session(weeks=0).starts_at.date(), used=1, capacity=1
    )
    assert "capacity_full" in check_pair(stall, anchor)
    assert approve_match(actor=make_staff(), match=match).status == "approved"


@pytest.mark.parametrize("side", ["stall", "anchor"])
def test_nobody_approves_a_match_of_their_own(side):
    stall, anchor, insider = make_stall(), make_anchor(), make_staff()
    insider.memberships.create(**({"merchant": stall.merchant} if side == "stall" else {"anchor": anchor}))
    match = agreed(stall, anchor)
    for decide in (approve_match, lambda **given: reject_match(**given, reason_code="reject_other")):
        with pytest.raises(NotAllowed) as caught:
            decide(actor=insider, match=match)
        assert caught.value.code == "own_match" and unchanged(match)


def test_a_superuser_with_a_stall_is_no_exception():
    stall, anchor = make_stall(), make_anchor()
    owner = member_of(stall)
    owner.is_staff = owner.is_superuser = True
    owner.save()
    match = agreed(stall, anchor)
    with pytest.raises(NotAllowed) as caught:
        approve_match(actor=owner, match=match)
    assert caught.value.code == "own_match"


@pytest.mark.parametrize("code", ["", "no_such_reason", "forbid_other"])
def test_rejection_needs_a_reason_of_its_purpose(code):
    match = agreed(make_stall(), make_anchor())
    with pytest.raises(InvalidInput) as caught:
        reject_match(actor=make_staff(), match=match, reason_code=code)
    assert "reject_terms_unfair" in caught.value.fields["reason_code"][0] and unchanged(match)


def test_rejection_frees_hours_and_capacity():
    stall, anchor = make_stall(weekly_capacity=1), make_anchor(weekly_capacity=1)
    match = reject_match(actor=make_staff(), match=agreed(stall, anchor), reason_code="reject_terms_unfair")
    assert match.status == MatchStatus.REJECTED
    assert MatchEvent.objects.filter(match=match).last().reason_code == "reject_terms_unfair"
    assert set(WeekLoad.objects.values_list("used", flat=True)) == {0}
    assert agreed(stall, anchor).status == MatchStatus.AGREED, "the same hours can be booked again"


def test_what_a_receiver_breaks_is_not_kept():
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor)

    def refuse(**_):
        raise RuntimeError("outbox is full")

    match_moved.connect(refuse)
    try:
        with pytest.raises(RuntimeError):
            accept_match(actor=member_of(anchor), match=match)
    finally:
        match_moved.disconnect(refuse)
    assert unchanged(match) and not Booking.objects.exists() and not WeekLoad.objects.exists()


def test_terms_are_never_rewritten_by_a_move():
    match = agreed(make_stall(), make_anchor())
    before = match.versions.values().get()
    approve_match(actor=make_staff(), match=match)
    assert match.versions.values().get() == before
    assert MatchEvent.objects.filter(match=match).last().terms_digest == before["digest"]
