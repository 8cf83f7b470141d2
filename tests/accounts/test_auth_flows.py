"""Signing up, in and out over the real endpoints."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.api import access_urls
from accounts.models import DeviceToken, User
from tests.accounts.conftest import AUTH, PASSWORD, PHONE, STRANGER, code_in

pytestmark = pytest.mark.django_db
ME = "/api/v1/accounts/me/"


def sign_up(client: APIClient, phone: str = "13800138000", password: str = PASSWORD) -> dict:
    answer = client.post(AUTH + "signup/", {"phone": phone, "password": password, "name": "Li Wei"})
    assert answer.status_code == 202, answer.json()
    return answer.json()


def test_sign_up_by_code_then_sign_in_and_out(client, sms, signed_in) -> None:
    step = sign_up(APIClient())
    assert step["next"] == "verify_phone"
    assert [phone for phone, _text in sms] == [PHONE]
    pending = signed_in(step["session_token"])
    assert pending.get(ME).status_code == 401

    done = pending.post(AUTH + "phone/verify/", {"code": code_in(sms)})
    assert done.status_code == 200, done.json()
    token = done.json()["session_token"]
    assert token != step["session_token"]
    assert pending.get(ME).status_code == 401, (
        "the token known before the sign-in must not become a signed-in one"
    )
    user = User.objects.get()
    assert user.phone_verified_at is not None
    assert signed_in(token).get(ME).json() == {
        "id": str(user.public_id), "phone": PHONE, "name": "Li Wei", "language": "",
        "is_staff": False, "parties": [],
    }  # fmt: skip

    again = APIClient().post(AUTH + "login/", {"phone": "138 0013 8000", "password": PASSWORD})
    assert again.status_code == 200
    assert again.json()["user"]["id"] == str(user.public_id)
    assert again["Cache-Control"] == "no-store"


def test_the_token_works_with_the_session_endpoint_and_dies_with_logout(login, signed_in) -> None:
    token = login()
    client = signed_in(token)
    assert client.get(AUTH + "session/").json()["user"]["phone"] == PHONE
    assert client.delete(AUTH + "session/").status_code == 204
    assert client.get(ME).status_code == 401
    assert client.get(AUTH + "session/").status_code == 401
    assert client.delete(AUTH + "session/").status_code == 204


def test_logout_leaves_other_devices_alone(login, signed_in) -> None:
    first, second = login(), login()
    signed_in(first).delete(AUTH + "session/")
    assert signed_in(second).get(ME).status_code == 200


def test_sign_in_by_code(user, sms, signed_in) -> None:
    step = APIClient().post(AUTH + "code/request/", {"phone": PHONE})
    assert (step.status_code, step.json()["next"]) == (202, "login_by_code")
    done = signed_in(step.json()["session_token"]).post(AUTH + "code/confirm/", {"code": code_in(sms)})
    assert done.status_code == 200, done.json()
    assert signed_in(done.json()["session_token"]).get(ME).json()["phone"] == PHONE


def test_a_code_counts_once(user, sms, signed_in) -> None:
    step = APIClient().post(AUTH + "code/request/", {"phone": PHONE}).json()
    pending = signed_in(step["session_token"])
    assert pending.post(AUTH + "code/confirm/", {"code": code_in(sms)}).status_code == 200
    assert pending.post(AUTH + "code/confirm/", {"code": code_in(sms)}).status_code == 401


def test_a_code_for_a_phone_that_was_given_up_meanwhile_is_wrong(user, sms, signed_in) -> None:
    step = APIClient().post(AUTH + "code/request/", {"phone": PHONE}).json()
    User.objects.update(phone=STRANGER)
    answer = signed_in(step["session_token"]).post(AUTH + "code/confirm/", {"code": code_in(sms)})
    assert (answer.status_code, answer.json()["code"]) == (400, "incorrect_code")
    user.refresh_from_db()
    assert user.phone == STRANGER


def test_three_wrong_codes_end_the_sign_in(user, sms, signed_in) -> None:
    step = APIClient().post(AUTH + "code/request/", {"phone": PHONE}).json()
    pending = signed_in(step["session_token"])
    wrong = "000000" if code_in(sms) != "000000" else "111111"
    for _try in range(3):
        answer = pending.post(AUTH + "code/confirm/", {"code": wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "incorrect_code")
        assert list(answer.json()["fields"]) == ["code"]
    assert pending.post(AUTH + "code/confirm/", {"code": code_in(sms)}).status_code == 409


def test_a_forgotten_password_is_replaced_after_a_sign_in_by_code(user, sms, login, signed_in) -> None:
    elsewhere = login()
    step = APIClient().post(AUTH + "code/request/", {"phone": PHONE}).json()
    done = signed_in(step["session_token"]).post(AUTH + "code/confirm/", {"code": code_in(sms)}).json()
    client = signed_in(done["session_token"])
    changed = client.post(AUTH + "password/change/", {"new_password": "another-Long-1-please"})
    assert changed.status_code == 200, changed.json()
    assert signed_in(changed.json()["session_token"]).get(ME).status_code == 200
    assert signed_in(elsewhere).get(ME).status_code == 401, "other devices are signed out"
    user.refresh_from_db()
    assert user.check_password("another-Long-1-please")


def test_the_password_needs_the_current_one_after_a_sign_in_by_password(user, login, signed_in) -> None:
    client = signed_in(login())
    new = {"new_password": "another-Long-1-please"}
    assert "current_password" in client.post(AUTH + "password/change/", new).json()["fields"]
    wrong = client.post(AUTH + "password/change/", new | {"current_password": "nonsense"})
    assert wrong.status_code == 400
    assert client.post(AUTH + "password/change/", new | {"current_password": PASSWORD}).status_code == 200


def test_a_weak_password_is_refused_with_its_field(sms) -> None:
    answer = APIClient().post(AUTH + "signup/", {"phone": PHONE, "password": "12345678"})
    assert answer.status_code == 400
    assert "password" in answer.json()["fields"]
    assert not User.objects.exists() and not sms


def test_a_later_sign_up_replaces_an_unproved_one_with_its_password(sms, signed_in) -> None:
    attacker = sign_up(APIClient(), password="the-Attackers-pass-1")
    attackers_code = code_in(sms)
    owner = sign_up(APIClient())
    owners_code = code_in(sms)
    late = signed_in(attacker["session_token"]).post(AUTH + "phone/verify/", {"code": attackers_code})
    assert late.status_code == 400
    done = signed_in(owner["session_token"]).post(AUTH + "phone/verify/", {"code": owners_code})
    assert done.status_code == 200
    user = User.objects.get()
    assert user.check_password(PASSWORD) and not user.check_password("the-Attackers-pass-1")


def test_an_unproved_sign_up_cannot_sign_in_without_its_code(sms) -> None:
    sign_up(APIClient())
    answer = APIClient().post(AUTH + "login/", {"phone": PHONE, "password": PASSWORD})
    assert (answer.status_code, answer.json()["next"]) == (202, "verify_phone")
    assert len(sms) == 2


def test_the_code_of_a_sign_up_can_be_sent_again(sms, signed_in) -> None:
    step = sign_up(APIClient())
    pending = signed_in(step["session_token"])
    answer = pending.post(AUTH + "phone/resend/")
    assert (answer.status_code, answer.json()["next"]) == (202, "verify_phone")
    assert len(sms) == 2
    assert pending.post(AUTH + "phone/verify/", {"code": code_in(sms)}).status_code == 200


def test_a_new_phone_needs_the_password_and_a_code(user, sms, login, signed_in) -> None:
    client = signed_in(login())
    refused = client.post(AUTH + "phone/change/", {"phone": STRANGER})
    assert (refused.status_code, refused.json()["code"]) == (401, "reauthentication_required")
    assert client.post(AUTH + "reauthenticate/", {"password": PASSWORD}).status_code == 200
    assert client.post(AUTH + "phone/change/", {"phone": STRANGER}).status_code == 202
    assert sms[-1][0] == STRANGER
    assert client.post(AUTH + "phone/verify/", {"code": code_in(sms)}).status_code == 200
    user.refresh_from_db()
    assert user.phone == STRANGER


def test_a_device_says_its_name(user) -> None:
    headers = {"HTTP_X_DEVICE": "老板的手机".encode().decode("latin-1")}
    APIClient().post(AUTH + "login/", {"phone": PHONE, "password": PASSWORD}, **headers)
    assert DeviceToken.objects.get().device_name == "老板的手机"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), (b"[]", 400), (b'"x"', 400), (b"null", 400), (b"", 400), (b"\xff\xfe", 400),
        (b'{"phone": NaN, "password": "x"}', 400), (b'{"phone": "1", "phone": "2", "password": "x"}', 400),
        (b'{"phone": "+8613800138000\\u0000", "password": "x"}', 400),
        (b'{"phone": {}, "password": []}', 400),
        (b'{"phone": "+8613800138000", "password": "\\ud800"}', 400),
        (b'{"phone": "+8613800138000", "password": "x", "is_staff": true}', 400),
        (b'{"phone": "' + b"1" * 300_000 + b'"}', 413),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["login/", "signup/", "code/request/", "code/confirm/", "phone/verify/"])
def test_bad_bodies_are_refused_with_a_problem(db, sms, path: str, body: bytes, status: int) -> None:
    answer = APIClient().post(AUTH + path, body, content_type="application/json")
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"]
    assert not User.objects.exists() and not DeviceToken.objects.exists()


@pytest.mark.parametrize("path", ["phone/verify/", "code/confirm/", "phone/resend/"])
def test_a_step_that_nobody_began_is_a_conflict(path: str) -> None:
    answer = APIClient().post(AUTH + path, {"code": "123456"} if "resend" not in path else {})
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_step")


def test_somebody_signed_in_cannot_sign_in_or_up_again(login, signed_in, sms) -> None:
    client = signed_in(login())
    assert client.post(AUTH + "login/", {"phone": PHONE, "password": PASSWORD}).status_code == 409
    assert client.post(AUTH + "signup/", {"phone": STRANGER, "password": PASSWORD}).status_code == 409


def test_a_console_sms_can_be_read_by_a_newcomer(user, settings, capsys: Callable) -> None:
    APIClient().post(AUTH + "code/request/", {"phone": PHONE})
    assert f"SMS {PHONE}: " in capsys.readouterr().out
    if settings.EMBEDDED:
        assert f"SMS {PHONE}: " in (settings.VAR_DIR / "sms.log").read_text(encoding="utf-8")


def test_every_address_is_in_the_guide(settings) -> None:
    guide = (settings.BASE_DIR / "docs" / "api-auth.md").read_text(encoding="utf-8")
    addresses = [str(row.pattern).replace("<uuid:public_id>", "{id}") for row in access_urls.urlpatterns]
    assert addresses and [address for address in addresses if f"`{address}` " not in guide] == []
