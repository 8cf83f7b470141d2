"""Reactions, moves and outcomes as training rows, without leakage of the future (layer: snapshot).

A decision is a reaction (like, or pass and never), or a side's move of a match (propose, counter, accept;
decline, withdraw). What its parties had done is counted from what was earlier, with the pair itself left out,
by the definitions of `history`, of verified parties and without what a party had deleted since; `profiles`
tells what both said of themselves then. A changed reaction counts when it was last given, since only its last
answer is stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from django.db.models import Max, QuerySet
from numpy.typing import NDArray

from matching.choices import MatchStatus, ReactionKind, Role, Side
from matching.engine.decisions import Decisions
from matching.engine.past import Events
from matching.engine.scoring import ANCHOR_DECIDES, COMPLETED, STALL_DECIDES
from matching.engine.types import Snapshot
from matching.models import Booking, Impression, Match, MatchEvent, Outcome, Reaction
from matching.snapshot.history import believed_matches, believed_reactions, evidence_forgotten
from matchmaker.core.weeks import HORIZON_WEEKS

SAYS_YES = {"propose": 1.0, "counter": 1.0, "accept": 1.0, "decline": 0.0, "withdraw": 0.0}
DIRECTION = {Side.STALL.value: STALL_DECIDES, Side.ANCHOR.value: ANCHOR_DECIDES}
# A place that was seldom drawn tells of many that were not; beyond this it would be one voice for all.
MOST_WEIGHT = 10.0
MONDAY = date(1970, 1, 5).toordinal()
WEEK_SECONDS = 7 * 86_400.0
# Shanghai has kept UTC+8 all year since 1992, so weeks are plain arithmetic.
_TOWN_OFFSET = 8 * 3600.0
_EPOCH_TO_MONDAY = 4 * 86_400.0

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Table = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Evidence:
    """What was read, as columns; times are seconds since 1970, NaN for what has not happened."""

    matches: Table  # stall, anchor, proposer, created, agreed, ended, declined, completed
    reactions: Table  # stall, anchor, side, liked, at
    moves: Table  # stall, anchor, side, yes, at
    sessions: Table  # stall, anchor, yes, at: of matches that were to take place
    bookings: Table  # stall, anchor, week, taken, released
    impressions: Table  # stall, anchor, side, at, propensity
    forgotten: Mapping[
        str, Mapping[str, Mapping[int, float]]
    ]  # side, counted tag, party: when it was deleted


def read_evidence(believed: QuerySet[Outcome]) -> Evidence:
    """Return all that parties did; `believed` are the outcomes that may be learned from."""
    return Evidence(
        _matches(), _reactions(), _moves(), _sessions(believed), _bookings(), _impressions(), _forgotten()
    )


def high_water_mark() -> dict[str, Any]:
    """Return what tells whether there is evidence that an earlier training had not seen."""
    return {
        "moves": MatchEvent.objects.aggregate(last=Max("pk"))["last"] or 0,
        "reactions": _iso(Reaction.objects.aggregate(last=Max("updated_at"))["last"]),
        "outcomes": _iso(Outcome.objects.aggregate(last=Max("updated_at"))["last"]),
    }


def _iso(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).isoformat()


# --- reading -----------------------------------------------------------------------------------------


def _table(rows: Iterable[Sequence[Any]], **columns: Any) -> Table:
    """Return the columns (name = type) of rows whose values come in that order."""
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    return {
        name: np.array([convert(value) for value in given], dtype=_dtype(convert))
        for (name, convert), given in zip(columns.items(), values, strict=True)
    }


def _dtype(convert: Any) -> type[np.generic]:
    return np.float64 if convert in (_seconds, float) else np.int64


def _seconds(moment: datetime | None) -> float:
    return float("nan") if moment is None else moment.timestamp()


def _side(name: str) -> int:
    """Return the direction in which this side decides, -1 for anybody else."""
    return DIRECTION.get(name, -1)


def _matches() -> Table:
    columns = ("stall_id", "anchor_id", "proposed_by", "created_at", "agreed_at", "ended_at", "status")
    rows = [
        (
            *row[:6],
            row[5] if row[6] == MatchStatus.DECLINED else None,
            row[5] if row[6] == MatchStatus.COMPLETED else None,
        )
        for row in believed_matches().order_by("pk").values_list(*columns)
    ]
    return _table(
        rows, stall=int, anchor=int, proposer=_side, created=_seconds, agreed=_seconds, ended=_seconds,
        declined=_seconds, completed=_seconds,
    )  # fmt: skip


def _reactions() -> Table:
    columns = ("stall_id", "anchor_id", "side", "kind", "updated_at")
    rows = believed_reactions().order_by("pk").values_list(*columns)
    return _table(rows, stall=int, anchor=int, side=_side, yes=_liked, at=_seconds)


def _liked(kind: str) -> int:
    return int(kind == ReactionKind.LIKE)


def _moves() -> Table:
    rows = MatchEvent.objects.filter(
        action__in=SAYS_YES, actor_role__in=(Role.STALL, Role.ANCHOR), match__in=believed_matches()
    )
    columns = ("match__stall_id", "match__anchor_id", "actor_role", "action", "at")
    found = rows.order_by("pk").values_list(*columns)
    return _table(found, stall=int, anchor=int, side=_side, yes=_yes, at=_seconds)


def _yes(action: str) -> int:
    return int(SAYS_YES[action])


def _sessions(believed: QuerySet[Outcome]) -> Table:
    """Return the approved matches that took place, by outcomes to be believed, and those that failed."""
    took_place = Match.objects.filter(
        status=MatchStatus.COMPLETED, pk__in=believed.values("booking__match_id")
    )
    failed = Match.objects.filter(status=MatchStatus.FAILED)
    rows = [
        (stall, anchor, yes, at)
        for yes, matches in ((1, took_place), (0, failed))
        for stall, anchor, at in matches.order_by("pk").values_list("stall_id", "anchor_id", "ended_at")
    ]
    return _table(rows, stall=int, anchor=int, yes=int, at=_seconds)


def _bookings() -> Table:
    columns = (
        "match__stall_id",
        "match__anchor_id",
        "week_on",
        "match__agreed_at",
        "released_at",
    )
    rows = Booking.objects.order_by("pk").values_list(*columns)
    return _table(
        rows, stall=int, anchor=int, week=lambda day: _week_number(day.toordinal()), taken=_seconds,
        released=_seconds,
    )  # fmt: skip


def _impressions() -> Table:
    columns = ("stall_id", "anchor_id", "side", "shown_at", "propensity")
    rows = Impression.objects.order_by("pk").values_list(*columns)
    return _table(rows, stall=int, anchor=int, side=_side, at=_seconds, propensity=float)


def _forgotten() -> dict[str, dict[str, dict[int, float]]]:
    return {
        side: {
            code: {party: at.timestamp() for party, at in held.items()}
            for code, held in evidence_forgotten(side).items()
        }
        for side in DIRECTION
    }


def _week_number(ordinal: int) -> int:
    return (ordinal - MONDAY) // 7


# --- building, pure ----------------------------------------------------------------------------------


def build_decisions(snapshot: Snapshot, evidence: Evidence) -> Decisions:
    """Return the decisions in order of time, with what was known just before each.

    Left out are parties that the snapshot does not hold (erased) or that opted out of personalisation.
    """
    answers = _answers(evidence)
    rows = {
        side: parties.rows_of(answers[side])
        for side, parties in (("stall", snapshot.stalls), ("anchor", snapshot.anchors))
    }
    kept = (rows["stall"] >= 0) & (rows["anchor"] >= 0)
    kept[kept] = (
        snapshot.stalls.personalised[rows["stall"][kept]]
        & snapshot.anchors.personalised[rows["anchor"][kept]]
    )
    answers = {name: column[kept] for name, column in answers.items()}
    return Decisions(
        stall_rows=rows["stall"][kept],
        anchor_rows=rows["anchor"][kept],
        direction=answers["direction"],
        yes=answers["yes"].astype(np.float64),
        at=answers["at"],
        week=MONDAY + 7 * _weeks_of(answers["at"]),
        weight=_weights(evidence.impressions, answers),
        stall_past=past_of("stall", evidence, answers),
        anchor_past=past_of("anchor", evidence, answers),
    )


def _answers(evidence: Evidence) -> dict[str, NDArray[Any]]:
    """Return reactions, moves and sessions in one table (stall, anchor, direction, yes, at), by time."""
    sides = (evidence.reactions, evidence.moves)
    tables = [{**table, "direction": table["side"]} for table in sides]
    sessions = evidence.sessions
    tables.append({**sessions, "direction": np.full(len(sessions["at"]), COMPLETED)})
    names = ("stall", "anchor", "direction", "yes", "at")
    whole = {name: np.concatenate([table[name] for table in tables]) for name in names}
    order = np.lexsort((whole["direction"], whole["anchor"], whole["stall"], whole["at"]))
    return {name: column[order] for name, column in whole.items()}


def _weeks_of(at: Floats) -> Ints:
    """Return the number of the town's week of each moment, since the Monday of 1970-01-05."""
    return np.floor((at + _TOWN_OFFSET - _EPOCH_TO_MONDAY) / WEEK_SECONDS).astype(np.int64)


def _weights(impressions: Table, answers: Table) -> Floats:
    """Return 1 ÷ propensity of the place at which the decider last saw the partner, 1 where none is known."""
    to_whom = _pair(impressions) * 2 + impressions["side"]
    shown = Events.of(to_whom, impressions["at"], impressions["propensity"])
    seen = shown.last_before(_pair(answers) * 2 + np.minimum(answers["direction"], 1), answers["at"], 1.0)
    weights = 1.0 / np.clip(seen, 1.0 / MOST_WEIGHT, 1.0)
    return np.where(answers["direction"] == COMPLETED, 1.0, weights)


def _pair(table: Table) -> Ints:
    """Return one number for each pair; ids of parties stay far below 2^30."""
    return np.asarray(table["stall"] * np.int64(2**30) + table["anchor"])


def past_of(side: str, evidence: Evidence, asked: Table) -> dict[str, NDArray[Any]]:
    """Return the history columns of the party of `side` just before each of the moments asked for.

    The same definitions as `history.histories`, of what was earlier than the moment, without the pair's own.
    """
    own, matches, reactions = DIRECTION[side], evidence.matches, evidence.reactions
    agreed, declined = matches["agreed"], matches["declined"]
    was_agreed = ~np.isnan(agreed)
    answered = np.where(was_agreed, agreed, declined)
    of_others = matches["proposer"] == 1 - own
    of_own = matches["proposer"] == own
    given, from_others = reactions["side"] == own, reactions["side"] == 1 - own
    liked = np.where(reactions["yes"] == 1, reactions["at"], np.nan)

    def count(
        tag: str, table: Table, at: Floats, which: NDArray[np.bool_], value: Floats | float = 1.0
    ) -> Floats:
        held = which & (at > _deleted(evidence.forgotten[side].get(tag, {}), table[side]))
        return _before(side, table, np.where(held, at, np.nan), asked, value)

    replies = count("reply", matches, agreed, of_others)
    # Whole seconds: their sums are exact, so that what comes later moves no bit of what was before.
    waited = count("reply", matches, agreed, of_others, np.rint(agreed - matches["created"]))
    gave, heard = "accepts_given", "accepts_received"
    return {
        "accepted": count("reliability", matches, matches["ended"], was_agreed),
        "completed": count("reliability", matches, matches["completed"], was_agreed),
        "decisions_given": count(gave, matches, answered, of_others)
        + count(gave, reactions, reactions["at"], given),
        "decisions_yes": count(gave, matches, agreed, of_others) + count(gave, reactions, liked, given),
        "received": count(heard, matches, answered, of_own)
        + count(heard, reactions, reactions["at"], from_others),
        "received_yes": count(heard, matches, agreed, of_own) + count(heard, reactions, liked, from_others),
        "reply_hours": np.divide(
            waited / 3600.0, replies, out=np.full(len(replies), np.nan), where=replies > 0
        ),
        "load_used": _load_before(side, evidence.bookings, asked),
    }


def _deleted(at: Mapping[int, float], parties: NDArray[Any]) -> Floats:
    """Return the moment until which the evidence of each of these parties was deleted."""
    if not at:
        return np.full(len(parties), -np.inf)
    return np.array([at.get(party, -np.inf) for party in parties.tolist()])


def _before(side: str, table: Table, at: Floats, asked: Table, value: Floats | float) -> Floats:
    """Return the sum over the party's events before each moment, those of the pair itself left out."""
    everything = Events.of(table[side], at, value).sums_before(asked[side], asked["at"])
    own = Events.of(_pair(table), at, value).sums_before(_pair(asked), asked["at"])
    return everything - own


def _load_before(side: str, bookings: Table, asked: Table) -> Floats:
    """Return the bookings that the party then carried in the four weeks to come."""
    key = bookings[side] * 10_000 + bookings["week"]
    taken, released = Events.of(key, bookings["taken"]), Events.of(key, bookings["released"], -1.0)
    held = taken + released
    first = _weeks_of(asked["at"])
    weeks = [asked[side] * 10_000 + first + ahead for ahead in range(HORIZON_WEEKS)]
    return np.asarray(sum(held.sums_before(week, asked["at"]) for week in weeks))
