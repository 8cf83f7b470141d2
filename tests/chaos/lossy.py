"""Builds that are wrong on purpose, to see that the harness would notice; nothing of the product knows them.

`CHAOS_LOSSY` says how, in words with commas between: `forgets` loses every third stall that it has told to be
registered, `repeats` does every second registration twice, `misfiles` lets every second withdrawn match look
expired. Workers know `drops`, `doubles` and `hushes`, the database knows `ages` (tests/chaos/inside).
"""

import json
import os
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any
from uuid import uuid4

from matchmaker.wsgi import application as honest  # sets Django up

from accounts.models import Stall  # isort: skip
from matching.models import Match  # isort: skip

HOW = set(os.environ.get("CHAOS_LOSSY", "").split(","))
_numbers, _told, _withdrawn = count(1), count(1), count(1)

Start = Callable[..., Any]


def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """The town's application, but for what it loses."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    is_new_stall = method == "POST" and path == "/api/v1/stalls/"
    told: list[str] = []

    def starting(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        told.append(status)
        return start_response(status, headers, *rest)

    answer = list(honest(environ, starting))
    if told and told[0].startswith("2"):
        if "forgets" in HOW and is_new_stall and next(_told) % 3 == 0:
            _forget(answer)
        elif "repeats" in HOW and is_new_stall and next(_numbers) % 2:
            _repeat(answer)
        elif "misfiles" in HOW and path.endswith("/withdraw/") and next(_withdrawn) % 2:
            Match.objects.filter(public_id=path.split("/")[-3]).update(status="expired")
    return answer


def _forget(answer: list[bytes]) -> None:
    Stall.objects.filter(public_id=json.loads(b"".join(answer))["id"]).delete()


def _repeat(answer: list[bytes]) -> None:
    """A second row beside the first, at another place: two at one place the database would refuse."""
    stall = Stall.objects.get(public_id=json.loads(b"".join(answer))["id"])
    stall.pk, stall.public_id, stall.number = None, uuid4(), f"{stall.number[:14]}-2"
    stall.save(force_insert=True)
