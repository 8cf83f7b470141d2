"""Users in the admin: blocking ends every token, and nobody makes themselves more than they are."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, DeviceToken, User
from accounts.services.access import issue_api_token, live_api_token, live_device, open_device
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
USERS = "/admin/accounts/user/"


def send(client: Client, url: str, action: str, *rows: Any, **extra: Any) -> Any:
    return client.post(url, {"action": action, "_selected_action": [row.pk for row in rows], **extra})


@pytest.fixture
def administrator(client_of: Any) -> Client:
    return client_of(UserFactory.create(is_staff=True, is_superuser=True))


@pytest.fixture
def tokens(merchant_user: User) -> tuple[str, str]:
    device = open_device(user=merchant_user, session_key="s", device_name="phone")
    _row, api = issue_api_token(
        actor=merchant_user,
        user=merchant_user,
        name="till",
        scopes=["profile:read"],
        expires_at=timezone.now() + timedelta(days=1),
    )
    return device, api


def test_a_blocked_user_has_no_token_and_can_be_let_in_again(
    staff: Client, merchant_user: User, tokens: tuple[str, str]
) -> None:
    assert live_device(tokens[0]) and live_api_token(tokens[1])
    assert send(staff, USERS, "block", merchant_user).status_code == 200
    merchant_user.refresh_from_db()
    assert merchant_user.is_active
    send(staff, USERS, "block", merchant_user, confirmed="1", note="Fraud.")
    merchant_user.refresh_from_db()
    assert not merchant_user.is_active
    assert not live_device(tokens[0]) and not live_api_token(tokens[1])
    send(staff, USERS, "unblock", merchant_user, confirmed="1", note="")
    merchant_user.refresh_from_db()
    assert merchant_user.is_active and not live_device(tokens[0])


def test_staff_block_neither_themselves_nor_other_staff(staff: Client, town_staff: User) -> None:
    colleague = UserFactory.create(is_staff=True)
    send(staff, USERS, "block", town_staff, colleague, confirmed="1", note="")
    assert User.objects.filter(is_active=False).count() == 0


def test_staff_cannot_make_anybody_staff(staff: Client, town_staff: User, merchant_user: User) -> None:
    for user in (town_staff, merchant_user):
        data = {"is_superuser": "on", "is_staff": "on", "groups": [Group.objects.get().pk], "name": "x"}
        assert staff.post(f"{USERS}{user.pk}/change/", data).status_code == 403
    assert staff.post(f"{USERS}add/", {"phone": "13800138001", "password": "x"}).status_code == 403
    assert staff.get(f"{USERS}{merchant_user.pk}/password/").status_code == 403
    assert User.objects.filter(is_superuser=True).count() == 0


def test_the_list_masks_phones(staff: Client, merchant_user: User) -> None:
    html = staff.get(USERS).content.decode()
    assert merchant_user.masked_phone in html and merchant_user.phone not in html


def test_a_user_is_found_by_name_and_by_the_end_of_the_phone(staff: Client, merchant_user: User) -> None:
    UserFactory.create(name="Somebody else", phone="+8613700009999")
    for words in (merchant_user.name, merchant_user.phone[-4:]):
        found = staff.get(USERS, {"q": words}).context["cl"].result_list
        assert merchant_user in found and "Somebody else" not in {user.name for user in found}


def test_an_administrator_makes_a_member_of_staff(administrator: Client) -> None:
    data = {
        "phone": "138 0013 8001",
        "name": "Lin",
        "language": "zh-hans",
        "password": "a-long-enough-password-7",
        "is_staff": "on",
        "groups": [Group.objects.get().pk],
    }
    short = administrator.post(f"{USERS}add/", data | {"password": "short"})
    assert short.status_code == 200 and not User.objects.filter(phone="+8613800138001").exists()
    wrong = administrator.post(f"{USERS}add/", data | {"phone": "12"})
    assert wrong.status_code == 200 and "13800138000" in wrong.content.decode()
    assert administrator.post(f"{USERS}add/", data).status_code == 302
    user = User.objects.get(phone="+8613800138001")
    assert user.is_staff and not user.is_superuser and user.check_password(data["password"])
    assert user.has_perm("matching.decide_match")


def test_a_change_keeps_the_phone_and_the_powers(administrator: Client, merchant_user: User) -> None:
    data = {"phone": "+8613900000000", "name": "New", "language": "en", "is_superuser": "on"}
    data |= {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    phone = merchant_user.phone
    response = administrator.post(f"{USERS}{merchant_user.pk}/change/", data)
    assert response.status_code == 302
    merchant_user.refresh_from_db()
    assert (merchant_user.name, merchant_user.phone, merchant_user.is_superuser) == ("New", phone, False)


def test_a_new_password_signs_out_every_device(
    administrator: Client, merchant_user: User, tokens: tuple[str, str]
) -> None:
    url = f"{USERS}{merchant_user.pk}/password/"
    assert administrator.get(url).status_code == 200
    mismatch = {"new_password1": "another-long-password-8", "new_password2": "different"}
    assert administrator.post(url, mismatch).status_code == 200
    new = {"new_password1": "another-long-password-8", "new_password2": "another-long-password-8"}
    assert administrator.post(url, new).status_code == 302
    merchant_user.refresh_from_db()
    assert merchant_user.check_password("another-long-password-8") and not live_device(tokens[0])


def test_staff_revoke_tokens(staff: Client, tokens: tuple[str, str]) -> None:
    send(staff, "/admin/accounts/apitoken/", "revoke", ApiToken.objects.get(), confirmed="1", note="")
    send(staff, "/admin/accounts/devicetoken/", "revoke", DeviceToken.objects.get(), confirmed="1", note="")
    assert not live_device(tokens[0]) and not live_api_token(tokens[1])


def test_reference_data_is_retired_and_never_deleted(staff: Client) -> None:
    from accounts.models import Category
    from accounts.selectors import reference

    row = Category.objects.get(code="dress")
    assert reference().categories["dress"].is_retired is False
    send(staff, "/admin/accounts/category/", "retire", row)
    assert reference().categories["dress"].is_retired is True
    assert staff.post(f"/admin/accounts/category/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    data = {"code": "other", "name_zh": "连身裙", "name_en": "dress", "position": 1, "department": "x"}
    staff.post(f"/admin/accounts/category/{row.pk}/change/", data)
    row.refresh_from_db()
    assert (row.code, row.name_zh, row.is_retired) == ("dress", "连身裙", False)
