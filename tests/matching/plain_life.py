"""The life of matches once more, as plainly as it can be said: lists, sets and recounts, no database.

Written from the design and not from the code; `test_life.py` holds both together.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from matching.terms import TermsDraft, WantedSession
from matchmaker.core.weeks import coming_weeks, week_of

HOLDING = ("agreed", "approved", "completed")
OPEN = ("proposed", "agreed", "approved")
OTHER = {"stall": {"anchor"}, "anchor": {"stall"}, "staff": {"stall", "anchor"}}
SIDES = ("stall", "anchor")
CAPACITY = 2


@dataclass
class PlainMatch:
    """One match: who is asked, what they talk about, until when."""

    stall: int
    anchor: int
    terms: TermsDraft
    asked: set[str]
    deadline: datetime
    status: str = "proposed"
    versions: int = 1
    agreed_at: datetime | None = None
    ended_at: datetime | None = None
    is_escalated: bool = False

    @property
    def awaiting(self) -> str:
        return "both" if len(self.asked) == 2 else next(iter(self.asked), "")

    @property
    def first(self) -> datetime:
        return min(wanted.starts_at for wanted in self.terms.sessions)

    @property
    def last(self) -> datetime:
        return max(wanted.ends_at for wanted in self.terms.sessions)


@dataclass(frozen=True)
class Step:
    """One attempt: `role` does `action`, on a match or (proposals) on a pair, perhaps with terms."""

    action: str
    role: str
    stall: int
    anchor: int
    match: PlainMatch | None = field(default=None, compare=False)
    terms: TermsDraft | None = None

    @property
    def kind(self) -> tuple[str, str, str]:
        """What is counted: the action, by a side, staff or the system, from which state."""
        by = "side" if self.role in SIDES else self.role
        return self.action, by, self.match.status if self.match else ""


@dataclass
class PlainTown:
    """All matches of two stalls and two anchors; each may carry two bookings a week."""

    now: datetime
    matches: list[PlainMatch] = field(default_factory=list)

    # --- what holds now ---

    def open_match(self, stall: int, anchor: int) -> PlainMatch | None:
        """Return the pair's open match."""
        found = [m for m in self.matches if (m.stall, m.anchor) == (stall, anchor) and m.status in OPEN]
        return found[0] if found else None

    def held(self) -> list[tuple[PlainMatch, WantedSession]]:
        """Return every booked session of every match that keeps its bookings."""
        return [(m, wanted) for m in self.matches if m.status in HOLDING for wanted in m.terms.sessions]

    def loads(self) -> Counter[tuple[str, int, object]]:
        """Return how many bookings each party carries in each week."""
        counted: Counter[tuple[str, int, object]] = Counter()
        for match, wanted in self.held():
            counted["stall", match.stall, week_of(wanted.starts_at)] += 1
            counted["anchor", match.anchor, week_of(wanted.starts_at)] += 1
        return counted

    def is_full(self, side: str, party: int) -> bool:
        """Tell whether a party has no booking left in the coming four weeks."""
        loads = self.loads()
        return sum(loads[side, party, week] for week in coming_weeks(self.now)) >= 4 * CAPACITY

    def may_meet(self, stall: int, anchor: int) -> bool:
        """Tell whether no rule speaks against the pair."""
        since = self.now - timedelta(days=30)
        declined = any(
            m.status == "declined" and m.ended_at is not None and m.ended_at > since
            for m in self.matches
            if (m.stall, m.anchor) == (stall, anchor)
        )
        return not (declined or self.is_full("stall", stall) or self.is_full("anchor", anchor))

    def fits(self, match: PlainMatch) -> bool:
        """Tell whether hours, places and weeks are free for all that the match wants."""
        taken = self.held()
        loads = self.loads()
        for wanted in match.terms.sessions:
            for other, booked in taken:
                overlaps = booked.starts_at < wanted.ends_at and wanted.starts_at < booked.ends_at
                if not overlaps:
                    continue
                if other.stall == match.stall:
                    return False
                if other.anchor == match.anchor and not self._shares(match, wanted, booked):
                    return False
            week = week_of(wanted.starts_at)
            for party in (("stall", match.stall), ("anchor", match.anchor)):
                loads[*party, week] += 1
                if loads[*party, week] > CAPACITY:
                    return False
        return True

    def _shares(self, match: PlainMatch, wanted: WantedSession, booked: WantedSession) -> bool:
        """Tell whether there is a place left in the anchor's mixed session of these very hours."""
        same = (wanted.starts_at, wanted.ends_at, "mixed")
        if (booked.starts_at, booked.ends_at, booked.mode) != same or wanted.mode != "mixed":
            return False
        used = sum(
            m.anchor == match.anchor and (other.starts_at, other.ends_at, other.mode) == same
            for m, other in self.held()
        )
        return used < booked.places

    # --- what may be done ---

    def allows(self, step: Step) -> bool:
        """Tell whether the step succeeds."""
        if step.action == "propose":
            return self._allows_proposal(step)
        assert step.match is not None
        return getattr(self, f"_may_{step.action}")(step.match, step.role, step.terms)

    def _allows_proposal(self, step: Step) -> bool:
        assert step.terms is not None
        crossed = self.open_match(step.stall, step.anchor)
        if crossed is None:
            return self.may_meet(step.stall, step.anchor)
        if step.role not in crossed.asked:
            return False
        if crossed.terms.digest() == step.terms.digest():
            return self._may_accept(crossed, step.role, None)
        return self._may_counter(crossed, step.role, step.terms)

    def _is_asked(self, match: PlainMatch, role: str) -> bool:
        return match.status == "proposed" and role in match.asked

    def _may_counter(self, match: PlainMatch, role: str, terms: TermsDraft | None) -> bool:
        assert terms is not None
        in_time = self._is_asked(match, role) and self.now < match.deadline
        is_new = terms.digest() != match.terms.digest()
        return in_time and is_new and self.may_meet(match.stall, match.anchor)

    def _may_accept(self, match: PlainMatch, role: str, _terms: object) -> bool:
        if not (self._is_asked(match, role) and self.now < match.deadline):
            return False
        if not self.may_meet(match.stall, match.anchor):
            return False
        return match.asked != {role} or self.fits(match)

    def _may_decline(self, match: PlainMatch, role: str, _terms: object) -> bool:
        return self._is_asked(match, role)

    def _may_withdraw(self, match: PlainMatch, role: str, _terms: object) -> bool:
        return role in SIDES and match.status in ("proposed", "agreed")

    def _may_approve(self, match: PlainMatch, role: str, _terms: object) -> bool:
        return role == "staff" and match.status == "agreed" and self.now < match.first

    def _may_reject(self, match: PlainMatch, role: str, _terms: object) -> bool:
        return role == "staff" and match.status == "agreed"

    def _may_cancel(self, match: PlainMatch, role: str, _terms: object) -> bool:
        return match.status == "approved" and (role == "staff" or self.now < match.first)

    def _may_complete(self, match: PlainMatch, role: str, _terms: object) -> bool:
        return role == "staff" and match.status == "approved" and match.last <= self.now

    def _may_fail(self, match: PlainMatch, role: str, _terms: object) -> bool:
        return role == "staff" and match.status == "approved" and match.first <= self.now

    def _may_expire(self, match: PlainMatch, _role: str, _terms: object) -> bool:
        return match.status in ("proposed", "agreed") and match.deadline <= self.now

    # --- what it does ---

    def take(self, step: Step) -> PlainMatch:
        """Make a step that is allowed; return the match that it moved."""
        if step.action == "propose":
            return self._propose(step)
        assert step.match is not None
        if step.action == "accept":
            self._accept(step.match, step.role)
        elif step.action == "counter":
            assert step.terms is not None
            self._counter(step.match, step.role, step.terms)
        elif step.action == "approve":
            step.match.status = "approved"
        else:
            self._end(step.match, ENDS[step.action])
        return step.match

    def _propose(self, step: Step) -> PlainMatch:
        assert step.terms is not None
        match = self.open_match(step.stall, step.anchor)
        if match is None:
            asked, until = set(OTHER[step.role]), self._answer_until(step.terms)
            match = PlainMatch(step.stall, step.anchor, step.terms, asked, until)
            self.matches.append(match)
        elif match.terms.digest() == step.terms.digest():
            self._accept(match, step.role)
        else:
            self._counter(match, step.role, step.terms)
        return match

    def _answer_until(self, terms: TermsDraft) -> datetime:
        return min(self.now + timedelta(hours=72), *(wanted.starts_at for wanted in terms.sessions))

    def _accept(self, match: PlainMatch, role: str) -> None:
        match.asked = match.asked - {role}
        if not match.asked:
            match.status, match.agreed_at, match.deadline = "agreed", self.now, match.first

    def _counter(self, match: PlainMatch, role: str, terms: TermsDraft) -> None:
        match.terms, match.asked = terms, set(OTHER[role])
        match.deadline, match.versions = self._answer_until(terms), match.versions + 1

    def _end(self, match: PlainMatch, status: str) -> None:
        match.status, match.asked, match.ended_at = status, set(), self.now


ENDS = {
    "decline": "declined",
    "withdraw": "withdrawn",
    "reject": "rejected",
    "expire": "expired",
    "cancel": "cancelled",
    "complete": "completed",
    "fail": "failed",
}
