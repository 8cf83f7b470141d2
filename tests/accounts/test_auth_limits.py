"""What an attacker learns and how often they may try."""

import time
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
import time_machine
from django.contrib.auth import hashers
from django.db import connection
from rest_framework.test import APIClient

from accounts.limits import CODE, LOGIN, SENT, SMS, address_of
from accounts.models import User
from accounts.services.access import register_user
from jobs.models import Throttle
from matchmaker.core.errors import Conflict
from tests.accounts.conftest import AUTH, PASSWORD, PHONE, STRANGER, code_in

pytestmark = pytest.mark.django_db
WRONG = "not-the-password"


def shape(answer) -> tuple[int, object]:
    """Status and body without the random token."""
    body = dict(answer.json())
    if "session_token" in body:
        assert len(body["session_token"]) == 43
        body["session_token"] = "…"
    return answer.status_code, body


@pytest.mark.parametrize("password", [WRONG, "x"])
def test_login_says_the_same_of_known_and_unknown_phones(user, password: str) -> None:
    known = APIClient().post(AUTH + "login/", {"phone": PHONE, "password": password})
    unknown = APIClient().post(AUTH + "login/", {"phone": STRANGER, "password": password})
    assert shape(known) == shape(unknown)
    assert known.status_code == 400 and known.json()["code"] == "phone_password_mismatch"


def test_asking_for_a_code_says_the_same_of_known_and_unknown_phones(user, sms, signed_in) -> None:
    known = APIClient().post(AUTH + "code/request/", {"phone": PHONE})
    unknown = APIClient().post(AUTH + "code/request/", {"phone": STRANGER})
    assert shape(known) == shape(unknown)
    assert [phone for phone, _text in sms] == [PHONE, STRANGER]
    answers = []
    for step in (known, unknown):
        client = signed_in(step.json()["session_token"])
        answers.append([shape(client.post(AUTH + "code/confirm/", {"code": "abc"})) for _try in range(5)])
    assert answers[0] == answers[1]
    assert [status for status, _body in answers[0]] == [400, 400, 400, 409, 409]


def test_signing_up_says_the_same_of_known_and_unknown_phones(user, sms, signed_in) -> None:
    answers, tries, again = [], [], []
    for phone in (PHONE, STRANGER):
        step = APIClient().post(AUTH + "signup/", {"phone": phone, "password": PASSWORD})
        answers.append(shape(step))
        client = signed_in(step.json()["session_token"])
        again.append(shape(client.post(AUTH + "phone/resend/")))
        tries.append([shape(client.post(AUTH + "phone/verify/", {"code": "abc"})) for _try in range(4)])
    assert answers[0] == answers[1] and tries[0] == tries[1] and again[0] == again[1]
    assert User.objects.count() == 2
    assert sms[0][0] == PHONE and "".join(filter(str.isdigit, sms[0][1])) == ""


def hashes_of(path: str, phone: str, password: str) -> int:
    """How many passwords one request hashes."""
    algorithm = hashers.get_hasher()
    with mock.patch.object(
        type(algorithm), "encode", autospec=True, side_effect=type(algorithm).encode
    ) as spy:
        APIClient().post(AUTH + path, {"phone": phone, "password": password})
    return spy.call_count


@pytest.mark.parametrize(("path", "password"), [("login/", WRONG), ("signup/", PASSWORD)])
def test_known_and_unknown_phones_cost_one_hash_each(user, sms, path: str, password: str) -> None:
    assert hashes_of(path, PHONE, password) == hashes_of(path, STRANGER, password) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [("login/", {"password": WRONG}), ("signup/", {"password": PASSWORD}), ("code/request/", {})],
)
def test_answers_about_known_and_unknown_phones_take_the_same_time(user, sms, settings, path, body) -> None:
    settings.AUTH_ANSWER_SECONDS = 0.2
    for phone in (PHONE, STRANGER):
        started_at = time.monotonic()
        APIClient().post(AUTH + path, {"phone": phone} | body)
        assert time.monotonic() - started_at >= 0.2


def test_login_allows_exactly_its_limit_and_then_hashes_nothing(user) -> None:
    limit = LOGIN[1].count
    with time_machine.travel("2026-05-01T08:01:00Z", tick=False):
        for _try in range(limit):
            assert APIClient().post(AUTH + "login/", {"phone": PHONE, "password": WRONG}).status_code == 400
        assert hashes_of("login/", PHONE, PASSWORD) == 0
        refused = APIClient().post(AUTH + "login/", {"phone": "138 0013 8000", "password": PASSWORD})
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert 840 <= int(refused["Retry-After"]) <= 841
        other = APIClient().post(AUTH + "login/", {"phone": STRANGER, "password": WRONG})
        assert other.status_code == 400
    with time_machine.travel("2026-05-01T08:15:01Z", tick=False):
        right = APIClient().post(AUTH + "login/", {"phone": PHONE, "password": PASSWORD})
        assert right.status_code == 200


def test_who_is_over_the_limit_of_an_address_locks_nobody_out(user, sms) -> None:
    with time_machine.travel("2026-05-01T08:01:00Z", tick=False):
        for limits, path, body in ((LOGIN, "login/", {"password": WRONG}), (SMS, "code/request/", {})):
            for number in range(limits[0].count):
                APIClient().post(AUTH + path, {"phone": f"1370000{number:04}"} | body)
            for _try in range(limits[1].count):
                assert APIClient().post(AUTH + path, {"phone": PHONE} | body).status_code == 429
        home = {"REMOTE_ADDR": "192.0.2.7"}
        right = APIClient().post(AUTH + "login/", {"phone": PHONE, "password": PASSWORD}, **home)
        assert right.status_code == 200
        assert APIClient().post(AUTH + "code/request/", {"phone": PHONE}, **home).status_code == 202


@pytest.mark.parametrize("phone", [PHONE, STRANGER])
def test_codes_and_sign_ups_share_one_limit_of_messages(user, sms, phone: str) -> None:
    limit = SMS[1].count
    with time_machine.travel("2026-05-01T08:01:00Z", tick=False):
        for number in range(limit):
            path, body = ("code/request/", {}) if number % 2 else ("signup/", {"password": PASSWORD})
            assert APIClient().post(AUTH + path, {"phone": phone} | body).status_code == 202
        for path, body in (("code/request/", {}), ("signup/", {"password": PASSWORD})):
            assert APIClient().post(AUTH + path, {"phone": phone} | body).status_code == 429
    assert len(sms) == limit


def test_a_phone_gets_no_more_messages_whatever_leads_to_them(db, sms) -> None:
    limit = SENT[0].count
    with time_machine.travel("2026-05-01T08:01:00Z", tick=False) as clock:
        APIClient().post(AUTH + "signup/", {"phone": PHONE, "password": PASSWORD})
        statuses = []
        for _try in range(limit):
            clock.shift(200)  # within the limit of sign-ins; each sends the code of the unfinished sign-up
            login = APIClient().post(AUTH + "login/", {"phone": PHONE, "password": PASSWORD})
            statuses.append(login.status_code)
    assert statuses == [202] * (limit - 1) + [429]
    assert len(sms) == limit


def test_one_address_is_limited_over_all_phones(db) -> None:
    limit = next(limit for limit in LOGIN if limit.per.value == "ip").count
    with time_machine.travel("2026-05-01T08:01:00Z", tick=False):
        codes = [
            APIClient().post(AUTH + "login/", {"phone": f"1390013{n:04d}", "password": WRONG}).status_code
            for n in range(limit + 1)
        ]
        elsewhere = APIClient(REMOTE_ADDR="10.0.0.7")
        assert elsewhere.post(AUTH + "login/", {"phone": PHONE, "password": WRONG}).status_code == 400
    assert codes == [400] * limit + [429]


def test_codes_can_be_tried_no_more_often_than_the_limit(user, sms, signed_in) -> None:
    with time_machine.travel("2026-05-01T08:01:00Z", tick=False):
        step = APIClient().post(AUTH + "code/request/", {"phone": PHONE}).json()
        client = signed_in(step["session_token"])
        statuses = [
            client.post(AUTH + "code/confirm/", {"code": "abc"}).status_code for _try in range(CODE[1].count)
        ]
        assert 429 not in statuses
        assert client.post(AUTH + "code/confirm/", {"code": code_in(sms)}).status_code == 429


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_parallel_tries_do_not_outrun_the_limit(user) -> None:
    # In the real time of now: threads do not share a travelled clock. Two windows may be touched.
    def attempt(_number: int) -> int:
        try:
            return APIClient().post(AUTH + "login/", {"phone": PHONE, "password": WRONG}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(attempt, range(40)))
    windows = Throttle.objects.filter(key__startswith="login:phone").count()
    assert set(statuses) == {400, 429}
    assert statuses.count(400) <= LOGIN[1].count * windows
    assert windows > 1 or statuses.count(400) == LOGIN[1].count


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_crossing_sign_ups_leave_one_user() -> None:
    def sign_up(number: int) -> str:
        try:
            register_user(phone=PHONE, password=f"{PASSWORD}-{number}")
            return "done"
        except Conflict as refusal:
            return refusal.code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(sign_up, range(24)))
    assert set(outcomes) <= {"done", "sign_up_crossed"} and "done" in outcomes
    assert User.objects.filter(phone=PHONE).count() == 1


def test_counts_name_neither_phones_nor_addresses(user) -> None:
    APIClient().post(AUTH + "login/", {"phone": PHONE, "password": WRONG})
    keys = " ".join(Throttle.objects.values_list("key", flat=True))
    # A shorter piece of the number stands in a digest by chance.
    assert keys and PHONE[-8:] not in keys and "127.0.0.1" not in keys


def test_an_address_of_ipv6_is_its_household(rf) -> None:
    first = address_of(rf.get("/", REMOTE_ADDR="2001:db8:1:2::1"))
    assert first == address_of(rf.get("/", REMOTE_ADDR="2001:db8:1:2:ffff::9"))
    assert first != address_of(rf.get("/", REMOTE_ADDR="2001:db8:1:3::1"))
    assert address_of(rf.get("/", REMOTE_ADDR="10.1.2.3", HTTP_X_FORWARDED_FOR="6.6.6.6")) == "10.1.2.3"


class TestAdminLogin:
    """The admin's form, for staff."""

    path = "/admin/login/"

    @pytest.fixture
    def staff(self, db: None) -> User:
        return User.objects.create_superuser(PHONE, PASSWORD)

    def test_staff_sign_in_with_any_spelling_of_the_phone(self, staff, client) -> None:
        answer = client.post(self.path, {"username": "138 0013 8000", "password": PASSWORD})
        assert answer.status_code == 302
        assert client.session["_auth_user_id"] == str(staff.pk)

    @pytest.mark.parametrize("name", ["nonsense", "\x00", "+" * 200, "13900139000"])
    def test_any_unknown_name_is_refused(self, staff, client, name: str) -> None:
        answer = client.post(self.path, {"username": name, "password": PASSWORD})
        assert answer.status_code == 200 and "_auth_user_id" not in client.session

    def test_it_stops_before_hashing(self, staff, client) -> None:
        with time_machine.travel("2026-05-01T08:01:00Z", tick=False):
            for _try in range(LOGIN[1].count):
                client.post(self.path, {"username": PHONE, "password": WRONG})
            with mock.patch("django.contrib.auth.forms.authenticate") as authenticate:
                answer = client.post(self.path, {"username": PHONE, "password": PASSWORD})
            assert not authenticate.called
            assert answer.context["form"].non_field_errors()
            assert "_auth_user_id" not in client.session
