"""Clients that use the town all the time, and write down what they send and what they were told.

A line is on the disk before the request goes out, and another after the answer: what was acknowledged and
what was only tried can be told apart afterwards, whatever happened between.
"""

import http.client
import json
import os
import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_lowercase
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
    """What came back at last: status 0 when nothing did."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)
    etag: str = ""
    tries: int = 1


@dataclass
class Tally:
    """How requests went, of all clients."""

    answered: dict[int, int] = field(default_factory=dict)
    broken: int = 0
    without_retry_after: int = 0
    seconds: list[tuple[str, float]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, method: str, status: int, seconds: float, headers: Any) -> None:
        with self.lock:
            self.answered[status] = self.answered.get(status, 0) + 1
            self.seconds.append((method, seconds))
            if status == 503 and "Retry-After" not in headers:
                self.without_retry_after += 1


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
        return Answer(answer.status, found, answer.headers.get("ETag", ""))

    def until_answered(
        self, method: str, path: str, body: Any = None, *, over: threading.Event | None = None, **headers: str
    ) -> Answer:
        """The first answer below 500, asked for again and again; status 0 when patience ended."""
        deadline, tries = time.monotonic() + PATIENCE_SECONDS, 0
        while time.monotonic() < deadline:
            tries += 1
            try:
                answer = self.once(method, path, body, **headers)
                # 409 in_progress: another try of ours, cut off, is still at work.
                in_progress = answer.status == 409 and "in_progress" in json.dumps(answer.body)
                if answer.status < 500 and answer.status != 429 and not in_progress:
                    answer.tries = tries
                    return answer
            except (OSError, http.client.HTTPException, ValueError):
                with self.tally.lock:
                    self.tally.broken += 1
            time.sleep(min(0.05 * 2**tries, 1.0))
        return Answer(0, tries=tries)


@dataclass
class Seat:
    """A stall that one client alone acts for, what new stalls take over from it, and its version at first."""

    stall: Asker
    stall_id: str
    like: dict[str, Any]
    version: int = 0


class Client(threading.Thread):
    """Registers stalls, edits its own, proposes and withdraws, until it is told to stop."""

    def __init__(self, number: int, seat: Seat, journal: Journal, seed: int, pause: float) -> None:
        super().__init__(daemon=True, name=f"client-{number}")
        self.number, self.seat, self.journal, self.pause = number, seat, journal, pause
        self.rng = random.Random(seed * 1000 + number)  # noqa: S311
        self.over = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        moves = (self.register, self.edit, self.edit, self.propose)
        try:
            while not self.over.wait(self.rng.uniform(0.0, 2.0 * self.pause)):
                self.rng.choice(moves)()
        except BaseException as error:  # told in the report: a dead client would look like a quiet one
            self.error = error

    def register(self) -> None:
        """A new stall, whose name is in no other row."""
        # Letters alone: a name with a row of digits could be a phone number, and is refused.
        mark = "".join(self.rng.choice(ascii_lowercase) for _ in range(12))
        name = f"chaos-{mark}"
        body = self.seat.like | {"name": name, "number": mark, "floor": 1}
        self._send("register", name, "POST", "stalls/", body)

    def edit(self) -> None:
        """Another MOQ for its own stall, on the version that it has just read."""
        path = f"stalls/{self.seat.stall_id}/"
        seen = self.seat.stall.until_answered("GET", path)
        if seen.status != 200:
            return
        number = seen.body["moq"] % 500 + 1 if seen.body["moq"] else 1
        self._send("edit", self.seat.stall_id, "PATCH", path, {"moq": number}, If_Match=seen.etag)

    def propose(self) -> None:
        """A proposal to somebody on the list, and most times its withdrawal."""
        page = self.seat.stall.until_answered("GET", f"stalls/{self.seat.stall_id}/suggestions/?page_size=20")
        free = [card for card in page.body.get("results", []) if "propose" in card["allowed_actions"]]
        if not free:
            return
        day = 7 + self.rng.randrange(14)
        at = time.strftime("%Y-%m-%d", time.gmtime(time.time() + day * 86_400))
        hour = self.rng.randrange(9, 21)
        terms = {
            "commission_rate": "0.50",
            "slot_fee_cents": 0,
            "cooperation_mode": self.seat.like["cooperation_modes"][0],
            "sessions": [
                {"starts_at": f"{at}T{hour:02}:00:00+08:00", "ends_at": f"{at}T{hour + 1:02}:00:00+08:00"}
            ],
        }
        body = {"suggestion": self.rng.choice(free)["id"], "terms": terms}
        made = self._send("propose", self.seat.stall_id, "POST", "matches/", body)
        if made.status == 201 and self.rng.random() < 0.8:
            match_id = made.body["id"]
            reason = {"reason_code": "withdraw_mistake"}
            self._send("withdraw", match_id, "POST", f"matches/{match_id}/withdraw/", reason)

    def _send(self, what: str, about: str, method: str, path: str, body: Any, **headers: str) -> Answer:
        key = uuid.uuid4().hex
        told = {"what": what, "about": about, "key": key, "client": self.number, "moq": body.get("moq")}
        self.journal.write(kind="sent", **told)
        answer = self.seat.stall.until_answered(method, path, body, Idempotency_Key=key, **headers)
        made = answer.body.get("id") if answer.status in (200, 201) else None
        self.journal.write(kind="answered", status=answer.status, id=made, tries=answer.tries, **told)
        # A proposal may name an hour at which one of the two is not free.
        if answer.status == 400 and what != "propose":
            raise AssertionError(f"{what}: {answer.body}")
        return answer
