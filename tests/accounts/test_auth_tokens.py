"""Tokens of devices and machines: what counts, what does not, what is stored."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.choices import Scope
from accounts.digests import digest_of
from accounts.models import ApiToken, DeviceToken, User
from accounts.services import access
from matchmaker.core.errors import Conflict, InvalidInput, NotAllowed
from tests.accounts.conftest import AUTH, PASSWORD, PHONE, STRANGER

pytestmark = pytest.mark.django_db
ME = "/api/v1/accounts/me/"
TOKENS = "/api/v1/tokens/"
DEVICES = "/api/v1/devices/"


def machine(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def issue(user: User, *scopes: str, days: int = 7) -> tuple[ApiToken, str]:
    expires_at = timezone.now() + timedelta(days=days)
    return access.issue_api_token(
        actor=user, user=user, name="cash desk", scopes=list(scopes), expires_at=expires_at
    )


@pytest.fixture
def stranger(db: None) -> User:
    return User.objects.create_user(STRANGER, PASSWORD)


def test_anonymous_is_401_and_told_how(db) -> None:
    for path in (ME, TOKENS, DEVICES):
        answer = APIClient().get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", ["", "nonsense", "\xff\xfe", "x" * 5000, "mmk_" + "x" * 43])
def test_an_unknown_token_is_401(db, token: str) -> None:
    device = APIClient()
    device.credentials(HTTP_X_SESSION_TOKEN=token)
    assert device.get(ME).status_code == 401
    assert machine(token).get(ME).status_code == 401


def test_a_device_token_ends_with_its_time(login, signed_in, settings) -> None:
    settings.DEVICE_IDLE_DAYS = settings.DEVICE_TOKEN_DAYS  # tests/doors has the limit of disuse
    client = signed_in(login())
    with time_machine.travel(timezone.now() + timedelta(days=settings.DEVICE_TOKEN_DAYS, seconds=-60)):
        assert client.get(ME).status_code == 200
        assert client.get(AUTH + "session/").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=settings.DEVICE_TOKEN_DAYS, seconds=60)):
        assert client.get(ME).status_code == 401
        assert client.get(AUTH + "session/").status_code == 401


def test_a_revoked_device_is_out_at_once(login, signed_in) -> None:
    here, there = signed_in(login()), signed_in(login())
    rows = {row["is_current"]: row for row in here.get(DEVICES).json()["results"]}
    assert here.delete(f"{DEVICES}{rows[False]['id']}/").status_code == 204
    assert there.get(ME).status_code == 401
    assert there.get(AUTH + "session/").status_code == 401
    assert here.get(ME).status_code == 200
    assert here.delete(f"{DEVICES}{rows[False]['id']}/").status_code == 404


def test_a_disabled_user_is_out_at_once(user, login, signed_in) -> None:
    client = signed_in(login())
    _row, plain = issue(user, Scope.PROFILE_READ)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get(ME).status_code == 401
    assert client.get(AUTH + "session/").status_code == 401
    assert machine(plain).get(ME).status_code == 401
    answer = APIClient().post(AUTH + "login/", {"phone": PHONE, "password": PASSWORD})
    assert answer.status_code == 400


def test_strangers_devices_and_tokens_are_404(user, stranger, login, signed_in) -> None:
    token = login()
    device = DeviceToken.objects.get(user=user, revoked_at=None)
    row, plain = issue(user, Scope.PROFILE_READ)
    theirs = access.open_device(user=stranger, session_key="s" * 32, device_name="")
    other = signed_in(theirs)
    assert other.delete(f"{DEVICES}{device.public_id}/").status_code == 404
    assert other.delete(f"{TOKENS}{row.public_id}/").status_code == 404
    assert other.get(TOKENS).json()["results"] == []
    assert signed_in(token).get(ME).status_code == 200
    assert machine(plain).get(ME).status_code == 200
    with pytest.raises(NotAllowed):
        access.revoke_api_token(actor=stranger, token=row)


def test_a_machine_token_is_made_shown_once_and_revoked(login, signed_in) -> None:
    client = signed_in(login())
    body = {
        "name": "cash desk",
        "scopes": ["profile:read"],
        "expires_at": (timezone.now() + timedelta(days=30)).isoformat(),
    }
    made = client.post(TOKENS, body)
    assert made.status_code == 201, made.json()
    plain = made.json()["token"]
    assert plain.startswith("mmk_") and len(plain) == 47
    assert machine(plain).get(ME).json()["phone"] == PHONE

    listed = client.get(TOKENS).json()["results"]
    assert [row["id"] for row in listed] == [made.json()["id"]]
    assert "token" not in listed[0] and listed[0]["prefix"] == plain[:12]

    assert client.delete(f"{TOKENS}{made.json()['id']}/").status_code == 204
    assert machine(plain).get(ME).status_code == 401


def test_a_machine_token_ends_with_its_time(user) -> None:
    _row, plain = issue(user, Scope.PROFILE_READ, days=1)
    with time_machine.travel(timezone.now() + timedelta(days=1, seconds=1)):
        assert machine(plain).get(ME).status_code == 401


def test_a_machine_needs_the_scope(user) -> None:
    reader = machine(issue(user, Scope.PROFILE_READ)[1])
    writer = machine(issue(user, Scope.PROFILE_WRITE)[1])
    assert reader.get(ME).status_code == 200
    refused = reader.patch(ME, {"name": "Bot"})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert writer.get(ME).status_code == 403
    assert writer.patch(ME, {"name": "Bot"}).status_code == 200


def test_a_machine_cannot_reach_what_names_no_scope(user) -> None:
    client = machine(issue(user, *Scope.values)[1])
    expires_at = (timezone.now() + timedelta(days=1)).isoformat()
    body = {"name": "child", "scopes": ["profile:read"], "expires_at": expires_at}
    assert client.post(TOKENS, body).status_code == 403
    assert client.get(TOKENS).status_code == 403
    assert client.get(DEVICES).status_code == 403
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "expires_at"),
        ({"expires_at": timezone.now() + timedelta(days=800)}, "expires_at"),
    ],
)
def test_bad_machine_tokens_are_refused_with_the_field(user, change: dict, field: str) -> None:
    expires_at = timezone.now() + timedelta(days=1)
    values = {"name": "cash desk", "scopes": ["profile:read"], "expires_at": expires_at} | change
    with pytest.raises(InvalidInput) as refusal:
        access.issue_api_token(actor=user, user=user, **values)
    assert list(refusal.value.fields) == [field]
    assert not ApiToken.objects.exists()


def test_nobody_holds_more_than_twenty_machine_tokens(user) -> None:
    for _number in range(access.API_TOKENS_MAX):
        issue(user, Scope.PROFILE_READ)
    with pytest.raises(Conflict):
        issue(user, Scope.PROFILE_READ)


def test_no_table_holds_a_plain_token(user, login, signed_in) -> None:
    device, (_row, plain) = login(), issue(user, Scope.PROFILE_READ)
    signed_in(device).get(ME)
    machine(plain).get(ME)
    text = everything_stored()
    assert digest_of(device) in text and digest_of(plain) in text
    assert device not in text and plain not in text and PASSWORD not in text


def everything_stored() -> str:
    """Every value of every table, as text."""
    values = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 (own tables)
            values += [str(value) for row in cursor.fetchall() for value in row]
    return "\n".join(values)


def test_authentication_is_one_query(user, login, django_assert_num_queries) -> None:
    device, (_row, plain) = login(), issue(user, Scope.PROFILE_READ)
    machine(plain).get(ME)  # the first use of a minute is noted
    by_device = APIClient()
    by_device.credentials(HTTP_X_SESSION_TOKEN=device)
    for client in (by_device, machine(plain)):
        with django_assert_num_queries(2):  # the token with its user, and the memberships
            assert client.get(ME).status_code == 200


def test_use_is_noted_at_most_once_a_minute(user) -> None:
    row, plain = issue(user, Scope.PROFILE_READ)
    with time_machine.travel("2026-05-01T08:00:00Z", tick=False) as clock:
        ApiToken.objects.filter(pk=row.pk).update(expires_at=timezone.now() + timedelta(days=1))
        seen = []
        for seconds in (0, 59, 1):
            clock.shift(seconds)
            machine(plain).get(ME)
            row.refresh_from_db()
            seen.append(row.last_used_at)
        assert seen[0] == seen[1] and seen[2] - seen[0] == timedelta(seconds=60)


def test_answers_are_in_the_users_language_unless_the_request_names_one(user) -> None:
    _row, plain = issue(user, Scope.PROFILE_READ)
    User.objects.filter(pk=user.pk).update(language="en")
    client = machine(plain)
    assert client.get(ME)["Content-Language"] == "en"
    assert client.get(ME, headers={"Accept-Language": "zh-hans"})["Content-Language"] == "zh-hans"
    User.objects.filter(pk=user.pk).update(language="")
    assert client.get(ME)["Content-Language"] == "zh-hans"


def test_me_can_be_edited_and_refuses_what_it_does_not_know(user, login, signed_in) -> None:
    client = signed_in(login())
    answer = client.patch(ME, {"name": "Wang Fang", "language": "en"})
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["language"]) == ("Wang Fang", "en")
    for body in ({"is_staff": True}, {"phone": STRANGER}, {"language": "xx"}, {"name": "n" * 61}):
        refused = client.patch(ME, body)
        assert refused.status_code == 400 and list(refused.json()["fields"]) == list(body)
    user.refresh_from_db()
    assert not user.is_staff and user.phone == PHONE


def test_what_ended_is_forgotten(user, login, signed_in) -> None:
    token = login()
    issue(user, Scope.PROFILE_READ, days=1)
    get_user_model().objects.create_user(STRANGER, PASSWORD, phone_verified_at=None)
    assert access.forget_expired_access() == 0
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        assert access.forget_expired_access() >= 1
        assert not User.objects.filter(phone=STRANGER).exists()
        assert signed_in(token).get(ME).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=90)):
        access.forget_expired_access()
    assert not DeviceToken.objects.exists() and not ApiToken.objects.exists()
    assert User.objects.filter(pk=user.pk).exists()
