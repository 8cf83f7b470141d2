"""What the fuzzers share: the application itself is called, on the connection that the test looks through."""

import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from matching.services.invariants import check_some


@pytest.fixture
def kept_connection() -> Iterator[None]:
    """The application would close the connection that the test's transaction is on."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def cheap_sign_in(settings: Any) -> None:
    """What makes guessing slow would make a fuzzer slow."""
    settings.AUTH_ANSWER_SECONDS = 0
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


# How many generated requests; from 5,000 on nothing else is left out either.
REQUESTS = int(os.environ.get("MATCHMAKER_TEST_REQUESTS", "300"))


def share(items: Iterable[Any], number: int, of: int) -> list[Any]:
    """Every `of`-th item, beginning with that number: routes and fields take turns. All of them in CI."""
    return [item for at, item in enumerate(items) if REQUESTS >= 5_000 or at % of == number % of]


def violations() -> list[Any]:
    """What is wrong in the town, by invariant."""
    return [(row["number"], row["found"]) for row in check_some() if row["violations"]]


@pytest.fixture
def nothing_broken(db: None) -> Iterator[None]:
    """After the test every invariant holds."""
    yield
    assert violations() == []


@dataclass(frozen=True)
class Sender:
    """One write of the API by somebody who may: a client, an address and a body that is right."""

    client: Any
    method: str
    route: str
    url: str
    body: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.route}"

    def send(
        self, content: bytes, content_type: str = "application/json", length: str = "", **headers: Any
    ) -> Any:
        """Send it; with a `length` that is not its own, as a server hands on what a sender broke off."""
        if length:
            headers |= {"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(content)}
        return self.client.generic(self.method.upper(), self.url, content, content_type, **headers)
