"""What staff decide about who somebody is."""

from datetime import date, timedelta

import pytest

from accounts.models import Membership, Verification
from accounts.services.parties import update_merchant
from accounts.services.verification import (
    refuse_anchors,
    refuse_merchants,
    valid_until,
    verify_anchor,
    verify_anchors,
    verify_merchant,
    verify_merchants,
)
from accounts.signals import profile_changed
from matchmaker.core.errors import Conflict, InvalidInput, NotAllowed
from matchmaker.core.weeks import town_today
from tests.factories import AnchorFactory, MerchantFactory, StallFactory

pytestmark = pytest.mark.django_db
PENDING = {"verification": "pending", "verified_until": None}


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2026, 1, 15), date(2026, 7, 15)),
        (date(2026, 8, 31), date(2027, 2, 28)),
        (date(2027, 8, 31), date(2028, 2, 29)),
        (date(2026, 12, 1), date(2027, 6, 1)),
    ],
)
def test_six_months_end_on_the_same_day_or_the_last_of_the_month(start, end):
    assert valid_until(start) == end


def test_a_verified_merchant_is_good_for_six_months(staff_user, facts):
    stall = StallFactory(merchant=MerchantFactory(**PENDING))
    merchant = verify_merchant(actor=staff_user, merchant=stall.merchant, note="seen")

    assert (merchant.verification, merchant.verified_until) == ("verified", valid_until(town_today()))
    assert merchant.version == 2
    decision = Verification.objects.get()
    assert (decision.decided_by, decision.merchant, decision.note) == (staff_user, merchant, "seen")
    assert merchant.history.first().history_user == staff_user
    assert facts == [("stall", [stall.pk])]


def test_an_expired_licence_is_not_verified(staff_user):
    good = MerchantFactory(**PENDING)
    bad = MerchantFactory(**PENDING, licence_expires_on=town_today() - timedelta(days=1))
    with pytest.raises(Conflict) as refusal:
        verify_merchants(actor=staff_user, merchants=[good, bad])

    assert refusal.value.code == "licence_expired"
    good.refresh_from_db()
    assert good.verification == "pending"
    assert not Verification.objects.exists()


def test_a_licence_that_ends_today_or_never_is_good(staff_user):
    today, never = MerchantFactory(licence_expires_on=town_today()), MerchantFactory(licence_expires_on=None)

    assert len(verify_merchants(actor=staff_user, merchants=[today, never])) == 2


def test_minors_need_the_guardians_consent(staff_user):
    born = town_today() - timedelta(days=365 * 17)
    without, young = AnchorFactory(birth_date=born), AnchorFactory(birth_date=town_today())
    for anchor, code in ((without, "consent_missing"), (young, "under_age")):
        with pytest.raises(Conflict) as refusal:
            verify_anchor(actor=staff_user, anchor=anchor)
        assert refusal.value.code == code

    consented = AnchorFactory(birth_date=born, guardian_consent_on=town_today())
    assert verify_anchor(actor=staff_user, anchor=consented).verification == "verified"


def test_only_staff_decide_and_never_on_their_own(merchant_user, merchant, staff_user):
    with pytest.raises(NotAllowed, match="staff_only"):
        verify_merchant(actor=merchant_user, merchant=merchant)
    Membership.objects.create(user=staff_user, merchant=merchant)
    with pytest.raises(NotAllowed, match="own_party"):
        verify_merchant(actor=staff_user, merchant=merchant)
    assert not Verification.objects.exists()


def test_what_changed_after_it_was_looked_at_is_not_verified(staff_user, merchant_user):
    merchant = MerchantFactory(**PENDING)
    looked_at = type(merchant).objects.get(pk=merchant.pk)
    update_merchant(actor=merchant_user, merchant=merchant, data={"name": "另一家公司"})
    with pytest.raises(Conflict, match="changed_meanwhile"):
        verify_merchant(actor=staff_user, merchant=looked_at)

    merchant.refresh_from_db()
    assert merchant.verification == "pending"


def test_what_changed_besides_the_identity_does_not_stand_in_the_way(staff_user, merchant_user):
    merchant = MerchantFactory(**PENDING)
    looked_at = type(merchant).objects.get(pk=merchant.pk)
    update_merchant(actor=merchant_user, merchant=merchant, data={"contact_name": "王"})

    assert verify_merchant(actor=staff_user, merchant=looked_at).contact_name == "王"


def test_a_refusal_needs_a_reason_and_ends_the_verification(staff_user, facts):
    anchor = AnchorFactory()
    with pytest.raises(InvalidInput):
        refuse_anchors(actor=staff_user, anchors=[anchor], reason_code="")
    refuse_anchors(actor=staff_user, anchors=[anchor], reason_code="id_mismatch")

    anchor.refresh_from_db()
    assert (anchor.verification, anchor.verified_until) == ("refused", None)
    assert Verification.objects.get().reason_code == "id_mismatch"
    assert facts == [("anchor", [anchor.pk])]
    merchant = MerchantFactory()
    refuse_merchants(actor=staff_user, merchants=[merchant], reason_code="id_mismatch")
    merchant.refresh_from_db()
    assert merchant.verification == "refused"


def test_many_take_few_queries(staff_user, monkeypatch, django_assert_max_num_queries):
    anchors = [AnchorFactory(**PENDING) for _ in range(40)]
    monkeypatch.setattr(profile_changed, "send", lambda **_: None)
    with django_assert_max_num_queries(16):
        verify_anchors(actor=staff_user, anchors=anchors)
