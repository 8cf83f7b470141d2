"""Every hard rule on every path of a match: proposing, accepting, approving."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.choices import StreamingPermit, VerificationStatus
from accounts.models import Anchor, Stall
from matching.choices import MatchStatus
from matching.engine.types import Rule
from matching.models import Block, Exclusivity, Match, PairRule, Reaction, WeekLoad
from matching.rules import BY_INVITATION, EXCLUDED, REASON_TEXTS, check_pair
from matching.services.matches import accept_match, approve_match
from matchmaker.core.errors import Conflict
from matchmaker.core.weeks import coming_weeks, town_today
from tests.matching.market import agreed, make_anchor, make_staff, make_stall, member_of, proposed

pytestmark = pytest.mark.django_db
YESTERDAY = timedelta(days=1)


def change(party, **values):
    type(party).objects.filter(pk=party.pk).update(**values)


def fill(side, party):
    Model = Stall if side == "stall" else Anchor
    capacity = Model.objects.get(pk=party.pk).weekly_capacity
    for week_on in coming_weeks(timezone.now()):
        row = {"side": side, "party_id": party.pk, "week_on": week_on}
        WeekLoad.objects.update_or_create(**row, defaults={"used": capacity, "capacity": capacity})


def pair(stall, anchor):
    return {"stall": stall, "anchor": anchor}


def promise(stall, anchor):
    today = town_today()
    elsewhere = make_stall()
    Exclusivity.objects.create(**pair(elsewhere, anchor), starts_on=today, ends_on=today + timedelta(days=9))


EXCLUSIONS = {
    "archived stall": (lambda s, a: change(s, archived_at=timezone.now()), "archived"),
    "archived merchant": (lambda s, a: change(s.merchant, archived_at=timezone.now()), "archived"),
    "archived anchor": (lambda s, a: change(a, archived_at=timezone.now()), "archived"),
    "unverified merchant": (
        lambda s, a: change(s.merchant, verification=VerificationStatus.PENDING),
        "unverified",
    ),
    "unverified anchor": (lambda s, a: change(a, verification=VerificationStatus.REFUSED), "unverified"),
    "lapsed merchant": (
        lambda s, a: change(s.merchant, verified_until=town_today() - YESTERDAY),
        "unverified",
    ),
    "lapsed anchor": (lambda s, a: change(a, verified_until=town_today() - YESTERDAY), "unverified"),
    "licence": (
        lambda s, a: change(s.merchant, licence_expires_on=town_today() - YESTERDAY),
        "licence_expired",
    ),
    "minor": (lambda s, a: change(a, birth_date=town_today() - timedelta(days=17 * 365)), "under_age"),
    "banned stall": (lambda s, a: change(s, streaming_permit=StreamingPermit.BANNED), "streaming_banned"),
    "passed by the stall": (
        lambda s, a: Reaction.objects.create(
            side="stall", **pair(s, a), kind="pass", until=timezone.now() + timedelta(days=30)
        ),
        "passed",
    ),
    "never by the anchor": (
        lambda s, a: Reaction.objects.create(side="anchor", **pair(s, a), kind="never"),
        "never",
    ),
    "blocked by the merchant": (
        lambda s, a: Block.objects.create(side="stall", merchant=s.merchant, anchor=a),
        "blocked",
    ),
    "blocked by the anchor": (
        lambda s, a: Block.objects.create(side="anchor", merchant=s.merchant, anchor=a),
        "blocked",
    ),
    "forbidden": (lambda s, a: PairRule.objects.create(**pair(s, a), kind="forbid"), "forbidden"),
    "promised elsewhere": (promise, "exclusive_elsewhere"),
    "no common hours": (
        lambda s, a: (change(s, availability="10" * 84), change(a, availability="01" * 84)),
        "no_common_hours",
    ),
    "commission floor": (
        lambda s, a: change(a, is_commission_floor=True, commission_rate=Decimal("0.3000")),
        "commission_below_floor",
    ),
    "MOQ": (lambda s, a: (change(s, moq=50), change(a, moq_max=10)), "moq_infeasible"),
    "stock": (lambda s, a: change(a, stock_depth_min=1_000_000), "stock_infeasible"),
}
# A match that is agreed has its own booking, so a full calendar is no news to its approval.
FULL = {
    "full stall": (lambda s, a: fill("stall", s), "capacity_full"),
    "full anchor": (lambda s, a: fill("anchor", a), "capacity_full"),
}


def reasons_of(error):
    assert error.value.code == "not_eligible"
    return error.value.extra["reasons"]


def shown(code):
    return EXCLUDED if code in ("passed", "never", "blocked", "forbidden", "declined") else code


@pytest.mark.parametrize("name", [*EXCLUSIONS, *FULL])
def test_not_proposable_by_either_side(name):
    exclude, code = (EXCLUSIONS | FULL)[name]
    stall, anchor = make_stall(), make_anchor()
    exclude(stall, anchor)
    stall.refresh_from_db()
    for side in ("stall", "anchor"):
        with pytest.raises(Conflict) as caught:
            proposed(stall, Anchor.objects.get(pk=anchor.pk), side=side)
        assert shown(code) in reasons_of(caught)
    assert not Match.objects.exists()


@pytest.mark.parametrize("name", [*EXCLUSIONS, *FULL])
def test_not_acceptable(name):
    exclude, code = (EXCLUSIONS | FULL)[name]
    stall, anchor = make_stall(), make_anchor()
    match = proposed(stall, anchor)
    exclude(stall, anchor)
    with pytest.raises(Conflict) as caught:
        accept_match(actor=member_of(anchor), match=match)
    assert shown(code) in reasons_of(caught)
    assert Match.objects.get().status == MatchStatus.PROPOSED


@pytest.mark.parametrize("name", list(EXCLUSIONS))
def test_not_approvable_and_staff_read_the_true_reason(name):
    exclude, code = EXCLUSIONS[name]
    stall, anchor = make_stall(), make_anchor()
    match = agreed(stall, anchor)
    exclude(stall, anchor)
    with pytest.raises(Conflict) as caught:
        approve_match(actor=make_staff(), match=match)
    assert code in reasons_of(caught)
    assert Match.objects.get().status == MatchStatus.AGREED


def test_a_fitting_pair_has_no_reason_against_it():
    assert check_pair(make_stall(), make_anchor()) == []


def test_all_reasons_are_told_at_once():
    stall, anchor = make_stall(streaming_permit=StreamingPermit.BANNED, moq=50), make_anchor(moq_max=10)
    assert check_pair(stall, anchor) == ["streaming_banned", "moq_infeasible"]


def test_rules_that_ended_exclude_nobody():
    stall, anchor = make_stall(), make_anchor(birth_date=date(2009, 1, 1), guardian_consent_on=town_today())
    ended = timezone.now() - timedelta(seconds=1)
    Reaction.objects.create(side="stall", **pair(stall, anchor), kind="pass", until=ended)
    Reaction.objects.create(side="anchor", **pair(stall, anchor), kind="like")
    PairRule.objects.create(**pair(stall, anchor), kind="forbid", until=ended)
    assert check_pair(stall, anchor) == []


def test_every_reason_has_a_text():
    assert set(REASON_TEXTS) == {rule.code for rule in Rule} | {BY_INVITATION, EXCLUDED}
