"""What staff read of matches before they decide: score by direction, hard rules, hours (layer: selectors).

Everything is read for a page of matches at once, in a number of queries that does not grow with them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from django.db.models import Count, Min, Q
from django.utils import timezone

from matching.choices import MatchStatus, Side
from matching.engine.candidates import PAIR_RULES, PARTY_RULES, RuleColumns
from matching.engine.config import Config
from matching.engine.model import Model
from matching.engine.pipeline import encode, explain_pairs
from matching.engine.results import DIRECTIONS, PairExplanations
from matching.engine.types import (
    Exclusions,
    IntArray,
    Parties,
    Rule,
)
from matching.hours import closed_hours, days_of
from matching.models import EngineRun, Match
from matching.snapshot.calendars import ExceptionDates, read_exceptions
from matching.snapshot.exclusions import read_exclusions
from matching.snapshot.history import histories
from matching.snapshot.market import unpack_model
from matching.snapshot.pairs import vocabulary
from matching.snapshot.rows import read_anchors, read_stalls
from matching.terms import sessions_from_json
from matchmaker.core.weeks import hours_between


@dataclass(frozen=True)
class Direction:
    """How likely one step is, in percent, and how likely for the average pair."""

    code: str
    percent: float
    base_percent: float


@dataclass(frozen=True)
class Part:
    """What one feature adds to the score, in points, by direction and in all; the totals sum exactly."""

    code: str
    by_direction: tuple[float, ...]
    total: float


@dataclass(frozen=True)
class Closed:
    """An hour of a wanted session at which one side is closed."""

    side: str
    hour_at: datetime


@dataclass(frozen=True)
class Brief:
    """What the engine and the calendars say about one match as of now; without an engine run no score."""

    score: float | None = None
    base: float | None = None
    directions: tuple[Direction, ...] = ()
    parts: tuple[Part, ...] = ()
    rules: tuple[str, ...] = ()
    closed: tuple[Closed, ...] = ()
    is_past: bool = False

    @property
    def has_conflict(self) -> bool:
        """Tell whether approval would be refused."""
        return bool(self.rules or self.closed or self.is_past)


@dataclass(frozen=True)
class _Pairs:
    """The parties of some matches, with the row of each match's stall and anchor."""

    stalls: Parties
    anchors: Parties
    exclusions: Exclusions
    rows: IntArray = field(repr=False)
    columns: IntArray = field(repr=False)


def briefs_of(matches: Sequence[Match], *, ignore: Collection[Rule]) -> dict[int, Brief]:
    """Return what is to be known of each match, by its id; `ignore` names rules that do not count.

    The matches need stall, anchor and terms loaded.
    """
    if not matches:
        return {}
    model = current_model()
    pairs = _read_pairs(matches, model)
    rules = _rules_against(matches, pairs, frozenset(ignore))
    explained = _explain(matches, pairs, model)
    exceptions = _exceptions(matches)
    now = timezone.now()
    briefs = {}
    for number, match in enumerate(matches):
        score = _score_fields(explained, number) if explained else {}
        briefs[match.pk] = Brief(
            rules=rules[number],
            closed=_closed(match, exceptions),
            is_past=_is_past(match, now),
            **score,  # type: ignore[arg-type]
        )
    return briefs


def current_model() -> Model | None:
    """Return the model that scores now, None before the first run; kept in the process while current."""
    finished = EngineRun.objects.filter(finished_at__isnull=False).order_by("-pk")
    run = finished.values_list("pk", "fingerprint").first()
    return _model_of(*run) if run else None


@lru_cache(maxsize=1)
def _model_of(run_id: int, _fingerprint: str) -> Model:
    return unpack_model(bytes(EngineRun.objects.values_list("model", flat=True).get(pk=run_id)))


def _read_pairs(matches: Sequence[Match], model: Model | None) -> _Pairs:
    words = model.vocabulary if model else vocabulary()
    stall_ids = sorted({match.stall_id for match in matches})
    anchor_ids = sorted({match.anchor_id for match in matches})
    stalls = read_stalls(words, stall_ids, past=histories("stall", stall_ids))
    anchors = read_anchors(words, anchor_ids, past=histories("anchor", anchor_ids))
    return _Pairs(
        stalls,
        anchors,
        read_exclusions(stall_ids, anchor_ids),
        rows=stalls.rows_of([match.stall_id for match in matches]),
        columns=anchors.rows_of([match.anchor_id for match in matches]),
    )


def _rules_against(matches: Sequence[Match], pairs: _Pairs, ignore: frozenset[Rule]) -> list[tuple[str, ...]]:
    """Return, for each match, the codes of all hard rules against it."""
    config = Config()
    stalls = RuleColumns.of(pairs.stalls, config).at(pairs.rows)
    anchors = RuleColumns.of(pairs.anchors, config).at(pairs.columns)
    failing = {rule: fails(stalls) | fails(anchors) for rule, fails in PARTY_RULES.items()}
    failing |= {rule: fails(stalls, anchors) for rule, fails in PAIR_RULES.items()}
    listed = _listed(pairs.exclusions)
    found = []
    for number, match in enumerate(matches):
        rules = {rule for rule, flags in failing.items() if np.broadcast_to(flags, len(matches))[number]}
        rules |= listed.get((match.stall_id, match.anchor_id), set())
        found.append(tuple(rule.code for rule in sorted(rules - ignore)))
    return found


def _listed(exclusions: Exclusions) -> dict[tuple[int, int], set[Rule]]:
    listed: dict[tuple[int, int], set[Rule]] = {}
    rows = zip(exclusions.stall_ids, exclusions.anchor_ids, exclusions.codes, strict=True)
    for stall_id, anchor_id, code in rows:
        listed.setdefault((int(stall_id), int(anchor_id)), set()).add(Rule(int(code)))
    return listed


def _explain(matches: Sequence[Match], pairs: _Pairs, model: Model | None) -> PairExplanations | None:
    if model is None:
        return None
    ids = [(match.stall_id, match.anchor_id) for match in matches]
    return explain_pairs(model, encode(model, pairs.stalls), encode(model, pairs.anchors), ids)


def _score_fields(explained: PairExplanations, number: int) -> dict[str, object]:
    probabilities = zip(
        DIRECTIONS, explained.probabilities[number], explained.base_probabilities, strict=True
    )
    parts = [
        Part(code, tuple(float(points) for points in column), int(total) / 100)
        for code, column, total in zip(
            explained.part_codes, explained.parts[number].T, explained.hundredths[number], strict=True
        )
    ]
    return {
        "score": float(explained.scores[number]),
        "base": explained.base,
        "directions": tuple(Direction(code, 100 * float(p), 100 * base) for code, p, base in probabilities),
        "parts": tuple(sorted(parts, key=lambda part: -abs(part.total))),
    }


def _exceptions(matches: Sequence[Match]) -> ExceptionDates:
    days = days_of(hour for match in matches for hour in _hours_of(match))
    return read_exceptions(
        {match.stall_id for match in matches}, {match.anchor_id for match in matches}, days
    )


def _hours_of(match: Match) -> list[datetime]:
    sessions = sessions_from_json(match.terms.sessions) if match.terms else []
    return [hour for session in sessions for hour in hours_between(session.starts_at, session.ends_at)]


def _closed(match: Match, exceptions: ExceptionDates) -> tuple[Closed, ...]:
    hours = _hours_of(match)
    sides = ((Side.STALL, match.stall_id, match.stall), (Side.ANCHOR, match.anchor_id, match.anchor))
    return tuple(
        Closed(side, hour)
        for side, party_id, party in sides
        for hour in closed_hours(party.availability, exceptions[side, party_id], hours)
    )


def _is_past(match: Match, now: datetime) -> bool:
    sessions = sessions_from_json(match.terms.sessions) if match.terms else []
    return any(session.starts_at <= now for session in sessions)


@dataclass(frozen=True)
class Waiting:
    """How many agreed matches wait for staff, and for how long the oldest does."""

    count: int
    longest: timedelta | None


def waiting_matches() -> Waiting:
    """Return the length of the queue and its longest waiting time; one query."""
    row = Match.objects.filter(status=MatchStatus.AGREED).aggregate(
        count=Count("pk"), oldest=Min("agreed_at")
    )
    return Waiting(row["count"], timezone.now() - row["oldest"] if row["oldest"] else None)


def track_records(match: Match) -> dict[str, dict[str, int]]:
    """Return how many other matches of its stall and of its anchor are in each state; one query."""
    others = Match.objects.exclude(pk=match.pk).filter(Q(stall=match.stall_id) | Q(anchor=match.anchor_id))
    counts = others.values("status").annotate(
        of_stall=Count("pk", filter=Q(stall=match.stall_id)),
        of_anchor=Count("pk", filter=Q(anchor=match.anchor_id)),
    )
    records: dict[str, dict[str, int]] = {"stall": {}, "anchor": {}}
    for row in counts.order_by("status"):
        if row["of_stall"]:
            records["stall"][row["status"]] = row["of_stall"]
        if row["of_anchor"]:
            records["anchor"][row["status"]] = row["of_anchor"]
    return records
