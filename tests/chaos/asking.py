"""How the harness asks the town, and what it writes down of it.

A line is on the disk before the request goes out, and another after the answer: what was acknowledged and
what was only tried can be told apart afterwards, whatever happened between.
"""

import http.client
import json
import os
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A request that was not answered is sent again with the same key for so long.
PATIENCE_SECONDS = 90.0
TIMEOUT_SECONDS = 15.0


class Journal:
    """Lines of JSON, each on the disk before it is left."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self.lines: list[dict[str, Any]] = []

    def write(self, **line: Any) -> None:
        with self._lock:
            self.lines.append(line)
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())


@dataclass
class Answer:
    """What came back at last: status 0 when nothing did; `replayed` when an earlier try had done it."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)
    etag: str = ""
    replayed: bool = False
    tries: int = 1


@dataclass(frozen=True)
class Asked:
    """One answered request; `at` is when the answer came, by the monotonic clock."""

    method: str
    status: int
    seconds: float
    at: float


@dataclass
class Tally:
    """How requests went, of all clients."""

    answered: dict[int, int] = field(default_factory=dict)
    broken: int = 0
    without_retry_after: int = 0
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, method: str, status: int, seconds: float, headers: Any) -> None:
        with self.lock:
            self.answered[status] = self.answered.get(status, 0) + 1
            self.asked.append(Asked(method, status, seconds, time.monotonic()))
            if status == 503 and "Retry-After" not in headers:
                self.without_retry_after += 1

    def note_broken(self) -> None:
        with self.lock:
            self.broken += 1


class Asker:
    """One token at one address; asks once, or until there is an answer that is no failure of the town."""

    def __init__(self, port: int, token: str, tally: Tally) -> None:
        self.port, self.token, self.tally = port, token, tally

    def once(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One try; OSError and http.client's errors when the town does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        began = time.monotonic()
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v1/{path}", text, sent)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        self.tally.note(method, answer.status, time.monotonic() - began, answer.headers)
        found = json.loads(data) if data and "json" in answer.headers.get("Content-Type", "") else {}
        replayed = "Idempotency-Replayed" in answer.headers
        return Answer(answer.status, found, answer.headers.get("ETag", ""), replayed)

    def until_answered(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """The first answer below 500, asked for again and again; status 0 when patience ended."""
        deadline, tries = time.monotonic() + PATIENCE_SECONDS, 0
        while time.monotonic() < deadline:
            tries += 1
            try:
                answer = self.once(method, path, body, **headers)
                if answer.status < 500:
                    answer.tries = tries
                    return answer
            except (OSError, http.client.HTTPException, ValueError):
                self.tally.note_broken()
            time.sleep(min(0.05 * 2**tries, 1.0))
        return Answer(0, tries=tries)


@dataclass
class Scribe:
    """Sends writes with a key, and puts each into the journal before and after."""

    journal: Journal
    name: str
    killed: int = 0  # how many aimed tries had no answer

    def send(
        self, asker: Asker, what: str, about: str, method: str, path: str, body: Any, **headers: str
    ) -> Answer:
        """Send until answered; `aim` among the headers is for the first try alone."""
        key, aim = uuid.uuid4().hex, headers.pop("aim", "")
        headers["Idempotency_Key"] = key
        told = {"what": what, "about": about, "key": key, "by": self.name, "moq": body.get("moq")}
        self.journal.write(kind="sent", at=time.time(), **told)
        first = self._aimed(asker, method, path, body, aim, **headers) if aim else None
        answer = first or asker.until_answered(method, path, body, **headers)
        self.killed += bool(aim) and first is None
        given = answer.body if 200 <= answer.status < 300 else {}
        self.journal.write(
            kind="answered",
            status=answer.status,
            code=answer.body.get("code"),
            id=given.get("id"),
            becomes=given.get("status"),
            replayed=answer.replayed,
            tries=answer.tries,
            aim=aim if first is None else "",
            **told,
        )
        return answer

    @staticmethod
    def _aimed(asker: Asker, method: str, path: str, body: Any, aim: str, **headers: str) -> Answer | None:
        """The answer of a try that should have had none, or None as it should be."""
        try:
            return asker.once(method, path, body, **headers, X_Chaos_Kill=aim)
        except (OSError, http.client.HTTPException, ValueError):
            asker.tally.note_broken()
            return None
