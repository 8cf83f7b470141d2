"""Staff verify and refuse merchants and anchors on a page that asks first."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from accounts.models import Anchor, Membership, Merchant, User, Verification
from accounts.services.verification import valid_until
from matchmaker.core.weeks import town_today
from tests.factories import AnchorFactory, MerchantFactory, UserFactory

pytestmark = pytest.mark.django_db
MERCHANTS = "/admin/accounts/merchant/"
ANCHORS = "/admin/accounts/anchor/"


def pending(factory: Any, **fields: Any) -> Any:
    return factory.create(verification="pending", verified_until=None, **fields)


def send(client: Client, url: str, action: str, *rows: Any, **extra: Any) -> Any:
    return client.post(url, {"action": action, "_selected_action": [row.pk for row in rows], **extra})


def told(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


@pytest.mark.parametrize(("url", "factory"), [(MERCHANTS, MerchantFactory), (ANCHORS, AnchorFactory)])
def test_verifying_asks_first_then_verifies_for_six_months(
    staff: Client, town_staff: User, url: str, factory: Any
) -> None:
    party = pending(factory)
    asked = send(staff, url, "verify", party)
    assert asked.status_code == 200 and str(party) in asked.content.decode()
    party.refresh_from_db()
    assert party.verification == "pending"

    assert send(staff, url, "verify", party, confirmed="1", note="Seen the papers.").status_code == 302
    party.refresh_from_db()
    assert (party.verification, party.verified_until) == ("verified", valid_until(town_today()))
    record = Verification.objects.get()
    assert (record.decided_by, record.status, record.note) == (town_staff, "verified", "Seen the papers.")


def test_refusing_needs_a_reason_of_its_kind(staff: Client) -> None:
    party = pending(MerchantFactory)
    for reason in ("", "reject_other"):
        response = send(staff, MERCHANTS, "refuse", party, confirmed="1", reason_code=reason, note="")
        assert response.status_code == 200
    assert not Verification.objects.exists()
    send(staff, MERCHANTS, "refuse", party, confirmed="1", reason_code="refuse_name_mismatch", note="")
    party.refresh_from_db()
    assert party.verification == "refused"
    assert Verification.objects.get().reason_code == "refuse_name_mismatch"
    page = staff.get(f"{MERCHANTS}{party.pk}/change/").content.decode()
    assert "Name differs from the document" in page


def test_of_many_the_refused_are_told_and_the_others_verified(staff: Client, town_staff: User) -> None:
    good = pending(MerchantFactory)
    lapsed = pending(MerchantFactory, licence_expires_on=town_today() - timedelta(days=1))
    own = pending(MerchantFactory)
    Membership.objects.create(user=town_staff, merchant=own)
    response = send(staff, MERCHANTS, "verify", good, lapsed, own, confirmed="1", note="")
    states = {party.pk: party.verification for party in Merchant.objects.all()}
    assert states == {good.pk: "verified", lapsed.pk: "pending", own.pk: "pending"}
    messages = told(response)
    assert messages[0] == "1 done." and len(messages) == 3
    assert "expired on" in messages[1] and "You act for this party" in messages[2]


def test_an_identity_that_changed_after_the_page_was_shown_is_not_verified(staff: Client) -> None:
    same, changed = pending(MerchantFactory), pending(MerchantFactory)
    asked = send(staff, MERCHANTS, "verify", same, changed).content.decode()
    assert changed.credit_code in asked and f'name="seen_{changed.pk}" value="1"' in asked
    Merchant.objects.filter(pk=changed.pk).update(credit_code="91440101MA5CBA0000", version=2)
    seen = {f"seen_{same.pk}": "1", f"seen_{changed.pk}": "1"}
    response = send(staff, MERCHANTS, "verify", same, changed, confirmed="1", note="", **seen)
    states = dict(Merchant.objects.values_list("pk", "verification"))
    assert states == {same.pk: "verified", changed.pk: "pending"}
    assert any("changed meanwhile" in text for text in told(response))


def test_the_filter_shows_who_waits_and_who_lapsed(staff: Client) -> None:
    waiting = pending(AnchorFactory)
    lapsed = AnchorFactory.create(verified_until=town_today() - timedelta(days=1))
    near = AnchorFactory.create(verified_until=town_today() + timedelta(days=3))
    AnchorFactory.create()

    def shown(value: str) -> set[int]:
        return {row.pk for row in staff.get(ANCHORS, {"verification": value}).context["cl"].result_list}

    assert shown("pending") == {waiting.pk}
    assert shown("lapsed") == {lapsed.pk}
    assert shown("lapsing") == {near.pk}
    assert Anchor.objects.count() == 4 and len(shown("verified")) == 2


def test_an_expired_licence_stands_out(staff: Client) -> None:
    MerchantFactory.create(licence_expires_on=town_today() - timedelta(days=1))
    MerchantFactory.create(licence_expires_on=town_today() + timedelta(days=7))
    html = staff.get(MERCHANTS).content.decode()
    assert 'badge-bad">' in html and ", expired</span>" in html and ", in 7 days</span>" in html


def test_the_verification_of_a_party_cannot_be_posted(staff: Client) -> None:
    party = pending(MerchantFactory)
    data = {"name": party.name, "verification": "verified", "verified_until": "2099-01-01"}
    assert staff.post(f"{MERCHANTS}{party.pk}/change/", data).status_code == 403
    party.refresh_from_db()
    assert party.verification == "pending"


def test_who_may_only_look_cannot_verify(client_of: Any) -> None:
    viewer = UserFactory.create(is_staff=True)
    permissions = viewer.user_permissions.model.objects
    viewer.user_permissions.set(permissions.filter(codename__in=["view_merchant", "view_stall"]))
    client = client_of(viewer)
    party = pending(MerchantFactory)
    assert "Verify …" not in client.get(f"{MERCHANTS}{party.pk}/change/").content.decode()
    send(client, MERCHANTS, "verify", party, confirmed="1", note="")
    party.refresh_from_db()
    assert party.verification == "pending"
