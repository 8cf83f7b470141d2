"""The chains of events as they lie in the database, of what lives by a table of states (layer: selectors).

Everything is read in blocks, so that a million events need no more memory than a thousand. One statement
reads a block's rows together with their events: a move in between cannot make the two differ.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from django.db.models import Model, QuerySet

from matching.digests import event_hash, match_day_event_hash, model_event_hash, outcome_event_hash
from matching.models import EngineModel, Match, MatchDay, Outcome, Terms
from matching.moves import awaited_roles, state_after, transition_of
from matching.outcome_moves import outcome_role, outcome_transition
from matching.outcomes import FIGURES
from matching.selectors.violations import Violation
from matching.states import MATCH_DAY_TRANSITIONS, MODEL_TRANSITIONS
from matchmaker.core.transitions import Transition

BLOCK = 500
# Status and who has to answer; nobody is awaited by an outcome.
State = tuple[str, str]


class EventRow(NamedTuple):
    """One event, bare; what has a default is of matches, of outcomes or of match days alone."""

    seq: int
    action: str
    from_status: str
    to_status: str
    actor_id: int | None
    actor_role: str
    reason_code: str
    at: datetime
    prev_hash: str
    hash: str
    awaiting: str = ""
    terms_digest: str = ""
    figures: Any = None
    digest: str = ""


_SHARED = tuple(name for name in EventRow._fields if name not in EventRow._field_defaults)


class Version(NamedTuple):
    """One version of terms, bare."""

    number: int
    canonical: str
    digest: str
    commission_rate: Decimal
    slot_fee_cents: int
    cooperation_mode: str
    sessions: Any


@dataclass(frozen=True)
class Chain:
    """One row that lives by a table of states, as it stands, with all its events in order.

    Only matches have versions of terms, and only if asked for.
    """

    subject: UUID
    row: Mapping[str, Any]
    events: tuple[EventRow, ...]
    versions: tuple[Version, ...] = ()

    kind: ClassVar[str]
    # Columns of the row, and of its events beside the shared ones.
    columns: ClassVar[tuple[str, ...]]
    own: ClassVar[tuple[str, ...]]

    @property
    def state(self) -> State:
        """The state that the row says it is in."""
        return self.row["status"], self.row.get("awaiting", "")

    @classmethod
    def event(cls, values: tuple[Any, ...]) -> EventRow:
        """Return the event that holds these values of the shared columns and its own."""
        return EventRow(*values)

    def wrong(self, code: str, seq: int | None = None, **values: object) -> Violation:
        """Return a violation of this row."""
        return Violation(self.kind, str(self.subject), code, seq, values)

    def hash_of(self, event: EventRow) -> str:
        """Return the hash that the event must have."""
        raise NotImplementedError

    def transition(self, event: EventRow) -> Transition:
        """Return the row of the table for the move; LookupError for none."""
        raise NotImplementedError

    def state_after(self, event: EventRow, before: State) -> State | None:
        """Return the state that the move leads to from there, None if its actor could not make it."""
        raise NotImplementedError


@dataclass(frozen=True)
class MatchChain(Chain):
    """A match with its events."""

    kind = "match"
    columns = ("status", "version", "awaiting", "terms__digest")
    own = ("awaiting", "terms_digest")

    def hash_of(self, event: EventRow) -> str:
        return event_hash(event, self.subject)

    def transition(self, event: EventRow) -> Transition:
        return transition_of(event.action)

    def state_after(self, event: EventRow, before: State) -> State | None:
        status, awaiting = before
        if transition_of(event.action).awaited_only and event.actor_role not in awaited_roles(awaiting):
            return None
        return state_after(event.action, status, awaiting, event.actor_role)


@dataclass(frozen=True)
class OutcomeChain(Chain):
    """An outcome with its events."""

    kind = "outcome"
    columns = ("status", "version", *FIGURES)
    own = ("figures",)

    @classmethod
    def event(cls, values: tuple[Any, ...]) -> EventRow:
        return EventRow(*values[:-1])._replace(figures=values[-1])

    @property
    def figures(self) -> dict[str, int]:
        """The figures that the row says."""
        return {name: self.row[name] for name in FIGURES}

    def hash_of(self, event: EventRow) -> str:
        return outcome_event_hash(event, self.subject)

    def transition(self, event: EventRow) -> Transition:
        return outcome_transition(event.action)

    def state_after(self, event: EventRow, before: State) -> State | None:
        told = [e.actor_role for e in self.events if e.seq < event.seq and e.action in ("record", "correct")]
        if outcome_role(event.action, told[-1] if told else "", {event.actor_role}) is None:
            return None
        return outcome_transition(event.action).target, ""


@dataclass(frozen=True)
class _SimpleChain(Chain):
    """What moves by the states of its table alone, whoever of its roles acts."""

    table: ClassVar[tuple[Transition, ...]]

    def transition(self, event: EventRow) -> Transition:
        for row in self.table:
            if row.action == event.action:
                return row
        raise LookupError(f"no move {event.action!r}")

    def state_after(self, event: EventRow, before: State) -> State | None:
        return self.transition(event).target, ""


@dataclass(frozen=True)
class ModelChain(_SimpleChain):
    """Learned weights with their events, each of which is bound to the weights."""

    kind = "model"
    columns = ("status", "version", "digest")
    own = ()
    table = MODEL_TRANSITIONS

    def hash_of(self, event: EventRow) -> str:
        return model_event_hash(event, self.subject, self.row["digest"])


@dataclass(frozen=True)
class MatchDayChain(_SimpleChain):
    """A match day with its events, each of which names the result that stood then."""

    kind = "match_day"
    columns = ("status", "version", "digest")
    own = ("digest",)
    table = MATCH_DAY_TRANSITIONS

    @classmethod
    def event(cls, values: tuple[Any, ...]) -> EventRow:
        return EventRow(*values[:-1])._replace(digest=values[-1])

    def hash_of(self, event: EventRow) -> str:
        return match_day_event_hash(event, self.subject)


_KINDS: dict[type[Model], type[Chain]] = {
    Match: MatchChain,
    Outcome: OutcomeChain,
    EngineModel: ModelChain,
    MatchDay: MatchDayChain,
}


def chains_of(rows: QuerySet[Any], *, with_terms: bool = False) -> Iterator[Chain]:
    """Yield the chain of each of these rows (of one kind), in the order of their keys.

    Two queries a block, and with terms three.
    """
    ordered, last = rows.order_by("pk").values_list("pk", "public_id"), 0
    while names := dict(ordered.filter(pk__gt=last)[:BLOCK]):
        last = max(names)
        yield from _block(rows.model, names, with_terms)


def _block(model: Any, names: dict[int, UUID], with_terms: bool) -> Iterator[Chain]:
    kind, keys = _KINDS[model], list(names)
    # A range is found and read faster than a list.
    is_dense = keys[-1] - keys[0] < len(keys)
    among = {"pk__range": (keys[0], keys[-1])} if is_dense else {"pk__in": keys}
    wide = 1 + len(kind.columns)
    columns = ("pk", *kind.columns, *(f"events__{name}" for name in (*_SHARED, *kind.own)))
    read = list(model.objects.filter(**among).order_by("pk", "events__seq").values_list(*columns))
    # Read after the events, so that the version which the last of them names is there.
    versions = _versions(keys) if with_terms and kind is MatchChain else {}
    for key, group in groupby(read, key=itemgetter(0)):
        lines = list(group)
        row = dict(zip(kind.columns, lines[0][1:wide], strict=True))
        events = tuple(kind.event(line[wide:]) for line in lines if line[wide] is not None)
        yield kind(names[key], row, events, versions.get(key, ()))


def _versions(keys: list[int]) -> dict[int, tuple[Version, ...]]:
    rows = Terms.objects.filter(match_id__in=keys).order_by("match_id", "number")
    read = rows.values_list("match_id", *Version._fields)
    return {
        key: tuple(Version._make(row[1:]) for row in group) for key, group in groupby(read, key=itemgetter(0))
    }
