"""How long one stays signed in, on how many devices, and what ends it at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.contrib.auth import hashers
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.limits import PASSWORD as PASSWORD_LIMITS
from accounts.models import DeviceToken, User
from accounts.services import access
from accounts.services.people import block_user, unblock_user
from tests.accounts.conftest import AUTH, PASSWORD, PHONE
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 5, 1, 8, 1, tzinfo=UTC)
ME = "/api/v1/accounts/me/"
DEVICES = "/api/v1/devices/"
NEW = "another-Long-1-please"


@pytest.fixture
def lin(db: None) -> User:
    return User.objects.create_superuser(PHONE, PASSWORD, name="Lin")


def browser(phone: str = PHONE, password: str = PASSWORD) -> Client:
    """A browser that signed in to the admin."""
    client = Client()
    answer = client.post("/admin/login/", {"username": phone, "password": password})
    assert answer.status_code == 302, answer.content
    assert is_in(client)
    return client


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


class TestTheBrowserOfStaff:
    """Sessions of the admin."""

    def test_it_is_signed_out_after_doing_nothing(self, lin: User, settings: Any) -> None:
        idle = settings.STAFF_IDLE_SECONDS
        with time_machine.travel(MOMENT, tick=False) as clock:
            client = browser()
            clock.shift(idle - 1)
            assert is_in(client), "a second before its time"
            clock.shift(idle - 1)
            assert is_in(client), "what was done since counts"
            clock.shift(idle)
            assert not is_in(client)
            assert "_auth_user_id" not in client.session, "the row of the session is gone too"

    def test_it_is_signed_out_in_the_end_whatever_it_does(self, lin: User, settings: Any) -> None:
        step = settings.STAFF_IDLE_SECONDS // 2
        with time_machine.travel(MOMENT, tick=False) as clock:
            client, lived = browser(), 0
            # Many saves of the session, each of which moves Django's own limit.
            while is_in(client):
                clock.shift(step)
                lived += step
                assert lived <= settings.SESSION_COOKIE_AGE, "an older session than any may be"
            assert lived == settings.SESSION_COOKIE_AGE

    def test_a_kept_cookie_is_worth_nothing_after_signing_out(self, lin: User, settings: Any) -> None:
        client = browser()
        kept = client.cookies[settings.SESSION_COOKIE_NAME].value
        client.post("/admin/logout/")
        thief = Client()
        thief.cookies[settings.SESSION_COOKIE_NAME] = kept
        assert not is_in(thief)

    def test_a_planted_session_does_not_become_a_signed_in_one(self, lin: User, settings: Any) -> None:
        victim = Client()
        session = victim.session
        session["planted"] = True
        session.save()
        planted = session.session_key
        victim.cookies[settings.SESSION_COOKIE_NAME] = planted
        victim.post("/admin/login/", {"username": PHONE, "password": PASSWORD})
        assert is_in(victim) and victim.session.session_key != planted
        thief = Client()
        thief.cookies[settings.SESSION_COOKIE_NAME] = planted
        assert not is_in(thief)

    def test_a_new_password_ends_the_others(self, lin: User) -> None:
        here, there = browser(), browser()
        device = access.open_device(user=lin, session_key="s", device_name="")
        body = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
        assert here.post("/admin/password_change/", body).status_code == 302
        assert is_in(here) and not is_in(there) and not access.live_device(device)
        lin.refresh_from_db()
        assert lin.check_password(NEW)

    def test_a_password_changed_by_the_api_ends_the_browsers(self, lin: User, signed_in: Any) -> None:
        client = browser()
        token = (
            APIClient().post(AUTH + "login/", {"phone": PHONE, "password": PASSWORD}).json()["session_token"]
        )
        body = {"current_password": PASSWORD, "new_password": NEW}
        assert signed_in(token).post(AUTH + "password/change/", body).status_code == 200
        assert not is_in(client)

    def test_the_current_password_is_not_guessed_from_an_open_browser(self, lin: User) -> None:
        with time_machine.travel(MOMENT, tick=False):
            client = browser()
            body = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
            for _try in range(PASSWORD_LIMITS[1].count):
                assert client.post("/admin/password_change/", body).status_code == 200
            with mock.patch.object(hashers, "verify_password") as hashed:
                refused = client.post("/admin/password_change/", body | {"old_password": PASSWORD})
            assert refused.status_code == 302 and not hashed.called
        lin.refresh_from_db()
        assert lin.check_password(PASSWORD)

    def test_who_is_no_longer_staff_is_out_at_once(self, lin: User) -> None:
        client = browser()
        User.objects.filter(pk=lin.pk).update(is_staff=False)
        assert not is_in(client)

    def test_looking_at_the_api_keeps_no_session(self, client: Client) -> None:
        answer = client.get("/api/v1/categories/")
        assert "Cookie" not in answer.get("Vary", "") and not answer.cookies
        assert not Session.objects.exists()


class TestBlocking:
    """Invariant 14: who is blocked has no valid token and makes no move."""

    def test_everything_ends_at_once_and_unblocking_brings_nothing_back(
        self, lin: User, signed_in: Any
    ) -> None:
        staff = User.objects.create_user("13900139001", PASSWORD, is_staff=True)
        client = browser(staff.phone)
        device = access.open_device(user=staff, session_key="s", device_name="")
        expires_at = timezone.now() + timedelta(days=1)
        _row, machine = access.issue_api_token(
            actor=staff, user=staff, name="till", scopes=["profile:read"], expires_at=expires_at
        )

        def doors() -> list[bool]:
            by_machine = APIClient(headers={"authorization": f"Bearer {machine}"})
            by_device = signed_in(device)
            return [is_in(client), *(c.get(ME).status_code == 200 for c in (by_device, by_machine))]

        assert doors() == [True, True, True]
        block_user(actor=lin, user=staff)
        assert doors() == [False, False, False]
        unblock_user(actor=lin, user=staff)
        assert doors() == [False, False, False]
        assert browser(staff.phone)

    def test_a_blocked_user_gets_the_answer_of_a_wrong_password(self, user: User) -> None:
        User.objects.filter(pk=user.pk).update(is_active=False)
        answers = [
            APIClient().post(AUTH + "login/", {"phone": PHONE, "password": password})
            for password in (PASSWORD, "wrong")
        ]
        assert answers[0].status_code == 400 and answers[0].json() == answers[1].json()


class TestDevices:
    """Tokens of the API."""

    def test_a_device_that_is_not_used_is_signed_out(self, login: Any, signed_in: Any, settings: Any) -> None:
        with time_machine.travel(MOMENT, tick=False) as clock:
            client = signed_in(login())
            for _week in range(2):
                clock.shift(timedelta(days=settings.DEVICE_IDLE_DAYS, seconds=-1))
                assert client.get(ME).status_code == 200
            clock.shift(timedelta(days=1))
            assert client.get(ME).status_code == 200
            clock.shift(timedelta(days=settings.DEVICE_IDLE_DAYS))
            assert client.get(ME).status_code == client.get(AUTH + "session/").status_code == 401

    def test_a_device_ends_in_the_end_however_much_it_is_used(
        self, login: Any, signed_in: Any, settings: Any
    ) -> None:
        with time_machine.travel(MOMENT, tick=False) as clock:
            client, days = signed_in(login()), 0
            while client.get(ME).status_code == 200:
                clock.shift(timedelta(days=1))
                days += 1
                assert days <= settings.DEVICE_TOKEN_DAYS
        assert days == settings.DEVICE_TOKEN_DAYS

    def test_one_device_too_many_signs_out_the_one_unused_longest(
        self, user: User, login: Any, signed_in: Any, settings: Any
    ) -> None:
        settings.DEVICES_MAX = 3
        with time_machine.travel(MOMENT, tick=False) as clock:
            tokens = []
            for _number in range(3):
                tokens.append(login())
                clock.shift(120)
            signed_in(tokens[0]).get(ME)  # used again, so the second is the one unused longest
            clock.shift(120)
            newest = login()
            alive = [signed_in(token).get(ME).status_code == 200 for token in tokens]
            assert alive == [True, False, True]
            listed = signed_in(newest).get(DEVICES).json()["results"]
            assert len(listed) == 3 and sum(row["is_current"] for row in listed) == 1

    def test_another_users_devices_do_not_count(self, user: User, login: Any, settings: Any) -> None:
        settings.DEVICES_MAX = 1
        other = access.open_device(user=UserFactory.create(), session_key="o", device_name="")
        login()
        assert access.live_device(other)

    @pytest.mark.django_db(transaction=True, serialized_rollback=True)
    def test_sign_ins_at_once_leave_no_more_than_may_be(self, settings: Any) -> None:
        settings.DEVICES_MAX = 3
        user = UserFactory.create()

        def enter(number: int) -> str:
            try:
                return access.open_device(user=user, session_key=f"s{number}", device_name="")
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as pool:
            tokens = list(pool.map(enter, range(16)))
        assert access.live_devices(user).count() == 3
        assert sum(access.live_device(token) is not None for token in tokens) == 3

    def test_a_step_of_the_sign_in_takes_nobodys_place(
        self, user: User, sms: Any, login: Any, settings: Any
    ) -> None:
        settings.DEVICES_MAX = 1
        token = login()
        for _try in range(3):
            APIClient().post(AUTH + "code/request/", {"phone": PHONE})
        assert access.live_device(token), "asking for codes, which anybody can, signs nobody out"

    def test_a_cookie_of_the_admin_is_no_key_to_the_api(self, lin: User) -> None:
        client = browser()
        assert client.get(ME).status_code == 401
        assert client.post("/api/v1/tokens/", {}, content_type="application/json").status_code == 401
        assert client.get(AUTH + "session/").status_code == 401

    def test_a_token_is_no_key_to_the_admin(self, lin: User, signed_in: Callable[[str], APIClient]) -> None:
        token = access.open_device(user=lin, session_key="s", device_name="")
        assert signed_in(token).get("/admin/").status_code == 302
        assert DeviceToken.objects.count() == 1
