"""Kills the web process that serves a request when it commits: `X-Chaos-Kill: before`, `during` or `after`.

`before`: nothing has been done. `after`: all of it, and the client has no answer. `during`: the COMMIT is on
its way.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar

from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse

_aim: ContextVar[str] = ContextVar("chaos_aim", default="")
_commit = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]
# A COMMIT of a small write takes about this long.
_COMMIT_SECONDS = 0.001


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_soon() -> None:
    time.sleep(random.uniform(0.0, _COMMIT_SECONDS))  # noqa: S311
    _die()


def commit(self: BaseDatabaseWrapper) -> None:
    """Commit as Django does, and die where the request asked for it."""
    how = _aim.get()
    if how == "before":
        _die()
    if how == "during":
        threading.Thread(target=_die_soon).start()
    _commit(self)
    if how:
        _die()


BaseDatabaseWrapper._commit = commit  # type: ignore[attr-defined]


class Aim:
    """Middleware that remembers how the request wants its process to end."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _aim.set(request.headers.get("X-Chaos-Kill", ""))
        try:
            return self.get_response(request)
        finally:
            _aim.reset(token)
