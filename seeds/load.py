"""Putting a generated town into the database, through the services that people use (layer: services)."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.utils import timezone

from accounts.models import Anchor, Merchant, Stall, User
from accounts.services.anchors import register_anchors
from accounts.services.bulk import record_past, register_people
from accounts.services.calendars import set_anchor_calendar
from accounts.services.parties import register_merchants
from accounts.services.stalls import archive_stall, register_stalls
from accounts.services.verification import (
    refuse_anchors,
    refuse_merchants,
    valid_until,
    verify_anchors,
    verify_merchants,
)
from accounts.signals import hushed
from matching.services.history import PastMatch, PastMove, PastReaction, record_history, record_reactions
from matching.services.recommendations import request_rematch
from matching.terms import TermsDraft, WantedSession
from matchmaker.core.weeks import TOWN_ZONE, town_today
from seeds.generate import AnchorSeed, MerchantSeed, Town
from seeds.generate.stalls import State

CHUNK = 1000
VERIFIED_ONCE = ("verified", "lapsed")
REFUSED_FOR = "refuse_document_unreadable"
LEGAL_BASIS = "演示数据，人物均为虚构 (demo data, invented people)"
# Called with what is being done and how many rows of it are done.
Progress = Callable[[str, int], None]
T = TypeVar("T")
P = TypeVar("P", Merchant, Anchor)


def load_town(*, actor: User, town: Town, progress: Progress = lambda what, count: None) -> None:
    """Store the town in transactions of about a thousand rows and ask for everybody's suggestions once.

    `actor` is active town staff: verifying is theirs. When it fails half-way, what was stored stays.
    """
    try:
        with hushed():
            merchants = load_merchants(actor, town.merchants, progress)
            stalls = load_stalls(actor, town.merchants, merchants, progress)
            anchors = load_anchors(actor, town.anchors, progress)
            load_history(actor, town, stalls, anchors, progress)
    finally:
        with transaction.atomic():
            request_rematch(actor=actor)


def load_merchants(actor: User, seeds: Sequence[MerchantSeed], progress: Progress) -> list[Merchant]:
    """Register merchants with their owners, then let staff decide about them."""
    made: list[Merchant] = []
    for part in parts(seeds):
        people = [(seed.row["contact_phone"], seed.row["contact_name"]) for seed in part]
        owners = register_people(actor=actor, people=people)
        rows = [registrable(seed.row) for seed in part]
        made += register_merchants(actor=actor, merchants=list(zip(owners, rows, strict=True)))
        progress("merchants", len(part))
    decide_merchants(actor, made, [seed.state for seed in seeds])
    ended = {
        row.pk: {"licence_expires_on": seed.row["licence_expires_on"]}
        for row, seed in zip(made, seeds, strict=True)
        if is_past(seed.row["licence_expires_on"])
    }
    record_past(actor=actor, model=Merchant, dates=ended)
    return made


def load_stalls(
    actor: User, seeds: Sequence[MerchantSeed], merchants: Sequence[Merchant], progress: Progress
) -> list[Stall]:
    """Register every merchant's stalls; those of merchants who left are archived."""
    rows = [(row, own, seed) for row, seed in zip(merchants, seeds, strict=True) for own in seed.stalls]
    made: list[Stall] = []
    for part in parts(rows):
        made += register_stalls(actor=actor, stalls=[(merchant, own) for merchant, own, _seed in part])
        progress("stalls", len(part))
    states = [seed.state for _merchant, _own, seed in rows]
    joined = {stall.pk: {"created_at": joined_at(state)} for stall, state in zip(made, states, strict=True)}
    record_past(actor=actor, model=Stall, dates=joined)
    for stall in Stall.objects.filter(
        pk__in=[row.pk for row, state in zip(made, states, strict=True) if state.is_archived]
    ):
        archive_stall(actor=actor, stall=stall)
    return made


def load_anchors(actor: User, seeds: Sequence[AnchorSeed], progress: Progress) -> list[Anchor]:
    """Register unclaimed anchors with their days off, then let staff decide about them."""
    made: list[Anchor] = []
    for part in parts(seeds):
        rows = register_anchors(actor=actor, anchors=[seed.row for seed in part], legal_basis=LEGAL_BASIS)
        for row, seed in zip(rows, part, strict=True):
            if seed.exceptions:
                calendar = {"weekly": seed.row["availability"], "exceptions": seed.exceptions}
                set_anchor_calendar(actor=actor, anchor=row, data=calendar)
        made += rows
        progress("anchors", len(part))
    decide_anchors(actor, made, [seed.state for seed in seeds])
    return made


def load_history(
    actor: User, town: Town, stalls: Sequence[Stall], anchors: Sequence[Anchor], progress: Progress
) -> None:
    """Record what they did with each other so far."""
    for part in parts(town.history.reactions):
        reactions = [
            PastReaction(
                row["side"], stalls[row["stall"]].pk, anchors[row["anchor"]].pk, row["kind"], row["at"]
            )
            for row in part
        ]
        record_reactions(actor=actor, reactions=reactions)
        progress("reactions", len(part))
    for part in parts(town.history.matches, size=CHUNK // 2):
        record_history(actor=actor, matches=[past_match(row, stalls, anchors) for row in part])
        progress("matches", len(part))


def past_match(row: dict[str, Any], stalls: Sequence[Stall], anchors: Sequence[Anchor]) -> PastMatch:
    """Return a generated match as the service takes it."""
    terms = row["terms"]
    return PastMatch(
        stall=stalls[row["stall"]],
        anchor=anchors[row["anchor"]],
        terms=TermsDraft(
            commission_rate=terms["commission_rate"],
            slot_fee_cents=terms["slot_fee_cents"],
            cooperation_mode=terms["cooperation_mode"],
            sessions=tuple(WantedSession(**wanted) for wanted in terms["sessions"]),
        ),
        moves=tuple(PastMove(**move) for move in row["moves"]),
        outcomes=tuple(row["outcomes"]),
    )


def decide_merchants(actor: User, merchants: Sequence[Merchant], states: Sequence[State]) -> None:
    """Let staff verify or refuse merchants as their states tell, then record when that was."""
    verified, refused = decided(merchants, states)
    for part in parts(verified):
        verify_merchants(actor=actor, merchants=part)
    for part in parts(refused):
        refuse_merchants(actor=actor, merchants=part, reason_code=REFUSED_FOR)
    record_past(actor=actor, model=Merchant, dates=past_of(merchants, states))


def decide_anchors(actor: User, anchors: Sequence[Anchor], states: Sequence[State]) -> None:
    """Let staff verify or refuse anchors as their states tell, then record when that was."""
    verified, refused = decided(anchors, states)
    for part in parts(verified):
        verify_anchors(actor=actor, anchors=part)
    for part in parts(refused):
        refuse_anchors(actor=actor, anchors=part, reason_code=REFUSED_FOR)
    record_past(actor=actor, model=Anchor, dates=past_of(anchors, states))


def decided(parties: Sequence[P], states: Sequence[State]) -> tuple[list[P], list[P]]:
    """Return who is to be verified (and may have lapsed since), and who is to be refused."""
    pairs = list(zip(parties, states, strict=True))
    return (
        [party for party, state in pairs if state.verification in VERIFIED_ONCE],
        [party for party, state in pairs if state.verification == "refused"],
    )


def past_of(parties: Sequence[P], states: Sequence[State]) -> dict[int, dict[str, Any]]:
    """Return when each party joined and, when it was verified, until when that holds or held."""
    return {party.pk: dates_of(state) for party, state in zip(parties, states, strict=True)}


def dates_of(state: State) -> dict[str, Any]:
    dates: dict[str, Any] = {"created_at": joined_at(state)}
    if state.verification in VERIFIED_ONCE:
        dates["verified_until"] = valid_until(town_today() - timedelta(days=state.verified_days_ago))
    return dates


def joined_at(state: State) -> datetime:
    """Return an hour of the day on which a party joined; never one to come."""
    day = town_today() - timedelta(days=state.joined_days_ago)
    return min(datetime.combine(day, time(hour=10), tzinfo=TOWN_ZONE), timezone.now())


def registrable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a merchant's row with a licence that was still good when it registered."""
    return row | {"licence_expires_on": None} if is_past(row["licence_expires_on"]) else row


def is_past(day: date | None) -> bool:
    return day is not None and day < town_today()


def parts(rows: Sequence[T], size: int = CHUNK) -> list[Sequence[T]]:
    """Return the rows in slices of one transaction each."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
