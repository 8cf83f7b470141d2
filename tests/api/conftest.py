"""What the tests of the API share."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine

from accounts.signals import profile_changed


@pytest.fixture
def announced() -> Iterator[list[tuple[str, list[int]]]]:
    """The facts `profile_changed` sent during the test, as (side, ids)."""
    facts: list[tuple[str, list[int]]] = []

    def note(*, side: str, ids: list[int], **_: Any) -> None:
        facts.append((side, list(ids)))

    profile_changed.connect(note, dispatch_uid="tests.announced")
    yield facts
    profile_changed.disconnect(dispatch_uid="tests.announced")


@pytest.fixture
def time_machine_at():
    """A context in which the clock stands at a given moment."""
    return lambda moment: time_machine.travel(moment, tick=False)
