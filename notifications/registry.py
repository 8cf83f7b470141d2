"""Which function tells which topic (layer: pure)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


class Fact(Protocol):
    """What a notice holds: codes and ids."""

    pk: Any
    topic: str
    subject_id: UUID | None
    facts: dict[str, Any]


@dataclass(frozen=True)
class Told:
    """A notice in words, in the language that is active."""

    title: str
    body: str


# Reads what a page of notices needs, in a number of queries that does not grow with them, and returns the
# function that puts one of them into words.
Teller = Callable[[Sequence[Fact]], Callable[[Fact], Told]]
_tellers: dict[str, Teller] = {}


def tells(topic: str) -> Callable[[Teller], Teller]:
    """Register the decorated function for notices of `topic`."""

    def register(teller: Teller) -> Teller:
        if _tellers.setdefault(topic, teller) is not teller:
            raise ValueError(f"two tellers of {topic}")
        return teller

    return register


def teller_of(topic: str) -> Teller:
    """Return the teller of `topic`; raise LookupError naming the known topics."""
    if topic not in _tellers:
        raise LookupError(f"no teller of {topic!r}; known: {sorted(_tellers)}")
    return _tellers[topic]
