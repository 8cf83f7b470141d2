"""Staff see the photo of the licence where they verify its merchant."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import LicencePhoto, Merchant, User
from accounts.services.photos import keep_licence_photo
from tests.factories import MerchantFactory, photo

pytestmark = pytest.mark.django_db
LIST = "/admin/accounts/merchant/"


def with_photo(**fields: Any) -> Merchant:
    merchant: Merchant = MerchantFactory.create(verification="pending", verified_until=None, **fields)
    keep_licence_photo(actor=User.objects.create_user("13711110000"), merchant=merchant, content=photo())
    merchant.refresh_from_db()
    return merchant


def where(merchant: Merchant) -> str:
    return f"{LIST}{merchant.pk}/licence-photo/"


def test_the_page_of_a_merchant_shows_it(staff: Client) -> None:
    merchant = with_photo()
    page = staff.get(f"{LIST}{merchant.pk}/change/").content.decode()
    assert f'<img src="{where(merchant)}" width="320" height="240" alt="photo of the licence"' in page
    assert "<script" not in page.partition('class="licence-photo"')[2].partition("</a>")[0]
    shown = staff.get(where(merchant))
    assert shown["Content-Type"] == "image/jpeg" and "no-store" in shown["Cache-Control"]
    assert shown.content == bytes(LicencePhoto.objects.get().content)


def test_a_merchant_without_one_has_none(staff: Client) -> None:
    merchant = MerchantFactory.create()
    assert "licence-photo/" not in staff.get(f"{LIST}{merchant.pk}/change/").content.decode()
    assert staff.get(where(merchant)).status_code == 404
    assert staff.get(f"{LIST}0/licence-photo/").status_code == 404


def test_who_confirms_a_verification_sees_it(staff: Client) -> None:
    rows = [with_photo(), MerchantFactory.create(verification="pending", verified_until=None)]
    asked = {"action": "verify", "_selected_action": [row.pk for row in rows]}
    page = staff.post(LIST, asked).content.decode()
    assert page.count("licence-photo/") == 2  # the picture, and the way to the whole of it
    assert "no photo of the licence" in page


def test_another_photo_after_the_page_was_shown_is_not_verified_unseen(staff: Client) -> None:
    merchant = with_photo()
    seen = {"action": "verify", "_selected_action": [merchant.pk], f"seen_{merchant.pk}": merchant.version}
    keep_licence_photo(
        actor=User.objects.get(phone__endswith="13711110000"), merchant=merchant, content=photo(900, 900)
    )
    staff.post(LIST, seen | {"confirmed": "1", "note": ""})
    merchant.refresh_from_db()
    assert merchant.verification == "pending"


def test_many_photos_are_one_query_and_no_picture_is_read(staff: Client) -> None:
    rows = [MerchantFactory.create(verification="pending", verified_until=None) for _ in range(5)]
    for row in rows:
        LicencePhoto.objects.create(merchant=row, content=b"x", digest="0" * 64, width=500, height=400)
    with CaptureQueriesContext(connection) as queries:
        staff.post(LIST, {"action": "verify", "_selected_action": [row.pk for row in rows]})
    about = [query["sql"] for query in queries if "accounts_licencephoto" in query["sql"]]
    assert len(about) == 1 and '"content"' not in about[0]


def test_staff_who_may_not_look_at_merchants_see_no_photo(client_of: Any) -> None:
    merchant = with_photo()
    user = User.objects.create_user("13711110001", is_staff=True)
    assert client_of(user).get(where(merchant)).status_code == 403
    assert client_of(None).get(where(merchant)).status_code == 302
    assert client_of(User.objects.create_user("13711110002")).get(where(merchant)).status_code == 302
