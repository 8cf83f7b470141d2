"""Like, pass and never: what they hide, for how long, and that they can be taken back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from matching.models import Reaction
from matching.policy import HIDDEN_AFTER_PASS
from matching.rules import check_pair
from matching.services.reactions import react, undo_reaction
from matching.signals import pair_changed
from matchmaker.core.errors import NotAllowed, NotFound
from tests.matching.market import make_anchor, make_stall, make_user, member_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard():
    pairs = []

    def on_pair(sender, stall_id, anchor_id, **_):
        pairs.append((stall_id, anchor_id))

    pair_changed.connect(on_pair)
    yield pairs
    pair_changed.disconnect(on_pair)


def by_stall(stall, anchor, kind):
    return react(actor=member_of(stall), side="stall", stall=stall, anchor=anchor, kind=kind)


def test_pass_hides_for_thirty_days(time_machine_at):
    stall, anchor = make_stall(), make_anchor()
    before = timezone.now()
    until = by_stall(stall, anchor, "pass").until
    assert before + HIDDEN_AFTER_PASS <= until <= timezone.now() + HIDDEN_AFTER_PASS
    assert check_pair(stall, anchor) == ["passed"]
    with time_machine_at(until - timedelta(seconds=1)):
        assert check_pair(stall, anchor) == ["passed"]
    with time_machine_at(until + timedelta(seconds=1)):
        assert check_pair(stall, anchor) == []


def test_never_hides_until_it_is_undone(time_machine_at):
    stall, anchor = make_stall(), make_anchor()
    assert by_stall(stall, anchor, "never").until is None
    # Within the time for which both are verified.
    with time_machine_at(timezone.now() + timedelta(days=80)):
        assert check_pair(stall, anchor) == ["never"]
    assert undo_reaction(actor=member_of(stall), side="stall", stall=stall, anchor=anchor)
    assert check_pair(stall, anchor) == []
    assert not undo_reaction(actor=member_of(stall), side="stall", stall=stall, anchor=anchor)


def test_like_hides_nothing():
    stall, anchor = make_stall(), make_anchor()
    assert by_stall(stall, anchor, "like").until is None
    assert check_pair(stall, anchor) == []


def test_the_last_answer_stands_and_a_repeat_changes_nothing(heard):
    stall, anchor = make_stall(), make_anchor()
    first = by_stall(stall, anchor, "pass")
    assert by_stall(stall, anchor, "pass").until == first.until
    assert heard == [(stall.pk, anchor.pk)], "a repeat is no news"
    liked = by_stall(stall, anchor, "like")
    assert (liked.kind, liked.until) == ("like", None)
    assert Reaction.objects.count() == 1 and len(heard) == 2


def test_a_pass_that_ran_out_can_be_given_again(time_machine_at):
    stall, anchor = make_stall(), make_anchor()
    first = by_stall(stall, anchor, "pass")
    with time_machine_at(first.until + timedelta(days=1)):
        assert by_stall(stall, anchor, "pass").until > first.until


def test_each_side_has_its_own_answer():
    stall, anchor = make_stall(), make_anchor()
    by_stall(stall, anchor, "like")
    react(actor=member_of(anchor), side="anchor", stall=stall, anchor=anchor, kind="never")
    assert Reaction.objects.count() == 2
    undo_reaction(actor=member_of(stall), side="stall", stall=stall, anchor=anchor)
    assert check_pair(stall, anchor) == ["never"], "nobody takes back what the other side said"


def test_only_members_answer():
    stall, anchor = make_stall(), make_anchor()
    for actor in (member_of(anchor), make_user(), make_user(is_staff=True)):
        for call in (lambda **given: react(**given, kind="never"), undo_reaction):
            with pytest.raises(NotFound):
                call(actor=actor, side="stall", stall=stall, anchor=anchor)
    with pytest.raises(NotAllowed):
        actor = member_of(stall)
        actor.is_active = False
        react(actor=actor, side="stall", stall=stall, anchor=anchor, kind="never")
    assert not Reaction.objects.exists()
