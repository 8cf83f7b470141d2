"""Clients that use the town all the time: each acts for one stall, and for whoever has to answer it."""

import random
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from string import ascii_lowercase
from typing import Any
from zoneinfo import ZoneInfo

from tests.chaos.asking import Answer, Asker, Journal, Scribe
from tests.chaos.seats import AnchorSeat, Seats

FIGURES = {
    "gmv_cents": 1_000_000, "orders": 100, "buyers": 80, "views": 6_000, "viewers": 3_000,
    "duration_seconds": 3_600, "refunded_cents": 180_000, "cancelled_cents": 100_000, "orders_cancelled": 10,
    "orders_returned": 18,
}  # fmt: skip
_TOWN = ZoneInfo("Asia/Shanghai")
# What a client may be told, for others act at the same time; anything else is a fault of the town or of ours.
REFUSALS = {
    "propose": {400, 409},  # the hour is taken, the pair is open already or does not fit any more
    "accept": {409},  # the hour or the week was taken meanwhile
    "approve": {409},  # likewise
}


class Client(threading.Thread):
    """Acts until it is told to stop: registers, edits, proposes, answers, decides, tells outcomes."""

    def __init__(self, number: int, seats: Seats, journal: Journal, seed: int, pause: float) -> None:
        super().__init__(daemon=True, name=f"client-{number}")
        self.seats, self.seat, self.pause = seats, seats.stalls[number], pause
        self.scribe = Scribe(journal, self.name)
        self.rng = random.Random(seed * 1000 + number)  # noqa: S311
        self.over = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        moves: tuple[Callable[[], Any], ...] = (
            self.register, self.edit, self.edit, self.bargain, self.bargain, self.tell,
        )  # fmt: skip
        try:
            while not self.over.wait(self.rng.uniform(0.0, 2.0 * self.pause)):
                self.rng.choice(moves)()
        except BaseException as error:  # told in the report: a dead client would look like a quiet one
            self.error = error

    def register(self, **headers: str) -> Answer:
        """A new stall, whose name is in no other row."""
        # Letters alone: a name with a row of digits could be a phone number, and is refused.
        mark = "".join(self.rng.choice(ascii_lowercase) for _ in range(12))
        body = self.seat.like | {"name": f"chaos-{mark}", "number": mark, "floor": 1}
        return self._send(self.seat.asker, "register", f"chaos-{mark}", "POST", "stalls/", body, **headers)

    def edit(self, **headers: str) -> Answer:
        """Another MOQ for its own stall, on the version that it has just read."""
        path = f"stalls/{self.seat.stall_id}/"
        seen = self.seat.asker.until_answered("GET", path)
        if seen.status != 200:
            return seen
        body = {"moq": seen.body["moq"] % 500 + 1 if seen.body["moq"] else 1}
        headers["If_Match"] = seen.etag
        return self._send(self.seat.asker, "edit", self.seat.stall_id, "PATCH", path, body, **headers)

    def bargain(self) -> None:
        """A proposal to somebody on the list, and what becomes of it."""
        found = self.propose()
        if found is None:
            return
        match, anchor = found
        chance = self.rng.random()
        if chance < 0.03:  # who declines is not suggested again for a month: there are not that many
            self._move(anchor.asker, match, "decline", reason_code="decline_terms")
        elif chance < 0.3:
            self._move(self.seat.asker, match, "withdraw", reason_code="withdraw_mistake")
        elif chance < 0.95 and self._move(anchor.asker, match, "accept").status == 200:
            self._decide(match)

    def propose(self, **headers: str) -> tuple[str, AnchorSeat] | None:
        """The match that a proposal made, with the anchor; None when there was nobody or it was refused."""
        path = f"stalls/{self.seat.stall_id}/suggestions/?page_size=50"
        cards = self.seat.asker.until_answered("GET", path).body.get("results", [])
        free = [card for card in cards if "propose" in card["allowed_actions"]]
        self.rng.shuffle(free)
        for card in free:
            anchor = self.seats.anchors.get(card["partner"]["id"])
            terms = anchor and self._terms(anchor)
            if anchor and terms:
                body = {"suggestion": card["id"], "terms": terms}
                stall = self.seat.stall_id
                made = self._send(self.seat.asker, "propose", stall, "POST", "matches/", body, **headers)
                return (made.body["id"], anchor) if made.status == 201 else None
        return None

    def tell(self) -> None:
        """What one of its sessions brought; the anchor confirms it."""
        if not self.seat.held:
            return self.bargain()
        booking, anchor = self.seat.held.pop()
        path = f"bookings/{booking}/outcome/"
        if self._send(self.seat.asker, "record", booking, "PUT", path, FIGURES).status == 201:
            self._send(anchor.asker, "confirm", booking, "POST", f"{path}confirm/", {})
        return None

    def _terms(self, anchor: AnchorSeat) -> dict[str, Any] | None:
        """Terms at an hour of the coming two months at which both are open; None when there is none."""
        modes = [mode for mode in self.seat.like["cooperation_modes"] if mode in anchor.modes]
        hours = [
            hour for hour in range(168) if self.seat.availability[hour] == anchor.availability[hour] == "1"
        ]
        if not modes or not hours:
            return None
        hour = self.rng.choice(hours)
        today = datetime.now(_TOWN).replace(hour=0, minute=0, second=0, microsecond=0)
        week = today + timedelta(days=7 * self.rng.randrange(1, 9) - today.weekday())
        at = week + timedelta(hours=hour)
        return {
            "commission_rate": "0.40",
            "slot_fee_cents": 0,
            "cooperation_mode": modes[0],
            "sessions": [
                {"starts_at": at.isoformat(), "ends_at": (at + timedelta(hours=1)).isoformat()},
            ],
        }

    def _decide(self, match: str) -> None:
        """What becomes of an agreed match; most that are approved are called off, so that weeks stay free."""
        chance = self.rng.random()
        if chance < 0.15:
            self._move(self.seats.staff, match, "reject", reason_code="reject_terms_unclear")
        elif chance < 0.3:
            self._move(self.seat.asker, match, "withdraw", reason_code="withdraw_mistake")
        elif self._move(self.seats.staff, match, "approve").status == 200 and chance < 0.95:
            self._move(self.seat.asker, match, "cancel", reason_code="cancel_illness")

    def _move(self, asker: Asker, match: str, action: str, **body: str) -> Answer:
        return self._send(asker, action, match, "POST", f"matches/{match}/{action}/", body)

    def _send(self, asker: Asker, what: str, *rest: Any, **headers: str) -> Answer:
        answer = self.scribe.send(asker, what, *rest, **headers)
        if answer.status >= 400 and answer.status not in REFUSALS.get(what, ()):
            raise AssertionError(f"{what}: {answer.status} {answer.body}")
        return answer
