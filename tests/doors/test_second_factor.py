"""The second factor of staff: a stolen password opens nothing, and a code works once."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from unittest import mock

import pyotp
import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from accounts.limits import SECOND_FACTOR
from accounts.models import Authenticator, DeviceToken, RecoveryCode, User
from accounts.one_time import RECOVERY_CODES, new_recovery_codes, step_of
from accounts.services import access
from accounts.services.second_factor import (
    enrol_authenticator,
    prove_second_factor,
    renew_recovery_codes,
    reset_second_factor,
)
from matchmaker.core.errors import Conflict, DomainError, InvalidInput, NotAllowed
from tests.accounts.conftest import AUTH, PASSWORD, PHONE
from tests.factories import UserFactory

STEP = "/admin/second-factor/"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
MOMENT = datetime(2026, 5, 1, 8, 1, 10, tzinfo=UTC)
ME = "/api/v1/accounts/me/"
ELSEWHERE = ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:1"]


@pytest.fixture(autouse=True)
def asked_for(settings: Any) -> None:
    settings.STAFF_TOTP = True


@pytest.fixture
def lin(db: None) -> User:
    return User.objects.create_superuser(PHONE, PASSWORD, name="Lin")


def code_at(moment: datetime, secret: str = SECRET) -> str:
    return pyotp.TOTP(secret).at(moment)


def enrolled(user: User, *, before: timedelta = timedelta(minutes=10)) -> list[str]:
    """The recovery codes of an authenticator that was added a while ago."""
    with time_machine.travel(MOMENT - before, tick=False):
        return enrol_authenticator(actor=user, secret=SECRET, code=code_at(MOMENT - before))[1]


def by_password(client: Client, path: str = "/admin/") -> Any:
    return client.post(
        f"/admin/login/?next={path}", {"username": PHONE, "password": PASSWORD, "next": path}, follow=True
    )


# Reference values of RFC 6238, appendix B (SHA-1), last six digits.
@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    at = datetime.fromtimestamp(seconds, tz=UTC)
    assert step_of(secret, code, at) == seconds // 30
    assert step_of(secret, f" {code[:3]} {code[3:]} ", at) == seconds // 30
    assert step_of(secret, code, at + timedelta(seconds=30)) == seconds // 30
    assert step_of(secret, code, at + timedelta(seconds=90)) is None


@pytest.mark.parametrize("typed", ["", " ", "0", "\x00", "☃", "1" * 5000, "2870820", "²⁸⁷⁰⁸³"])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert step_of("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", typed, datetime.fromtimestamp(59, tz=UTC)) is None


class TestTheAdmin:
    """Pages of the staff."""

    pytestmark = pytest.mark.django_db

    def test_a_password_alone_opens_no_page(self, lin: User, client: Client) -> None:
        enrolled(lin)
        page = by_password(client)
        assert page.redirect_chain[-1][0].startswith(STEP)
        assert SECRET not in page.content.decode()
        for path in ("/admin/", "/admin/accounts/user/", f"/admin/accounts/user/{lin.pk}/change/",
                     "/admin/password_change/", "/admin/second-factor/codes/", "/admin/jsi18n/",
                     "/admin/autocomplete/", "/admin/accounts/merchant/export/"):  # fmt: skip
            assert client.get(path).status_code == 302, path
            assert client.post(path, {"action": "block"}).status_code == 302, path
        assert "user-tools" not in client.get(STEP).content.decode()

    def test_the_code_opens_what_was_asked_for(self, lin: User, client: Client) -> None:
        enrolled(lin)
        with time_machine.travel(MOMENT, tick=False):
            by_password(client, "/admin/accounts/user/")
            before = client.session.session_key
            answer = client.post(STEP, {"code": code_at(MOMENT), "next": "/admin/accounts/user/"})
            assert (answer.status_code, answer["Location"]) == (302, "/admin/accounts/user/")
            assert client.session.session_key != before, (
                "the key that was known before opens no more than before"
            )
            assert client.get("/admin/accounts/user/").status_code == 200
            assert client.get(STEP)["Location"] == "/admin/"

    def test_the_first_sign_in_adds_an_authenticator(self, lin: User, client: Client) -> None:
        html = by_password(client).content.decode()
        secret = re.findall(r'totp-secret">([A-Z2-7]{32})<', html)[0]
        assert "<svg" in html and "<path" in html
        assert secret in client.get(STEP).content.decode(), "a picture that was scanned stays the right one"
        assert "wrong" in client.post(STEP, {"code": "000000"}).content.decode()
        assert not Authenticator.objects.exists()
        done = client.post(STEP, {"code": pyotp.TOTP(secret).now()})
        codes = re.findall(r"<code>([A-Z2-7-]{19})</code>", done.content.decode())
        assert len(codes) == len(set(codes)) == RECOVERY_CODES
        assert client.get("/admin/").status_code == 200
        stored = Authenticator.objects.get()
        assert secret not in stored.sealed_secret
        assert not {code.replace("-", "") for code in codes} & set(
            RecoveryCode.objects.values_list("digest", flat=True)
        )
        assert LogEntry.objects.get().change_message == "Added an authenticator."
        assert "totp-secret" not in client.get(STEP, follow=True).content.decode()

    def test_nobody_learns_the_secret_that_another_browser_is_about_to_add(self, lin: User) -> None:
        found = [
            re.findall(r'totp-secret">([A-Z2-7]{32})<', by_password(Client()).content.decode())[0]
            for _browser in range(2)
        ]
        assert found[0] != found[1]

    def test_a_second_authenticator_cannot_be_added_over_the_first(self, lin: User, client: Client) -> None:
        by_password(client)
        enrolled(lin)
        client.get(STEP)
        answer = client.post(STEP, {"code": pyotp.TOTP("A" * 32).now()})
        assert answer.status_code == 200 and Authenticator.objects.count() == 1
        assert client.get("/admin/").status_code == 302
        with pytest.raises(Conflict):
            enrol_authenticator(actor=lin, secret=SECRET, code=pyotp.TOTP(SECRET).now())

    def test_tries_are_counted_before_codes_are_looked_at(self, lin: User, client: Client) -> None:
        enrolled(lin)
        with time_machine.travel(MOMENT, tick=False):
            by_password(client)
            for _try in range(SECOND_FACTOR[1].count):
                assert client.post(STEP, {"code": "000000"}).status_code == 200
            with mock.patch("accounts.one_time.step_of") as looked_at:
                refused = client.post(STEP, {"code": code_at(MOMENT)})
            assert refused.status_code == 429 and not looked_at.called
            other = Client(REMOTE_ADDR="10.0.0.9")
            by_password(other)
            assert other.post(STEP, {"code": code_at(MOMENT)}).status_code == 429, (
                "another address helps nobody"
            )
        assert client.get("/admin/").status_code == 302

    def test_a_stranger_and_a_merchant_do_not_reach_the_step(self, client: Client) -> None:
        assert client.get(STEP)["Location"] == "/admin/login/"
        client.force_login(UserFactory.create())
        assert client.get(STEP)["Location"] == "/admin/login/"
        assert client.post(STEP, {"code": "1"})["Location"] == "/admin/login/"

    def test_one_can_leave_before_the_code(self, lin: User, client: Client) -> None:
        by_password(client)
        client.post(STEP, {"leave": "1"})
        assert "_auth_user_id" not in client.session

    @pytest.mark.parametrize("url", ELSEWHERE)
    def test_the_step_leads_to_no_other_site(self, lin: User, client: Client, url: str) -> None:
        enrolled(lin)
        with time_machine.travel(MOMENT, tick=False):
            by_password(client)
            assert client.post(STEP, {"code": code_at(MOMENT), "next": url})["Location"] == "/admin/"

    def test_where_the_town_asks_for_none_there_is_none(
        self, lin: User, client: Client, settings: Any
    ) -> None:
        settings.STAFF_TOTP = False
        assert by_password(client).status_code == 200
        assert client.get("/admin/").status_code == 200
        assert client.get("/admin/second-factor/codes/")["Location"] == "/admin/"

    def test_recovery_codes_are_renewed_by_a_fresh_code(self, lin: User, client: Client) -> None:
        old = enrolled(lin)
        with time_machine.travel(MOMENT, tick=False) as clock:
            by_password(client)
            client.post(STEP, {"code": code_at(MOMENT)})
            assert (
                "wrong"
                in client.post("/admin/second-factor/codes/", {"code": code_at(MOMENT)}).content.decode()
            )
            clock.shift(60)
            page = client.post(
                "/admin/second-factor/codes/", {"code": code_at(MOMENT + timedelta(seconds=60))}
            )
            new = re.findall(r"<code>([A-Z2-7-]{19})</code>", page.content.decode())
        assert len(new) == RECOVERY_CODES and not set(new) & set(old)
        with pytest.raises(InvalidInput):
            prove_second_factor(actor=lin, code=old[0])
        assert prove_second_factor(actor=lin, code=new[0])


@pytest.mark.django_db
def test_a_code_works_once_and_no_older_one_after_it(lin: User) -> None:
    enrolled(lin)
    with time_machine.travel(MOMENT, tick=False):
        prove_second_factor(actor=lin, code=code_at(MOMENT))
        for seconds in (0, -30):
            with pytest.raises(InvalidInput):
                prove_second_factor(actor=lin, code=code_at(MOMENT + timedelta(seconds=seconds)))
        prove_second_factor(actor=lin, code=code_at(MOMENT + timedelta(seconds=30)))


@pytest.mark.django_db
def test_a_recovery_code_works_once_however_it_is_typed(lin: User) -> None:
    codes = enrolled(lin)
    prove_second_factor(actor=lin, code=f" {codes[0].lower().replace('-', ' ')}")
    with pytest.raises(InvalidInput):
        prove_second_factor(actor=lin, code=codes[0])
    other = UserFactory.create(is_staff=True)
    enrol_authenticator(actor=other, secret="A" * 32, code=pyotp.TOTP("A" * 32).now())
    with pytest.raises(InvalidInput):
        prove_second_factor(actor=other, code=codes[1])
    assert len({code for _round in range(20) for code in new_recovery_codes()}) == 20 * RECOVERY_CODES


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("is_recovery", [False, True])
def test_many_hands_with_one_code_get_in_once(is_recovery: bool) -> None:
    user = UserFactory.create(is_staff=True)
    # A step ahead, so that the code of the enrolment is not the one that is raced for.
    ahead = datetime.now(tz=UTC) + timedelta(seconds=30)
    codes = enrol_authenticator(actor=user, secret=SECRET, code=pyotp.TOTP(SECRET).now())[1]
    code = codes[0] if is_recovery else code_at(ahead)

    def attempt(_number: int) -> bool:
        try:
            return bool(prove_second_factor(actor=user, code=code))
        except DomainError:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(24))) == 1


@pytest.mark.django_db
def test_a_changed_key_locks_nobody_out_while_the_former_is_named(lin: User, settings: Any) -> None:
    enrolled(lin)
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another-key-of-the-town-" + "z" * 40
    with time_machine.travel(MOMENT, tick=False) as clock:
        with pytest.raises(InvalidInput):
            prove_second_factor(actor=lin, code=code_at(MOMENT))
        settings.SECRET_KEY_FALLBACKS = [former]
        prove_second_factor(actor=lin, code=code_at(MOMENT))
        settings.SECRET_KEY_FALLBACKS = []
        clock.shift(60)
        prove_second_factor(actor=lin, code=code_at(MOMENT + timedelta(seconds=60)))


@pytest.mark.django_db
def test_an_administrator_resets_it_and_that_is_on_record(
    client_of: Callable[..., Client], lin: User
) -> None:
    colleague = UserFactory.create(is_staff=True, name="Mei")
    old = enrol_authenticator(actor=colleague, secret="A" * 32, code=pyotp.TOTP("A" * 32).now())
    token = access.open_device(user=colleague, session_key="s", device_name="", has_second_factor=True)
    theirs, admin = client_of(colleague), client_of(lin)
    enrolled(lin)
    for client, row in ((theirs, old[0]), (admin, Authenticator.objects.get(user=lin))):
        session = client.session
        session["second_factor"] = str(row.public_id)
        session.save()
    assert theirs.get("/admin/").status_code == 200 and access.live_device(token)

    chosen = {"action": "reset_second_factor", "_selected_action": [colleague.pk]}
    assert "Reset the second factor" in admin.post("/admin/accounts/user/", chosen).content.decode()
    admin.post("/admin/accounts/user/", chosen | {"confirmed": "1", "note": "Lost on the tram."})
    assert not Authenticator.objects.filter(user=colleague).exists()
    assert theirs.get("/admin/").status_code == 302 and not access.live_device(token)
    entry = LogEntry.objects.get(object_id=str(colleague.pk))
    assert (entry.user, entry.change_message) == (lin, "Reset the second factor. Lost on the tram.")


@pytest.mark.django_db
def test_only_administrators_reset_it(settings: Any, staff: Client, town_staff: User, lin: User) -> None:
    enrolled(lin)
    with pytest.raises(NotAllowed):
        reset_second_factor(actor=town_staff, user=lin)
    settings.STAFF_TOTP = False
    chosen = {"action": "reset_second_factor", "_selected_action": [lin.pk], "confirmed": "1", "note": ""}
    staff.post("/admin/accounts/user/", chosen)
    assert Authenticator.objects.filter(user=lin).exists()


@pytest.mark.django_db
def test_the_operator_resets_it_from_the_command_line(lin: User) -> None:
    enrolled(lin)
    told = StringIO()
    call_command("reset_second_factor", "138 0013 8000", stdout=told)
    assert "forgotten" in told.getvalue() and not Authenticator.objects.exists()
    for phone in ("12", "13900139000"):
        with pytest.raises(CommandError):
            call_command("reset_second_factor", phone)
    with pytest.raises(Conflict):
        renew_recovery_codes(actor=lin)


class TestTheApi:
    """The same powers by the API need the same proof."""

    pytestmark = pytest.mark.django_db

    def enter(self, code: str = "") -> Any:
        headers = {"X-One-Time-Code": code} if code else {}
        return APIClient().post(AUTH + "login/", {"phone": PHONE, "password": PASSWORD}, headers=headers)

    def test_staff_need_the_code_too(self, lin: User, signed_in: Any) -> None:
        assert self.enter("123456").json()["code"] == "no_authenticator"
        enrolled(lin)
        with time_machine.travel(MOMENT, tick=False):
            missing = self.enter()
            assert (missing.status_code, missing.json()["code"]) == (401, "second_factor_required")
            wrong = self.enter("000000")
            assert (wrong.status_code, wrong.json()["code"]) == (400, "wrong_code")
            assert not DeviceToken.objects.filter(user=lin).exists()
            right = self.enter(code_at(MOMENT))
            assert right.status_code == 200, right.json()
            client = signed_in(right.json()["session_token"])
            assert client.get(ME).status_code == client.get(AUTH + "session/").status_code == 200
            assert self.enter(code_at(MOMENT)).status_code == 400, "a code works once"

    def test_tries_are_limited(self, lin: User) -> None:
        enrolled(lin)
        with time_machine.travel(MOMENT, tick=False):
            statuses = [self.enter("000000").status_code for _try in range(SECOND_FACTOR[1].count + 1)]
        assert statuses == [400] * SECOND_FACTOR[1].count + [429]

    def test_a_device_opened_by_password_counts_for_nothing_once_its_user_is_staff(
        self, user: User, login: Any, signed_in: Any
    ) -> None:
        client = signed_in(login())
        assert client.get(ME).status_code == 200
        User.objects.filter(pk=user.pk).update(is_staff=True)
        assert client.get(ME).status_code == client.get(AUTH + "session/").status_code == 401

    def test_merchants_are_asked_for_nothing(self, user: User, login: Any) -> None:
        assert login()


def test_a_machine_token_from_before_the_authenticator_opens_nothing(lin: User) -> None:
    def token_at(moment: datetime) -> str:
        with time_machine.travel(moment, tick=False):
            given = {"scopes": ["profile:read"], "expires_at": MOMENT + timedelta(days=9)}
            return access.issue_api_token(actor=lin, user=lin, name="machine", **given)[1]

    old = token_at(MOMENT - timedelta(hours=1))
    with time_machine.travel(MOMENT, tick=False):
        assert access.live_api_token(old) is None
        enrolled(lin)
        assert access.live_api_token(old) is None
        new = token_at(MOMENT)
        assert access.live_api_token(new) is not None
        User.objects.filter(pk=lin.pk).update(is_staff=False)
        assert access.live_api_token(old) is not None
