"""Builds that are wrong on purpose, to see that the harness would notice; nothing of the product knows them.

`CHAOS_LOSSY` says how: `forgets` loses every third stall that it has told to be registered, `repeats`
registers each twice, `drops_work` throws the jobs of every edit away.
"""

import os
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from matchmaker.wsgi import application as honest

HOW = os.environ.get("CHAOS_LOSSY", "")
_numbers = count(1)

Start = Callable[..., Any]


def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """The town's application, but for what it loses."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    is_new_stall = method == "POST" and path == "/api/v1/stalls/"
    if HOW == "repeats" and is_new_stall:
        body = environ["wsgi.input"].read()
        first = _with_body(environ, body) | {"HTTP_IDEMPOTENCY_KEY": f"other-{next(_numbers)}-{os.getpid()}"}
        list(honest(first, lambda *_: None))
        return honest(_with_body(environ, body), start_response)
    told: list[str] = []

    def starting(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        told.append(status)
        return start_response(status, headers, *rest)

    answer = list(honest(environ, starting))
    if told and told[0].startswith("2"):
        if HOW == "forgets" and is_new_stall and next(_numbers) % 3 == 0:
            _forget(answer)
        elif HOW == "drops_work" and method == "PATCH":
            _drop_work()
    return answer


def _with_body(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    from io import BytesIO

    return environ | {"wsgi.input": BytesIO(body)}


def _forget(answer: list[bytes]) -> None:
    import json

    from accounts.models import Stall

    Stall.objects.filter(public_id=json.loads(b"".join(answer))["id"]).delete()


def _drop_work() -> None:
    from jobs.models import Job, JobState

    Job.objects.filter(state=JobState.QUEUED).delete()
