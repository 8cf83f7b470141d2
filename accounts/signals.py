"""Facts that accounts announces; receivers of other apps turn them into jobs (layer: signals)."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.dispatch import Signal

_is_hushed: ContextVar[bool] = ContextVar("is_hushed", default=False)


class Fact(Signal):
    """A signal that a load of a whole town can keep back, see `hushed`."""

    def send(self, sender: Any, **named: Any) -> list[tuple[Any, Any]]:
        return [] if _is_hushed.get() else super().send(sender, **named)


@contextmanager
def hushed() -> Iterator[None]:
    """Announce nothing within the block; whoever uses it asks for one recomputation of everybody at its end.

    55,000 registrations would else write as many jobs, or restart that recomputation with every transaction.
    """
    token = _is_hushed.set(True)
    try:
        yield
    finally:
        _is_hushed.reset(token)


# Sent inside the transaction with `side` ("stall" or "anchor"), `ids` (list of int) and `actor` (User or
# None) by every service that changes what matching sees of a party.
profile_changed = Fact()

# Sent inside the transaction in which a person was erased, with `erasure` (its row).
person_erased = Signal()
