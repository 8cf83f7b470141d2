"""An everyday load on a whole town for a while: answer times, failures, memory, erasures.

    python -m benchmarks.soak --minutes 20 --rate 60 [--stalls 300 --anchors 3000]

Starts PostgreSQL, Redis, gunicorn, two workers and beat of its own, as the fault harness does, and asks at a
fixed rate, whatever the answers take: 80 % reads, 19 % writes, 1 % sign-ins by password, each a new token.
The time of a request counts from when it was due, so that a town which falls behind is not measured by less.
Once a minute an anchor is erased: seconds until that is answered (nobody sees her any more) and all is gone.

Prints one JSON object; memory is the proportional share (PSS) of each part with its children, and the slope
that of a straight line through the least of each minute of the later half.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import random
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.asking import Tally
from tests.chaos.cluster import Cluster, cluster
from tests.chaos.memory import Memory
from tests.chaos.report import spread
from tests.chaos.seats import AnchorSeat, Seats, take_seats

HANDS = 24
PASSWORD = "a-long-enough-password-9"  # noqa: S105 (of a town that ends with this run)


@dataclass(frozen=True)
class Answer:
    """One answer: its status, its JSON and its ETag."""

    status: int
    body: Any
    etag: str


@dataclass
class Seen:
    """What was measured."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    resent: int = 0  # over a new connection, because the kept one was closed meanwhile
    erased: list[dict[str, float]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Hand(threading.Thread):
    """One of those who ask, over a kept connection: takes the next request that is due, and waits for it."""

    def __init__(
        self, number: int, town: Cluster, seats: Seats, phones: list[str], seen: Seen, load: Load
    ) -> None:
        super().__init__(daemon=True, name=f"hand-{number}")
        self.rng = random.Random(number)  # noqa: S311
        self.port, self.seats, self.phones, self.seen, self.load = town.port, seats, phones, seen, load
        self.anchors = list(seats.anchors.values())
        # An address of its own: sign-ins are limited by it.
        self.address = f"127.0.1.{number + 1}"
        self.connection: http.client.HTTPConnection | None = None
        self.known: dict[str, Any] = {}

    def run(self) -> None:
        acts, weights = zip(*EVERYDAY, strict=True)
        for due in self.load:
            time.sleep(max(0.0, due - time.monotonic()))
            act = self.rng.choices(acts, weights)[0]
            self.due = due
            try:
                act(self)
            except Exception as error:  # an answer of another shape than promised: a failure, and no end
                self._count(f"{act.__name__}: {error!r}")
        if self.connection:
            self.connection.close()

    def ask(
        self, kind: str, method: str, path: str, token: str = "", body: Any = None, **headers: str
    ) -> Answer:
        """Ask once; a broken connection counts as a failure and status 0."""
        sent = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        text = None if body is None else json.dumps(body)
        try:
            answer = self._answer(method, path, text, sent)
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection = None
            self._count(type(error).__name__)
            return Answer(0, {}, "")
        with self.seen.lock:
            self.seen.seconds[kind].append(time.monotonic() - self.due)
            self.seen.statuses[f"{kind} {answer.status}"] += 1
        found = json.loads(data) if data and "json" in answer.headers.get("Content-Type", "") else {}
        return Answer(answer.status, found, answer.headers.get("ETag", ""))

    def _answer(self, method: str, path: str, text: str | None, sent: dict[str, str]) -> Any:
        """The answer over the kept connection, or over a new one when the server has closed it."""
        is_kept = self.connection is not None
        if self.connection is None:
            self.connection = http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=60, source_address=(self.address, 0)
            )
        try:
            self.connection.request(method, f"/api/v1/{path}", text, sent)
            return self.connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):
            self.connection.close()
            self.connection = None
            if not is_kept:
                raise
        with self.seen.lock:
            self.seen.resent += 1
        return self._answer(method, path, text, sent)

    def _count(self, what: str) -> None:
        with self.seen.lock:
            self.seen.broken[what] += 1

    # --- reads ---

    def look(self) -> None:
        """A page of suggestions, as a stall or as an anchor."""
        if self.rng.random() < 0.6:
            seat = self.rng.choice(self.seats.stalls)
            path, token = f"stalls/{seat.stall_id}/suggestions/?page_size=20", seat.asker.token
        else:
            path, token = "anchors/me/suggestions/?page_size=20", self.rng.choice(self.anchors).asker.token
        answer = self.ask("suggestions", "GET", path, token)
        if answer.status == 200 and answer.body["results"]:
            self.known = answer.body | {"token": token}

    def matches(self) -> None:
        """One's matches."""
        self.ask("matches", "GET", "matches/", self.rng.choice(self.seats.stalls).asker.token)

    def notices(self) -> None:
        """One's notices."""
        self.ask("notices", "GET", "notifications/", self.rng.choice(self.anchors).asker.token)

    def profile(self) -> None:
        """One's own profile."""
        seat = self.rng.choice(self.seats.stalls)
        self.ask("profile", "GET", f"stalls/{seat.stall_id}/", seat.asker.token)

    def words(self) -> None:
        """A list of codes that forms are filled from."""
        self.ask("codes", "GET", "categories/")

    # --- writes ---

    def seen_cards(self) -> None:
        """That a page was seen."""
        if not self.known:
            return self.look()
        names = ("id", "rank", "score")
        cards = [{name: card[name] for name in names} for card in self.known["results"][:10]]
        body = {"list_id": self.known["list_id"], "suggestions": cards}
        self.ask("impressions", "POST", "suggestions/impressions/", self.known["token"], body)
        return None

    def react(self) -> None:
        """That one likes somebody."""
        if not self.known:
            return self.look()
        card = self.rng.choice(self.known["results"])
        path = f"suggestions/{card['id']}/reaction/"
        self.ask("reaction", "PUT", path, self.known["token"], {"kind": "like"})
        return None

    def edit(self) -> None:
        """A changed profile: lists are computed again."""
        seat = self.rng.choice(self.seats.stalls)
        path, token = f"stalls/{seat.stall_id}/", seat.asker.token
        answer = self.ask("profile", "GET", path, token)
        if answer.status == 200:
            self.due = time.monotonic()
            body = {"moq": self.rng.randint(1, 500)}
            self.ask("edit", "PATCH", path, token, body, If_Match=answer.etag)

    def sign_in(self) -> None:
        """A new token for a password."""
        body = {"phone": self.rng.choice(self.phones), "password": PASSWORD}
        self.ask("sign-in", "POST", "auth/login/", body=body)


# Of a hundred: 80 reads, 19 writes, one new token.
EVERYDAY: tuple[tuple[Callable[[Hand], None], int], ...] = (
    (Hand.look, 34), (Hand.matches, 12), (Hand.notices, 14), (Hand.profile, 10), (Hand.words, 10),
    (Hand.seen_cards, 12), (Hand.react, 4), (Hand.edit, 3), (Hand.sign_in, 1),
)  # fmt: skip


class Load:
    """The moments at which requests are due, handed out one by one to whoever is free."""

    def __init__(self, rate: float, seconds: float) -> None:
        self._began = time.monotonic()
        self._ends = self._began + seconds
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._rate = rate

    def __iter__(self) -> Load:
        return self

    def __next__(self) -> float:
        with self._lock:
            due = self._began + next(self._numbers) / self._rate
        if due >= self._ends:
            raise StopIteration
        return due


def erase_some(victims: list[AnchorSeat], seen: Seen, every: float, over: threading.Event) -> None:
    """Erase an anchor every so often, and measure how long it takes until she is gone."""
    from django.db import connection

    from accounts.models import Anchor, Erasure

    for victim in victims:
        if over.wait(every):
            break
        user = Anchor.objects.get(pk=victim.pk).memberships.get().user
        body = {"phone": str(user.phone), "password": PASSWORD}
        token = victim.asker.once("POST", "auth/login/", body).body["session_token"]
        began = time.monotonic()
        answer = victim.asker.once(
            "POST", "accounts/me/erase/", {"password": PASSWORD}, Authorization="", X_Session_Token=token
        )
        told = {"answered": time.monotonic() - began, "status": float(answer.status)}
        while not Erasure.objects.filter(user=user, finished_at__isnull=False).exists():
            if time.monotonic() - began > 120:
                break
            time.sleep(0.05)
        told["erased"] = time.monotonic() - began
        seen.erased.append(told)
    connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=60.0, help="requests a second")
    parser.add_argument("--stalls", type=int, default=300)
    parser.add_argument("--anchors", type=int, default=3000)
    parser.add_argument(
        "--accounts", type=int, default=150, help="stalls that ask, and twice as many anchors"
    )
    parser.add_argument("--erase-every", type=float, default=60.0, help="seconds between erasures")
    plan = parser.parse_args()
    with cluster(stalls=plan.stalls, anchors=plan.anchors) as town:
        print(json.dumps(soak(town, plan), ensure_ascii=False, indent=1))
    return 0


def soak(town: Cluster, plan: argparse.Namespace) -> dict[str, Any]:
    """Return what one run showed."""
    town.set_up_django()
    from django.contrib.auth.hashers import make_password
    from django.utils import timezone

    from accounts.models import User
    from matching.services.recommendations import rematch_everybody

    rematch_everybody()
    seats = take_seats(town, Tally(), plan.accounts, anchors=2 * plan.accounts)
    User.objects.filter(is_staff=False).update(
        password=make_password(PASSWORD), phone_verified_at=timezone.now()
    )
    phones = [str(phone) for phone in User.objects.filter(is_staff=False).values_list("phone", flat=True)]
    victims = [seats.anchors.popitem()[1] for _ in range(min(30, plan.accounts))]
    seen, memory, over = Seen(), Memory(town), threading.Event()
    load = Load(plan.rate, 60.0 * plan.minutes)
    hands = [Hand(number, town, seats, phones, seen, load) for number in range(HANDS)]
    eraser = threading.Thread(target=erase_some, args=(victims, seen, plan.erase_every, over), daemon=True)
    began = time.monotonic()
    for thread in (*hands, memory, eraser):
        thread.start()
    while any(hand.is_alive() for hand in hands):
        time.sleep(5.0)
        minutes, asked = (time.monotonic() - began) / 60.0, sum(seen.statuses.values())
        sys.stderr.write(f"\r{minutes:.1f} of {plan.minutes:g} minutes, {asked} answers")
    seconds = time.monotonic() - began
    over.set()
    memory.end()
    eraser.join()
    return _told(plan, seen, memory, seconds)


def _told(plan: argparse.Namespace, seen: Seen, memory: Memory, seconds: float) -> dict[str, Any]:
    answers = sum(seen.statuses.values())
    reads = ("suggestions", "matches", "notices", "profile", "codes")
    writes = ("impressions", "reaction", "edit")
    failed = sum(n for kind, n in seen.statuses.items() if int(kind.split()[1]) >= 500) + sum(
        seen.broken.values()
    )
    return {
        "plan": vars(plan),
        "load_average": os.getloadavg(),
        "answers": answers,
        "answers_per_second": round(answers / seconds, 1),
        "failed_share": round(failed / max(answers, 1), 6),
        "reads": spread(took for kind in reads for took in seen.seconds[kind]),
        "writes": spread(took for kind in writes for took in seen.seconds[kind]),
        "by_kind": {kind: spread(took) for kind, took in sorted(seen.seconds.items())},
        "statuses": dict(sorted(seen.statuses.items())),
        "broken": dict(seen.broken),
        "sent_again_over_a_new_connection": seen.resent,
        "erasures": {
            name: spread(told[name] for told in seen.erased) for name in ("answered", "erased", "status")
        },
        "memory": memory.told(),
    }


if __name__ == "__main__":
    sys.exit(main())
