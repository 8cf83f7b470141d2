"""How often one may try to get in, and that no answer, hash or header helps to try more often."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.contrib.auth import hashers
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from accounts.limits import LOGIN, SMS, address_of
from accounts.models import User
from jobs.models import Throttle
from tests.accounts.conftest import AUTH, PASSWORD, PHONE, STRANGER

pytestmark = pytest.mark.django_db
WRONG = "not-the-password"
ADMIN = "/admin/login/"
MOMENT = "2026-05-01T08:01:00Z"
MERCHANT, BLOCKED, NO_PASSWORD = "+8613900139001", "+8613900139002", "+8613900139003"


@pytest.fixture
def town(db: None) -> None:
    User.objects.create_superuser(PHONE, PASSWORD)
    User.objects.create_user(MERCHANT, PASSWORD)
    User.objects.create_user(BLOCKED, PASSWORD, is_staff=True, is_active=False)
    User.objects.create_user(NO_PASSWORD, None, is_staff=True)


def admin_login(phone: str, password: str = WRONG, **headers: str) -> Any:
    return Client(headers=headers).post(ADMIN, {"username": phone, "password": password})


def api(path: str, phone: str, password: str = WRONG, **headers: str) -> Any:
    body = {"phone": phone} | ({} if "code" in path else {"password": password})
    return APIClient().post(AUTH + path, body, headers=headers)


def hashed_by(act: Any) -> int:
    algorithm = type(hashers.get_hasher())
    with mock.patch.object(algorithm, "encode", autospec=True, side_effect=algorithm.encode) as spy:
        act()
    return spy.call_count


@pytest.mark.parametrize("phone", [PHONE, MERCHANT, BLOCKED, NO_PASSWORD, STRANGER])
def test_a_wrong_password_costs_one_hash_whoever_it_is_for(town: None, sms: Any, phone: str) -> None:
    assert hashed_by(lambda: admin_login(phone)) == 1
    assert hashed_by(lambda: api("login/", phone)) == 1
    assert hashed_by(lambda: api("signup/", phone, PASSWORD)) == 1
    assert hashed_by(lambda: api("code/request/", phone)) == 0


def test_the_admin_says_the_same_of_every_phone(town: None) -> None:
    def page(phone: str, password: str) -> str:
        html = admin_login(phone, password).content.decode().replace(phone, "…")
        return re.sub(r'csrfmiddlewaretoken" value="\w+"', "", html)

    pages = {page(phone, WRONG) for phone in (PHONE, MERCHANT, BLOCKED, NO_PASSWORD, STRANGER)}
    # The right password of somebody who may not enter tells no more than a wrong one.
    pages |= {page(phone, PASSWORD) for phone in (MERCHANT, BLOCKED)}
    assert len(pages) == 1


def test_the_api_says_the_same_of_every_phone(town: None, sms: Any) -> None:
    phones = (PHONE, MERCHANT, BLOCKED, NO_PASSWORD, STRANGER)
    refused = [api("login/", phone) for phone in phones]
    assert {(answer.status_code, answer.content) for answer in refused} == {(400, refused[0].content)}
    asked = [api("code/request/", phone) for phone in phones]
    assert {(answer.status_code, answer.json()["next"]) for answer in asked} == {(202, "login_by_code")}
    assert [phone for phone, _text in sms] == list(phones)


@pytest.mark.parametrize("phone", [PHONE, STRANGER])
def test_admin_and_api_share_one_count_and_nothing_is_hashed_beyond_it(town: None, phone: str) -> None:
    with time_machine.travel(MOMENT, tick=False):
        for number in range(LOGIN[1].count):
            admin_login(phone) if number % 2 else api("login/", phone)
        assert hashed_by(lambda: admin_login(phone, PASSWORD)) == 0
        assert hashed_by(lambda: api("login/", phone, PASSWORD)) == 0
        assert api("login/", phone, PASSWORD).status_code == 429


def test_the_admin_limits_an_address_over_all_names(town: None) -> None:
    limit = next(limit for limit in LOGIN if limit.per.value == "ip").count
    with time_machine.travel(MOMENT, tick=False):
        names = [f"1390013{number:04d}" if number % 2 else f"nonsense {number}" for number in range(limit)]
        for name in names:
            admin_login(name)
        assert hashed_by(lambda: admin_login(PHONE, PASSWORD)) == 0


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_parallel_tries_at_the_admin_do_not_outrun_the_limit() -> None:
    hashed: list[int] = []
    authenticate = mock.patch(
        "django.contrib.auth.forms.authenticate", side_effect=lambda *_, **__: hashed.append(1)
    )
    with authenticate, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _number: _closing(admin_login, PHONE), range(40)))
    windows = Throttle.objects.filter(key__startswith="login:phone").count()
    assert windows and len(hashed) <= LOGIN[1].count * windows
    assert windows > 1 or len(hashed) == LOGIN[1].count


def _closing(act: Any, *values: Any) -> None:
    try:
        act(*values)
    finally:
        connection.close()


FORGED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP")


def test_no_header_of_the_asker_makes_another_address(town: None, sms: Any) -> None:
    limit = next(limit for limit in SMS if limit.per.value == "ip").count
    with time_machine.travel(MOMENT, tick=False):
        statuses = [
            api(
                "code/request/", f"1390013{number:04d}", **dict.fromkeys(FORGED, f"10.9.8.{number}")
            ).status_code
            for number in range(limit + 1)
        ]
    assert statuses == [202] * limit + [429]


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "6.6.6.6", "10.0.0.1"),
        # One proxy adds whom it saw; what stood there before is the asker's own invention.
        (1, "203.0.113.5", "203.0.113.5"),
        (1, "6.6.6.6, 203.0.113.5", "203.0.113.5"),
        (1, "6.6.6.6,7.7.7.7 ,  203.0.113.5 ", "203.0.113.5"),
        (2, "6.6.6.6, 203.0.113.5, 10.0.0.2", "203.0.113.5"),
        (1, "", "10.0.0.1"),
        # Some proxies write the port too, and an asker has 65,000 of them.
        (1, "203.0.113.5:41234", "203.0.113.5"),
        (1, "[2001:db8:1:2::9]:41234", "2001:db8:1:2::/64"),
        (1, "::ffff:203.0.113.5", "203.0.113.5"),
        (1, None, "10.0.0.1"),
    ],
)
def test_only_what_trusted_proxies_added_is_believed(
    rf: Any, settings: Any, proxies: int, forwarded: str | None, address: str
) -> None:
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": proxies}
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    assert address_of(rf.get("/", REMOTE_ADDR="10.0.0.1", **headers)) == address


def test_who_comes_from_nowhere_is_counted_too(rf: Any) -> None:
    assert address_of(rf.get("/", REMOTE_ADDR="")) == "unknown"


def test_a_forged_list_before_a_trusted_proxy_buys_no_tries(town: None, settings: Any) -> None:
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}
    limit = next(limit for limit in LOGIN if limit.per.value == "ip").count
    with time_machine.travel(MOMENT, tick=False):
        for number in range(limit):
            admin_login(f"1390013{number:04d}", **{"X-Forwarded-For": f"6.6.{number}.6, 203.0.113.5"})
        forged = {"X-Forwarded-For": "9.9.9.9, 203.0.113.5"}
        assert hashed_by(lambda: admin_login(PHONE, PASSWORD, **forged)) == 0
        other = {"X-Forwarded-For": "9.9.9.9, 203.0.113.6"}
        assert hashed_by(lambda: admin_login(PHONE, PASSWORD, **other)) == 1
