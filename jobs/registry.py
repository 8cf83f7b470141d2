"""Which function does which kind of job (layer: pure)."""

from collections.abc import Callable
from typing import Any, Protocol


class Run(Protocol):
    """What a handler may do with the job it works on."""

    # The same when the job is done again after a killed worker; the first one's of several done in one go.
    job_id: int

    def progress(self, done: int, total: int) -> None:
        """Tell how far the work is."""


Handler = Callable[..., dict[str, Any] | None]
_handlers: dict[str, Handler] = {}
_joint: set[str] = set()
Chore = Callable[[], object]
_chores: list[Chore] = []


def handles(kind: str, *, jointly: bool = False) -> Callable[[Handler], Handler]:
    """Register the decorated function for jobs of `kind`; it is called as `handler(run, **args)`.

    With `jointly` one call does all jobs of the kind that are queued: `handler(run, each=[args, …])`.
    """

    def register(handler: Handler) -> Handler:
        if _handlers.setdefault(kind, handler) is not handler:
            raise ValueError(f"two handlers for {kind}")
        if jointly:
            _joint.add(kind)
        return handler

    return register


def is_joint(kind: str) -> bool:
    """Whether jobs of `kind` are done many at once."""
    return kind in _joint


def handler_for(kind: str) -> Handler:
    """Return the handler of `kind`; raise LookupError naming the known kinds."""
    if kind not in _handlers:
        raise LookupError(f"no handler for {kind!r}; known: {sorted(_handlers)}")
    return _handlers[kind]


def on_every_worker(chore: Chore) -> Chore:
    """Register what every worker sees to on its own machine every few seconds; it has to cost little."""
    _chores.append(chore)
    return chore


def chores() -> list[Chore]:
    """Return what every worker sees to."""
    return list(_chores)
