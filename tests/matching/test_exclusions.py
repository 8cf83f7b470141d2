"""Every exclusion on every path: lists from whatever source, proposals, answers, approval, preview."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.choices import StreamingPermit
from accounts.models import Anchor, Stall
from matching.choices import MatchStatus
from matching.engine.candidates import LISTED_RULES, PAIR_RULES, PARTY_RULES, ruled_out
from matching.engine.types import Rule
from matching.filters import Filters
from matching.models import Match, RecommendationList
from matching.queue import briefs_of
from matching.rules import BY_INVITATION, EXCLUDED, NO_PARTNERS, PRIVATE_RULES, REASON_TEXTS, check_pair
from matching.selectors import suggestions_for
from matching.services import recommendations
from matching.services.matches import (
    OWN_BOOKINGS,
    accept_match,
    approve_match,
    counter_match,
    decline_match,
    propose_match,
    propose_to_both,
)
from matching.services.previews import preview_terms
from matching.snapshot import parties_for_pairs
from matching.snapshot.exclusions import read_exclusions
from matching.terms import TermsDraft
from matchmaker.core.errors import Conflict
from tests.matching.exclusion_kinds import (
    DAY,
    FREE,
    KINDS,
    MINUTE,
    Exclude,
    Kind,
    ended,
    forbid,
    passed,
    promise,
)
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

pytestmark = pytest.mark.django_db
Pair = tuple[Stall, Anchor]
OFFER, OTHER_TERMS = terms(session(length=1)), terms(session(day=3, length=1))


def kinds_on(part: str) -> Any:
    return pytest.mark.parametrize("kind", [pytest.param(k, id=n) for n, k in KINDS.items() if part in k.on])


def shown(rule: Rule) -> str:
    """A rule as the sides may read it."""
    return EXCLUDED if rule.code in PRIVATE_RULES else rule.code


def again(stall: Stall, anchor: Anchor) -> Pair:
    """The two as another request reads them."""
    return Stall.objects.select_related("merchant").get(pk=stall.pk), Anchor.objects.get(pk=anchor.pk)


def test_every_rule_has_an_entry_in_the_table():
    assert {kind.rule for kind in KINDS.values()} == {*LISTED_RULES, *PARTY_RULES, *PAIR_RULES}
    assert {*LISTED_RULES, *PARTY_RULES, *PAIR_RULES} == set(Rule) - {Rule.FILTERED}


def test_every_reason_has_a_text():
    assert set(REASON_TEXTS) == {rule.code for rule in Rule} | {BY_INVITATION, EXCLUDED, NO_PARTNERS}


# --- the mask ------------------------------------------------------------------------------------


@kinds_on("list")
def test_the_mask_tells_the_rule(kind: Kind):
    stall, anchor = make_stall(), make_anchor()
    kind.exclude(stall, anchor)
    assert ruled_out(*parties_for_pairs([stall.pk], [anchor.pk]), subject=None).tolist() == [[kind.rule]]
    assert check_pair(*again(stall, anchor)) == [kind.rule.code]


@pytest.mark.parametrize("name", FREE)
def test_what_looks_alike_takes_nobody_out(name: str):
    stall, anchor = make_stall(), make_anchor()
    FREE[name](stall, anchor)
    assert check_pair(*again(stall, anchor)) == []
    assert proposed(stall, anchor).status == MatchStatus.PROPOSED


@kinds_on("list")
def test_a_narrow_look_finds_the_pairs_that_the_whole_does(kind: Kind):
    stall, anchor = make_stall(), make_anchor()
    kind.exclude(stall, anchor)

    def among(stalls: list[int] | None, anchors: list[int] | None) -> list[int]:
        found = read_exclusions(stalls, anchors)
        ours = (found.stall_ids == stall.pk) & (found.anchor_ids == anchor.pk)
        return found.codes[ours].tolist()

    looks = [among(s, a) for s in (None, [stall.pk]) for a in (None, [anchor.pk])]
    assert looks == [[kind.rule] if kind.rule in LISTED_RULES else []] * 4


# --- lists -----------------------------------------------------------------------------------------


@pytest.fixture
def town() -> Pair:
    """A pair in a town with lists; each of the two has somebody else to see."""
    stall, anchor = make_stall(), make_anchor()
    make_stall(), make_anchor()
    recommendations.rematch_everybody()
    assert sees(stall, anchor) == {"stall": True, "anchor": True}
    return stall, anchor


def sees(stall: Stall, anchor: Anchor, *, source: str = "stored", **filters: Any) -> dict[str, bool]:
    """Whether the list of each of the two, read now, holds the other."""
    found = {}
    for side, subject, partner in (("stall", stall, anchor), ("anchor", anchor, stall)):
        page = suggestions_for(side=side, subject=subject, filters=Filters(**filters))
        assert page.source == source
        found[side] = partner.pk in [item.partner.pk for item in page.items]
    return found


def holds(stall: Stall, anchor: Anchor) -> dict[str, bool]:
    """Whether the stored list of each of the two holds the other."""
    found = {}
    for side, subject, partner in (("stall", stall, anchor), ("anchor", anchor, stall)):
        row = RecommendationList.objects.get(side=side, subject_id=subject.pk, superseded_at__isnull=True)
        found[side] = partner.pk in memoryview(bytes(row.partner_ids)).cast("q")
    return found


def hidden(kind: Kind) -> dict[str, bool]:
    return {side: side not in kind.hides_from for side in ("stall", "anchor")}


@kinds_on("list")
def test_hidden_in_every_list_that_was_computed_before(town: Pair, kind: Kind):
    kind.exclude(*town)
    assert sees(*town) == hidden(kind), "the stored list"
    assert sees(*town, source="computed", commission_min=0.0) == hidden(kind), "a filtered one"
    RecommendationList.objects.all().delete()
    assert sees(*town, source="computed") == hidden(kind), "none stored"


@kinds_on("list")
def test_out_of_the_partners_lists_once_they_are_patched(town: Pair, kind: Kind):
    stall, anchor = town
    kind.exclude(stall, anchor)
    recommendations.patch_partners(changed={"stall": [stall.pk], "anchor": [anchor.pk]})
    assert holds(stall, anchor) == hidden(kind)


@kinds_on("list")
def test_out_of_a_list_that_is_computed_anew(town: Pair, kind: Kind):
    stall, anchor = town
    kind.exclude(stall, anchor)
    if kind.rule in LISTED_RULES:
        for side, party in (("stall", stall), ("anchor", anchor)):
            recommendations.refresh_party(side=side, party_id=party.pk)
        assert holds(stall, anchor) == hidden(kind), "one party"
    recommendations.rematch_everybody()
    assert holds(stall, anchor) == hidden(kind), "everybody"


# --- proposals and answers -----------------------------------------------------------------------


def propose_as_stall(stall: Stall, anchor: Anchor) -> Any:
    return propose_match(actor=member_of(stall), side="stall", stall=stall, anchor=anchor, terms=OFFER)


def propose_as_anchor(stall: Stall, anchor: Anchor, wanted: TermsDraft = OFFER) -> Any:
    return propose_match(actor=member_of(anchor), side="anchor", stall=stall, anchor=anchor, terms=wanted)


def propose_as_staff(stall: Stall, anchor: Anchor) -> Any:
    return propose_to_both(actor=make_staff(), stall=stall, anchor=anchor, terms=OFFER)


def preview(stall: Stall, anchor: Anchor, role: str) -> Any:
    actor = {"stall": stall, "anchor": anchor}.get(role)
    user = make_staff() if actor is None else member_of(actor)
    return preview_terms(actor=user, role=role, stall=stall, anchor=anchor, terms=OTHER_TERMS)


PROPOSALS: dict[str, Callable[[Stall, Anchor], Any]] = {
    "by the stall": propose_as_stall,
    "by the anchor": propose_as_anchor,
    "by staff": propose_as_staff,
    "preview for the stall": lambda stall, anchor: preview(stall, anchor, "stall"),
    "preview for the anchor": lambda stall, anchor: preview(stall, anchor, "anchor"),
    "preview for staff": lambda stall, anchor: preview(stall, anchor, "staff"),
}
# What becomes of a proposal of the stall that waits for the anchor.
ANSWERS: dict[str, Callable[[Match], Any]] = {
    "accept": lambda match: accept_match(actor=member_of(match.anchor), match=match),
    "counter": lambda match: counter_match(actor=member_of(match.anchor), match=match, terms=OTHER_TERMS),
    "cross with the same terms": lambda match: propose_as_anchor(match.stall, match.anchor),
    "cross with other terms": lambda match: propose_match(
        actor=member_of(match.anchor),
        side="anchor",
        stall=match.stall,
        anchor=match.anchor,
        terms=OTHER_TERMS,
    ),
    "preview of a counter-offer": lambda match: preview(match.stall, match.anchor, "anchor"),
}


def refused(act: Callable[[], Any]) -> list[str]:
    """The reasons for which it is refused as not eligible."""
    with pytest.raises(Conflict) as caught:
        act()
    assert caught.value.code == "not_eligible"
    return list(caught.value.extra["reasons"])  # type: ignore[call-overload]


@kinds_on("propose")
def test_not_proposable_by_anybody(kind: Kind):
    stall, anchor = make_stall(), make_anchor()
    kind.exclude(stall, anchor)
    before = Match.objects.count()
    for path, act in PROPOSALS.items():
        told = refused(lambda act=act: act(*again(stall, anchor)))
        assert told == [kind.rule.code if "staff" in path else shown(kind.rule)], path
        assert Match.objects.count() == before, path


@kinds_on("answer")
def test_not_answerable(kind: Kind):
    match = proposed(make_stall(), make_anchor(), *OFFER.sessions)
    kind.exclude(match.stall, match.anchor)
    before = Match.objects.values().get(pk=match.pk)
    for path, act in ANSWERS.items():
        told = refused(lambda act=act: act(Match.objects.get(pk=match.pk)))
        assert told == [shown(kind.rule)], path
        assert Match.objects.values().get(pk=match.pk) == before and match.versions.count() == 1, path


@kinds_on("approve")
def test_not_approvable_and_staff_read_the_true_reason(kind: Kind):
    match = agreed(make_stall(), make_anchor(), *OFFER.sessions)
    kind.exclude(match.stall, match.anchor)
    loaded = Match.objects.select_related("stall", "anchor", "terms").get(pk=match.pk)
    assert briefs_of([loaded], ignore=OWN_BOOKINGS)[match.pk].rules == (kind.rule.code,)
    assert refused(lambda: approve_match(actor=make_staff(), match=match)) == [kind.rule.code]
    assert Match.objects.get(pk=match.pk).status == MatchStatus.AGREED


def test_all_reasons_are_told_at_once():
    stall, anchor = make_stall(streaming_permit=StreamingPermit.BANNED, moq=50), make_anchor(moq_max=10)
    assert check_pair(stall, anchor) == ["streaming_banned", "moq_infeasible"]


def test_what_somebody_decided_is_one_word_to_the_sides():
    stall, anchor = make_stall(), make_anchor()
    for name in ("never by the anchor", "blocked by the merchant", "forbidden until lifted"):
        KINDS[name].exclude(stall, anchor)
    assert refused(lambda: propose_as_stall(stall, anchor)) == [EXCLUDED]
    assert refused(lambda: propose_as_staff(stall, anchor)) == ["blocked", "forbidden", "never"]


# --- how long --------------------------------------------------------------------------------------


def test_a_decline_hides_the_pair_for_thirty_days_from_the_answer():
    stall, anchor = make_stall(), make_anchor(guardian_consent_on=date(2020, 1, 1))
    with time_machine.travel(timezone.now() - 2 * DAY, tick=False):
        match = proposed(stall, anchor)
    answered = timezone.now()
    decline_match(actor=member_of(anchor), match=match)
    for wait, codes in ((30 * DAY - MINUTE, ["declined"]), (30 * DAY + MINUTE, [])):
        with time_machine.travel(answered + wait, tick=False):
            assert check_pair(stall, anchor) == codes


# One minute in force by the database's clock, however a process's own clock is set.
LASTING: list[Exclude] = [
    passed("stall", MINUTE), forbid(MINUTE), ended("declined", 30 * DAY - MINUTE), promise(0, 0),
]  # fmt: skip
OVER: list[Exclude] = [
    passed("stall", -MINUTE), forbid(-MINUTE), ended("declined", 30 * DAY + MINUTE), promise(-2, -1),
]  # fmt: skip


@pytest.mark.parametrize("wrong", [timedelta(hours=-25), timedelta(hours=25)])
@pytest.mark.parametrize("number", range(len(LASTING)))
def test_the_wrong_clock_of_a_process_ends_nothing_and_holds_nothing(
    clock_of_the_database: None, number: int, wrong: timedelta
):
    pairs = [(make_stall(), make_anchor()), (make_stall(), make_anchor())]
    LASTING[number](*pairs[0])
    OVER[number](*pairs[1])
    with time_machine.travel(timezone.now() + wrong, tick=True):
        assert len(check_pair(*pairs[0])) == 1
        assert check_pair(*pairs[1]) == []
