"""What many want at once: each scenario prepares one round and says what must have become of it."""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.models import Anchor, Stall
from matching.choices import OPEN_STATUSES
from matching.models import AnchorHour, Booking, Match, MatchEvent, Session, StallHour, WeekLoad
from matching.services.events import hash_of
from matching.services.history import PastMatch, PastMove, record_history
from matching.services.matches import (
    accept_match,
    approve_match,
    cancel_match,
    complete_match,
    counter_match,
    propose_match,
    withdraw_match,
)
from tests.matching.market import (
    make_anchor,
    make_merchant,
    make_staff,
    make_stall,
    member_of,
    session,
    terms,
)

Outcomes = Counter[str]
Call = Callable[[], Any]


@dataclass
class Round:
    """The calls that meet, the parties concerned, and how many may win; the rest get one of `refusals`."""

    calls: Sequence[Call]
    stalls: Sequence[Stall]
    anchors: Sequence[Anchor]
    refusals: frozenset[str]
    winners: int = 1

    def check(self, outcomes: Outcomes) -> None:
        """Assert who won and that every counter equals a recount."""
        assert outcomes["ok"] == self.winners, outcomes
        assert set(outcomes) - {"ok"} <= self.refusals, outcomes
        assert outcomes.total() == len(self.calls)
        recount(self.stalls, self.anchors)


def past(stall: Stall, anchor: Anchor, wanted: Any, *actions: str, by: str = "stall") -> PastMatch:
    """A match that came so far: proposed, agreed or approved, a moment ago."""
    now = timezone.now()
    roles = {"propose": by, "accept": "anchor" if by == "stall" else "stall", "approve": "staff"}
    moves = tuple(PastMove(action, roles[action], now) for action in ("propose", *actions))
    return PastMatch(stall=stall, anchor=anchor, terms=terms(wanted), moves=moves)


def the_last_weekly_place_of_an_anchor(rng: random.Random, hands: int) -> Round:
    anchor = make_anchor(weekly_capacity=1)
    stalls = stalls_of_one(hands)
    # Every hour of the week is another, so that nothing but the capacity is scarce.
    matches = record_history(
        actor=None,
        matches=[past(s, anchor, session(day=n // 24, hour=n % 24, length=1)) for n, s in enumerate(stalls)],
    )
    actor = member_of(anchor)
    return Round(
        [lambda m=m: accept_match(actor=actor, match=m) for m in matches],
        stalls,
        [anchor],
        # Who comes late finds the week full by the rule or by the counter, and is refused either way.
        frozenset({"capacity_full"}),
    )


def the_last_place_of_a_mixed_session(rng: random.Random, hands: int) -> Round:
    anchor, places = make_anchor(weekly_capacity=100), rng.randint(2, 4)
    mixed = session(mode="mixed", places=places)
    first, rest = stalls_of_one(places - 1), stalls_of_one(hands)
    actor = member_of(anchor)
    record_history(actor=None, matches=[past(stall, anchor, mixed, "accept") for stall in first])
    matches = record_history(actor=None, matches=[past(stall, anchor, mixed) for stall in rest])
    calls = [lambda m=m: accept_match(actor=actor, match=m) for m in matches]
    return Round(calls, first + rest, [anchor], frozenset({"session_full"}))


def one_hour_of_a_stall(rng: random.Random, hands: int) -> Round:
    hosts = rng.randint(1, 2)
    stall = make_stall(hosts_at_once=hosts, weekly_capacity=100)
    anchors = [make_anchor() for _ in range(hands)]
    matches = record_history(actor=None, matches=[past(stall, anchor, session()) for anchor in anchors])
    pairs = [(member_of(anchor), match) for anchor, match in zip(anchors, matches, strict=True)]
    calls = [lambda actor=actor, m=match: accept_match(actor=actor, match=m) for actor, match in pairs]
    return Round(calls, [stall], anchors, frozenset({"hour_taken"}), winners=min(hosts, hands))


def accept_against_withdraw(rng: random.Random, hands: int) -> Round:
    """Both sides act on the version that they read: who comes second is told that it has changed."""
    stall, anchor = make_stall(), make_anchor()
    [match] = record_history(actor=None, matches=[past(stall, anchor, session())])
    accepting, withdrawing = member_of(anchor), member_of(stall)
    moves = [
        lambda: accept_match(actor=accepting, match=match, version=match.version),
        lambda: withdraw_match(actor=withdrawing, match=match, version=match.version),
    ]
    refusals = frozenset({"wrong_state", "changed_meanwhile"})
    return Round(alternately(moves, hands), [stall], [anchor], refusals)


def approve_twice(rng: random.Random, hands: int) -> Round:
    stall, anchor = make_stall(), make_anchor()
    [match] = record_history(actor=None, matches=[past(stall, anchor, session(), "accept")])
    deciders = [make_staff() for _ in range(min(hands, 4))]
    moves = [lambda staff=staff: approve_match(actor=staff, match=match) for staff in deciders]
    return Round(alternately(moves, hands), [stall], [anchor], frozenset({"wrong_state"}))


def crossing_proposals(rng: random.Random, hands: int) -> Round:
    """Two sides propose the same: the second becomes an acceptance, and whoever comes later is told so."""
    stall, anchor = make_stall(), make_anchor()
    return _crossing(stall, anchor, [terms(), terms()], hands)


def crossing_proposals_of_other_terms(rng: random.Random, hands: int) -> Round:
    """One hand a side: the second proposal is a counter-offer to the first."""
    stall, anchor = make_stall(), make_anchor()
    return _crossing(stall, anchor, [terms(), terms(commission_rate=Decimal("0.2100"))], 2)


def _crossing(stall: Stall, anchor: Anchor, wanted: Sequence[Any], hands: int) -> Round:
    actors = (("stall", member_of(stall), wanted[0]), ("anchor", member_of(anchor), wanted[1]))
    moves = [
        lambda side=side, actor=actor, own=own: propose_match(
            actor=actor, side=side, stall=stall, anchor=anchor, terms=own
        )
        for side, actor, own in actors
    ]
    return Round(alternately(moves, hands), [stall], [anchor], frozenset({"already_open"}), winners=2)


def counter_against_accept(rng: random.Random, hands: int) -> Round:
    stall, anchor = make_stall(), make_anchor()
    [match] = record_history(actor=None, matches=[past(stall, anchor, session())])
    actor = member_of(anchor)
    numbers = itertools.count(1)
    moves = [
        lambda: accept_match(actor=actor, match=match),
        lambda: counter_match(
            actor=actor, match=match, terms=terms(commission_rate=Decimal(next(numbers)) / 1000)
        ),
    ]
    refusals = frozenset({"wrong_state", "not_awaited"})
    return Round(alternately(moves, hands), [stall], [anchor], refusals)


def cancel_against_complete(rng: random.Random, hands: int) -> Round:
    stall, anchor, staff = make_stall(), make_anchor(), make_staff()
    [match] = record_history(actor=staff, matches=[past(stall, anchor, session(), "accept", "approve")])
    over = timezone.now() - timedelta(days=1)
    Session.objects.filter(anchor=anchor).update(starts_at=over - timedelta(hours=2), ends_at=over)
    moves = [
        lambda: cancel_match(actor=staff, match=match, reason_code="cancel_other"),
        lambda: complete_match(actor=staff, match=match),
    ]
    return Round(alternately(moves, hands), [stall], [anchor], frozenset({"wrong_state"}))


SCENARIOS: dict[str, Callable[[random.Random, int], Round]] = {
    scenario.__name__: scenario
    for scenario in (
        the_last_weekly_place_of_an_anchor,
        the_last_place_of_a_mixed_session,
        one_hour_of_a_stall,
        accept_against_withdraw,
        approve_twice,
        crossing_proposals,
        crossing_proposals_of_other_terms,
        counter_against_accept,
        cancel_against_complete,
    )
}


def stalls_of_one(count: int) -> list[Stall]:
    """Stalls of one merchant."""
    merchant = make_merchant()
    return [make_stall(merchant=merchant) for _ in range(count)]


def alternately(moves: Sequence[Call], hands: int) -> list[Call]:
    """So many calls, taking turns between the moves."""
    return [moves[n % len(moves)] for n in range(hands)]


# --- recounting ------------------------------------------------------------------------------------


def recount(stalls: Sequence[Stall], anchors: Sequence[Anchor]) -> None:
    """Assert of these parties that counters equal recounts, and that every match has its whole chain."""
    matches = list(Match.objects.filter(stall__in=stalls, anchor__in=anchors))
    held = list(
        Booking.objects.filter(match__in=matches, released_at__isnull=True).select_related("session", "match")
    )
    _recount_loads(held, stalls, anchors)
    _recount_places(held, anchors)
    booked = set(StallHour.objects.filter(stall__in=stalls).values_list("booking_id", flat=True))
    assert booked == {booking.pk for booking in held}
    pairs = Counter((m.stall_id, m.anchor_id) for m in matches if m.status in OPEN_STATUSES)
    assert all(count == 1 for count in pairs.values()), "one open match a pair"
    _check_chains(matches)


def _recount_loads(held: list[Booking], stalls: Sequence[Stall], anchors: Sequence[Anchor]) -> None:
    loads = Counter(("anchor", booking.match.anchor_id, booking.week_on) for booking in held)
    loads += Counter(("stall", booking.stall_id, booking.week_on) for booking in held)
    kept: dict[tuple[str, int, Any], int] = {}
    for side, parties in (("stall", stalls), ("anchor", anchors)):
        rows = WeekLoad.objects.filter(side=side, party_id__in=[party.pk for party in parties], used__gt=0)
        for row in rows:
            assert row.used <= row.capacity
            kept[row.side, row.party_id, row.week_on] = row.used
    assert kept == dict(loads)


def _recount_places(held: list[Booking], anchors: Sequence[Anchor]) -> None:
    places = Counter(booking.session_id for booking in held)
    hours = Counter(AnchorHour.objects.filter(anchor__in=anchors).values_list("session_id", flat=True))
    for row in Session.objects.filter(anchor__in=anchors):
        assert row.places_used == places[row.pk] <= row.places
        wanted = int((row.ends_at - row.starts_at).total_seconds() // 3600) if row.places_used else 0
        assert hours[row.pk] == wanted


def _check_chains(matches: list[Match]) -> None:
    """Numbers without gaps, hashes that link, and the last event where the match is."""
    chains: dict[int, list[MatchEvent]] = {match.pk: [] for match in matches}
    for event in MatchEvent.objects.filter(match__in=matches).order_by("match_id", "seq"):
        chains[event.match_id].append(event)
    for match in matches:
        chain, link = chains[match.pk], ""
        assert [event.seq for event in chain] == list(range(1, len(chain) + 1))
        for event in chain:
            assert event.prev_hash == link and event.hash == hash_of(event, match)
            link = event.hash
        assert (chain[-1].to_status, chain[-1].awaiting) == (match.status, match.awaiting)
