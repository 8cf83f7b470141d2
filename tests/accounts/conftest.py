"""What the tests of signing in share: cheap hashes, SMS in memory, somebody with an account."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.signals import profile_changed
from accounts.sms import MemorySms

PHONE = "+8613800138000"
STRANGER = "+8613900139000"
PASSWORD = "green-Tea-and-42-buns"
AUTH = "/api/v1/auth/"


@pytest.fixture(autouse=True)
def cheap_passwords(settings: Any) -> None:
    settings.AUTH_ANSWER_SECONDS = 0
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def sms(settings: Any) -> list[tuple[str, str]]:
    settings.SMS_BACKEND = "memory"
    MemorySms.outbox.clear()
    return MemorySms.outbox


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user(PHONE, PASSWORD, name="Li Wei")


@pytest.fixture
def signed_in() -> Callable[[str], APIClient]:
    """A client that sends a token."""

    def make(token: str) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_X_SESSION_TOKEN=token)
        return client

    return make


@pytest.fixture
def login(user: User) -> Callable[[], str]:
    """Sign `user` in by password over the API; returns the token."""

    def enter() -> str:
        answer = APIClient().post(AUTH + "login/", {"phone": PHONE, "password": PASSWORD})
        assert answer.status_code == 200, answer.json()
        return str(answer.json()["session_token"])

    return enter


def code_in(sms: list[tuple[str, str]]) -> str:
    """The six digits of the last message."""
    digits = "".join(char if char.isdigit() else " " for char in sms[-1][1].split("]", 1)[-1])
    return digits.split()[0]


@pytest.fixture
def facts() -> Iterator[list[tuple[str, list[int]]]]:
    """The facts `profile_changed` sent during the test, as (side, ids)."""
    sent: list[tuple[str, list[int]]] = []

    def note(*, side: str, ids: list[int], **_: Any) -> None:
        sent.append((side, list(ids)))

    profile_changed.connect(note, dispatch_uid="tests.facts")
    yield sent
    profile_changed.disconnect(dispatch_uid="tests.facts")
