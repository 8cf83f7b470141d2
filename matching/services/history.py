"""Taking over what happened before: matches that have run their course, and old reactions (layer: services).

The rows are the ones that the moves would have written, event chain and reservations included; what cannot
have happened is refused.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import models, transaction
from django.db.models import Max
from django.utils import timezone

from accounts.choices import SessionMode
from accounts.models import Anchor, Stall, User
from matching.choices import OPEN_STATUSES, Awaiting, OutcomeStatus, ReactionKind, Role, Side
from matching.choices import MatchStatus as S
from matching.models import (
    AnchorHour,
    Booking,
    Match,
    MatchEvent,
    Outcome,
    OutcomeEvent,
    Reaction,
    Session,
    StallHour,
    Terms,
    WeekLoad,
)
from matching.moves import state_after
from matching.outcomes import check_figures
from matching.policy import ANSWER_WITHIN, HIDDEN_AFTER_PASS
from matching.services.events import hash_of
from matching.services.outcome_events import event_row
from matching.states import TRANSITIONS
from matching.terms import TermsDraft, WantedSession
from matchmaker.core.errors import Conflict, InvalidInput
from matchmaker.core.weeks import hours_between, week_of

BATCH = 200
# A past match has one version of terms, so nobody can have countered.
MOVES = {row.action: row for row in TRANSITIONS if row.action != "counter"}
HOLDS_HOURS = frozenset({S.AGREED, S.APPROVED, S.COMPLETED})


@dataclass(frozen=True)
class PastMove:
    """One move of a match: what, as whom, when, and why."""

    action: str
    role: str
    at: datetime
    reason_code: str = ""


@dataclass(frozen=True)
class PastMatch:
    """One match with all its moves in order; the first is its proposal.

    `outcomes` has one entry per session of the terms when the match was completed, else none.
    """

    stall: Stall
    anchor: Anchor
    terms: TermsDraft
    moves: tuple[PastMove, ...]
    outcomes: tuple[Mapping[str, int], ...] = ()


@dataclass(frozen=True)
class PastReaction:
    """One answer of a side to a suggestion."""

    side: str
    stall_id: int
    anchor_id: int
    kind: str
    at: datetime


@dataclass
class _Reservations:
    """Sessions, bookings, hours and loads: what the database holds of these parties, and what comes to it."""

    sessions: dict[tuple[int, datetime, datetime, str], Session] = field(default_factory=dict)
    given_back: list[Session] = field(default_factory=list)
    bookings: list[Booking] = field(default_factory=list)
    anchor_hours: list[AnchorHour] = field(default_factory=list)
    stall_hours: list[StallHour] = field(default_factory=list)
    hosts: Counter[tuple[int, datetime]] = field(default_factory=Counter)
    loads: Counter[tuple[str, int, date]] = field(default_factory=Counter)
    capacities: dict[tuple[str, int], int] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)


def record_history(*, actor: User | None, matches: Sequence[PastMatch]) -> list[Match]:
    """Write past and running matches with terms, events, bookings and outcomes, all of them or none.

    Raises InvalidInput when moves do not follow from one another, Conflict when hours or capacity that a
    match holds are taken. Announces nothing: who takes over a history asks for one recomputation at the end.
    """
    for past in matches:
        check_moves(past)
    with transaction.atomic():
        rows = Match.objects.bulk_create([_match_row(past, actor) for past in matches], batch_size=BATCH)
        _write_terms(rows, matches)
        _backdate(rows, matches)
        pairs = list(zip(rows, matches, strict=True))
        MatchEvent.objects.bulk_create(
            [event for row, past in pairs for event in _chain(row, past, actor)], batch_size=BATCH
        )
        kept = _held_already(matches)
        _reserve(kept, pairs, actor)
        _write_reservations(kept)
        _insert(OutcomeEvent, [_settled(outcome, actor) for outcome in kept.outcomes])
    return rows


def record_reactions(*, actor: User | None, reactions: Sequence[PastReaction]) -> list[Reaction]:
    """Write old answers to suggestions; announces nothing."""
    rows = [
        Reaction(
            side=past.side,
            stall_id=past.stall_id,
            anchor_id=past.anchor_id,
            kind=past.kind,
            until=past.at + HIDDEN_AFTER_PASS if past.kind == ReactionKind.PASS else None,
            actor=actor,
        )
        for past in reactions
    ]
    with transaction.atomic():
        Reaction.objects.bulk_create(rows, batch_size=BATCH)
        for row, past in zip(rows, reactions, strict=True):
            row.created_at = row.updated_at = past.at
        Reaction.objects.bulk_update(rows, ["created_at", "updated_at"], batch_size=BATCH)
    return rows


def check_moves(past: PastMatch) -> None:
    """Raise InvalidInput when the moves of `past` cannot have happened in this order."""
    status, before = "", None
    for move in past.moves:
        row = MOVES.get(move.action)
        if row is None or status not in row.sources:
            raise _impossible("moves", f"{move.action} from {status!r}")
        if before and move.at < before:
            raise _impossible("moves", f"{move.action} before its cause")
        if row.needs_reason and not move.reason_code:
            raise _impossible("moves", f"{move.action} without reason")
        status, before = row.target, move.at
    if not status or past.moves[-1].at > timezone.now():
        raise _impossible("moves", "no move, or one that is still to come")
    if len(past.outcomes) != (len(past.terms.sessions) if status == S.COMPLETED else 0):
        raise _impossible("outcomes", "one per session when completed, else none")
    for figures, session in zip(past.outcomes, past.terms.sessions, strict=False):
        check_figures(figures, planned=session.ends_at - session.starts_at)


def _impossible(name: str, why: str) -> InvalidInput:
    return InvalidInput(code="impossible_history", fields={name: [why]})


def _match_row(past: PastMatch, actor: User | None) -> Match:
    times = {move.action: move.at for move in past.moves}
    proposer = Side(past.moves[0].role)
    status = MOVES[past.moves[-1].action].target
    return Match(
        stall=past.stall,
        anchor=past.anchor,
        status=status,
        awaiting=_awaiting(proposer, status),
        proposed_by=proposer,
        deadline_at=_deadline(past, status),
        agreed_at=times.get("accept"),
        ended_at=None if status in OPEN_STATUSES else past.moves[-1].at,
        approved_by=actor if "approve" in times else None,
        version=len(past.moves),
    )


def _awaiting(proposer: str, status: str) -> str:
    """Return who is awaited: there is one version of terms, so it is always the side that did not propose."""
    return state_after("propose", "", "", proposer)[1] if status == S.PROPOSED else Awaiting.NOBODY


def _deadline(past: PastMatch, status: str) -> datetime | None:
    first = min(session.starts_at for session in past.terms.sessions)
    if status == S.PROPOSED:
        return min(past.moves[0].at + ANSWER_WITHIN, first)
    return first if status == S.AGREED else None


def _write_terms(rows: Sequence[Match], matches: Sequence[PastMatch]) -> None:
    terms = [
        Terms(
            match=row,
            number=1,
            commission_rate=past.terms.commission_rate,
            slot_fee_cents=past.terms.slot_fee_cents,
            cooperation_mode=past.terms.cooperation_mode,
            sessions=past.terms.sessions_as_json(),
            canonical=past.terms.canonical(),
            digest=past.terms.digest(),
            proposed_by=row.proposed_by,
            created_at=past.moves[0].at,
        )
        for row, past in zip(rows, matches, strict=True)
    ]
    for row, version in zip(rows, Terms.objects.bulk_create(terms, batch_size=BATCH), strict=True):
        row.terms = version


def _backdate(rows: Sequence[Match], matches: Sequence[PastMatch]) -> None:
    """Store the terms' ids and the times that automatic columns do not take."""
    for row, past in zip(rows, matches, strict=True):
        row.created_at, row.updated_at = past.moves[0].at, past.moves[-1].at
    Match.objects.bulk_update(rows, ["terms", "created_at", "updated_at"], batch_size=BATCH)


def _chain(row: Match, past: PastMatch, actor: User | None) -> Iterable[MatchEvent]:
    """Yield the events of a match, each linked to the one before by its hash."""
    status, link = "", ""
    for number, move in enumerate(past.moves, start=1):
        target = MOVES[move.action].target
        event = MatchEvent(
            match=row,
            seq=number,
            action=move.action,
            from_status=status,
            to_status=target,
            awaiting=_awaiting(row.proposed_by, target),
            terms_digest=past.terms.digest(),
            actor_id=actor.pk if actor and move.role != "system" else None,
            actor_role=move.role,
            reason_code=move.reason_code,
            at=move.at,
            prev_hash=link,
        )
        event.hash = link = hash_of(event, row)
        status = target
        yield event


def _settled(outcome: Outcome, actor: User | None) -> OutcomeEvent:
    """Return the event by which staff settled a past outcome: when its match ended."""
    at = outcome.booking.match.ended_at or outcome.booking.session.ends_at
    return event_row(outcome, action="settle", from_status="", role=Role.STAFF, actor=actor, at=at)


def _held_already(matches: Sequence[PastMatch]) -> _Reservations:
    """Return what the parties of these matches hold by earlier calls and by matches made here."""
    stalls, anchors = {past.stall.pk for past in matches}, {past.anchor.pk for past in matches}
    kept = _Reservations()
    shared = Session.objects.filter(anchor__in=anchors, mode=SessionMode.MIXED, places_used__gt=0)
    for session in shared:
        kept.sessions[session.anchor_id, session.starts_at, session.ends_at, session.mode] = session
    hosts = StallHour.objects.filter(stall__in=stalls).values_list("stall_id", "hour_at")
    for stall_id, hour_at, number in hosts.annotate(Max("host_number")):
        kept.hosts[stall_id, hour_at] = number
    for side, ids in ((Side.STALL, stalls), (Side.ANCHOR, anchors)):
        for load in WeekLoad.objects.filter(side=side, party_id__in=ids):
            kept.loads[side, load.party_id, load.week_on] = load.used
    return kept


def _reserve(kept: _Reservations, pairs: Iterable[tuple[Match, PastMatch]], actor: User | None) -> None:
    """Book what each agreed match wanted; what did not last holds neither hours nor load."""
    for row, past in pairs:
        if row.agreed_at is None:
            continue
        for number, wanted in enumerate(past.terms.sessions):
            booking = _book(kept, row, wanted)
            if past.outcomes:
                kept.outcomes.append(
                    Outcome(
                        booking=booking,
                        status=OutcomeStatus.SETTLED,
                        recorded_by=actor,
                        **past.outcomes[number],
                    )
                )


def _book(kept: _Reservations, row: Match, wanted: WantedSession) -> Booking:
    is_held = row.status in HOLDS_HOURS
    session = _session(kept, row, wanted) if is_held else _given_back(kept, row, wanted)
    booking = Booking(match=row, session=session, stall=row.stall, week_on=week_of(wanted.starts_at))
    kept.bookings.append(booking)
    if is_held:
        session.places_used += 1
        _take_hours_and_load(kept, row, wanted, booking)
    else:
        booking.released_at = row.updated_at
    return booking


def _take_hours_and_load(kept: _Reservations, row: Match, wanted: WantedSession, booking: Booking) -> None:
    for hour in hours_between(wanted.starts_at, wanted.ends_at):
        host = kept.hosts[row.stall_id, hour] = kept.hosts[row.stall_id, hour] + 1
        if host > row.stall.hosts_at_once:
            raise Conflict(code="hour_taken", side="stall", hour_at=hour.isoformat())
        kept.stall_hours.append(StallHour(stall=row.stall, hour_at=hour, host_number=host, booking=booking))
    for side, party in ((Side.STALL, row.stall), (Side.ANCHOR, row.anchor)):
        kept.loads[side, party.pk, booking.week_on] += 1
        kept.capacities[side, party.pk] = party.weekly_capacity


def _session(kept: _Reservations, row: Match, wanted: WantedSession) -> Session:
    """Return the anchor's session at these hours: a mixed one is shared, an exclusive one is its own."""
    key = (row.anchor_id, wanted.starts_at, wanted.ends_at, wanted.mode)
    session = kept.sessions.get(key)
    if session is None:
        session = kept.sessions[key] = _session_row(row, wanted)
        hours = hours_between(wanted.starts_at, wanted.ends_at)
        kept.anchor_hours += [AnchorHour(anchor=row.anchor, hour_at=hour, session=session) for hour in hours]
    if session.places_used >= session.places:
        raise Conflict(code="session_full", starts_at=wanted.starts_at.isoformat())
    return session


def _given_back(kept: _Reservations, row: Match, wanted: WantedSession) -> Session:
    session = _session_row(row, wanted)
    kept.given_back.append(session)
    return session


def _session_row(row: Match, wanted: WantedSession) -> Session:
    return Session(
        anchor=row.anchor,
        starts_at=wanted.starts_at,
        ends_at=wanted.ends_at,
        mode=wanted.mode,
        places=wanted.places,
    )


def _write_reservations(kept: _Reservations) -> None:
    known = [session for session in kept.sessions.values() if session.pk]
    Session.objects.bulk_update(known, ["places_used"], batch_size=BATCH)
    _insert(Session, [session for session in kept.sessions.values() if not session.pk] + kept.given_back)
    _insert(Booking, kept.bookings)
    _insert(AnchorHour, kept.anchor_hours)
    _insert(StallHour, kept.stall_hours)
    WeekLoad.objects.bulk_create(
        _week_loads(kept),
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["side", "party_id", "week_on"],
        update_fields=["used", "capacity"],
    )
    _insert(Outcome, kept.outcomes)


def _week_loads(kept: _Reservations) -> list[WeekLoad]:
    """Return the loads of the parties that this call booked for; Conflict above a capacity."""
    rows = []
    for (side, party_id, week_on), used in kept.loads.items():
        capacity = kept.capacities.get((side, party_id))
        if capacity is None:
            continue
        if used > capacity:
            raise Conflict(code="capacity_full", side=str(side), week_on=week_on.isoformat())
        rows.append(WeekLoad(side=side, party_id=party_id, week_on=week_on, used=used, capacity=capacity))
    return rows


def _insert(model: type[models.Model], rows: Sequence[models.Model]) -> None:
    model._default_manager.bulk_create(rows, batch_size=BATCH)
