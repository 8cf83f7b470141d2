"""What parties did before, counted, and the load of their coming weeks (layer: snapshot)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Avg, Count, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan
from django.utils import timezone
from numpy.typing import NDArray

from accounts.choices import VerificationStatus
from accounts.models import ForgottenTag
from matching.choices import MatchStatus, ReactionKind, Side
from matching.models import Impression, Match, Reaction, WeekLoad
from matchmaker.core import clock
from matchmaker.core.weeks import coming_weeks

Counts = dict[int, int]
SHOWN_WITHIN = timedelta(weeks=4)
# Tags that are counted from what happened, as against those that a party declares.
EVIDENCE = ("reliability", "reply", "accepts_given", "accepts_received")
_EVER = Value(datetime(1970, 1, 1, tzinfo=UTC))


# Who staff have verified is no second account of somebody else; nobody else's answers are evidence.
VERIFIED_STALL = {"stall__merchant__verification": VerificationStatus.VERIFIED}
VERIFIED_ANCHOR = {"anchor__verification": VerificationStatus.VERIFIED}


def believed_matches() -> QuerySet[Match]:
    """Return the matches between two parties that staff have verified."""
    return Match.objects.filter(**VERIFIED_STALL, **VERIFIED_ANCHOR)


def believed_reactions() -> QuerySet[Reaction]:
    """Return the answers of parties that staff have verified."""
    return Reaction.objects.filter(
        Q(side=Side.STALL, **VERIFIED_STALL) | Q(side=Side.ANCHOR, **VERIFIED_ANCHOR)
    )


@dataclass(frozen=True)
class PartyHistory:
    """Counts by party id; a party that is missing has none."""

    accepted: Counts = field(default_factory=dict)
    completed: Counts = field(default_factory=dict)
    decisions_given: Counts = field(default_factory=dict)
    decisions_yes: Counts = field(default_factory=dict)
    received: Counts = field(default_factory=dict)
    received_yes: Counts = field(default_factory=dict)
    load_used: Counts = field(default_factory=dict)
    exposures: Counts = field(default_factory=dict)
    reply_hours: dict[int, float] = field(default_factory=dict)
    # Ids by declared tag that these parties had deleted.
    unsaid: Mapping[str, Collection[int]] = field(default_factory=dict)

    def columns(self, ids: NDArray[np.int64]) -> dict[str, Any]:
        """Return the engine's columns for these ids."""
        counted = (
            "accepted",
            "completed",
            "decisions_given",
            "decisions_yes",
            "received",
            "received_yes",
            "load_used",
            "exposures",
        )
        columns: dict[str, Any] = {
            name: [getattr(self, name).get(i, 0) for i in ids.tolist()] for name in counted
        }
        columns["reply_hours"] = [self.reply_hours.get(i, float("nan")) for i in ids.tolist()]
        return columns

    def known(
        self, code: str, rows: Sequence[Mapping[str, Any]], values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the values of these rows, NaN for a party that had the tag deleted."""
        gone = self.unsaid.get(code, ())
        return np.where([row["id"] in gone for row in rows], np.nan, values) if gone else values


def histories(side: str, ids: Sequence[int] | None = None) -> PartyHistory:
    """Return the history of these parties of `side` (all when None)."""
    other = "anchor" if side == "stall" else "stall"
    key = f"{side}_id"
    matches, reactions = believed_matches(), believed_reactions()
    unsaid = _forgotten(side, ids)
    if ids is not None:
        matches, reactions = matches.filter(**{f"{key}__in": ids}), reactions.filter(**{f"{key}__in": ids})
    since = {code: _since(side, code) if code in unsaid else _EVER for code in EVIDENCE}
    by_party = _match_counts(matches, key, side, other, since)
    own = _reaction_counts(reactions, key, side, since["accepts_given"])
    from_others = _reaction_counts(reactions, key, other, since["accepts_received"])
    return PartyHistory(
        accepted={i: row["accepted"] for i, row in by_party.items()},
        completed={i: row["completed"] for i, row in by_party.items()},
        decisions_given=_sum({i: row["answered"] for i, row in by_party.items()}, own[0]),
        decisions_yes=_sum({i: row["said_yes"] for i, row in by_party.items()}, own[1]),
        received=_sum({i: row["asked"] for i, row in by_party.items()}, from_others[0]),
        received_yes=_sum({i: row["heard_yes"] for i, row in by_party.items()}, from_others[1]),
        load_used=loads(side, ids),
        exposures=exposures(side, ids),
        reply_hours={
            i: row["reply"].total_seconds() / 3600 for i, row in by_party.items() if row["reply"] is not None
        },
        unsaid={code: held for code, held in unsaid.items() if code not in EVIDENCE},
    )


def declared_tags_forgotten(side: str) -> dict[str, set[int]]:
    """Return by declared tag which parties of `side` had it deleted."""
    return {code: held for code, held in _forgotten(side, None).items() if code not in EVIDENCE}


def evidence_forgotten(side: str) -> dict[str, dict[int, datetime]]:
    """Return by counted tag which parties of `side` had it deleted, and when."""
    rows = ForgottenTag.objects.filter(**{f"{side}__isnull": False}, code__in=EVIDENCE)
    found: dict[str, dict[int, datetime]] = {}
    for code, party_id, at in rows.values_list("code", f"{side}_id", "forgotten_at"):
        found.setdefault(code, {})[party_id] = at
    return found


def _forgotten(side: str, ids: Sequence[int] | None) -> dict[str, set[int]]:
    """Return which of these parties had a tag deleted, by its code."""
    rows = ForgottenTag.objects.filter(**{f"{side}__isnull": False})
    if ids is not None:
        rows = rows.filter(**{f"{side}_id__in": ids})
    found: dict[str, set[int]] = {}
    for code, party_id in rows.values_list("code", f"{side}_id"):
        found.setdefault(code, set()).add(party_id)
    return found


def _since(side: str, code: str) -> Any:
    """Return the moment before which evidence no longer counts for the party of a row."""
    rows = ForgottenTag.objects.filter(**{f"{side}_id": OuterRef(f"{side}_id")}, code=code)
    return Coalesce(Subquery(rows.values("forgotten_at")[:1]), _EVER)


def parties_active_since(moment: datetime) -> dict[str, set[int]]:
    """Return by side whose matches or reactions changed after `moment`, and so whose history did."""
    rows = [model.objects.filter(updated_at__gte=moment) for model in (Match, Reaction)]
    return {
        side: {party for row in rows for party in row.values_list(f"{side}_id", flat=True)}
        for side in ("stall", "anchor")
    }


def loads(side: str, ids: Sequence[int] | None = None) -> Counts:
    """Return how many bookings of the coming four weeks each of these parties (all when None) carries."""
    rows = WeekLoad.objects.filter(side=side, week_on__in=coming_weeks(clock.now()), used__gt=0)
    if ids is not None:
        rows = rows.filter(party_id__in=ids)
    return dict(rows.values_list("party_id").annotate(Sum("used")))


def exposures(side: str, ids: Sequence[int] | None = None) -> Counts:
    """Return how often each of these parties (all when None) was shown to partners in the past four weeks."""
    to = Side.ANCHOR if side == Side.STALL else Side.STALL
    shown = Impression.objects.filter(side=to, shown_at__gte=timezone.now() - SHOWN_WITHIN)
    if ids is not None:
        shown = shown.filter(**{f"{side}_id__in": ids})
    return _count(shown, f"{side}_id")


def _match_counts(
    matches: QuerySet[Match], key: str, side: str, other: str, since: Mapping[str, Any]
) -> dict[int, dict[str, Any]]:
    agreed = Q(agreed_at__isnull=False)
    answered = agreed | Q(status=MatchStatus.DECLINED)
    ended = Coalesce(F("ended_at"), F("updated_at"))
    came, went = Coalesce(F("agreed_at"), ended), ended
    over = ~Q(status__in=[MatchStatus.AGREED, MatchStatus.APPROVED])
    kept = Q(GreaterThan(went, since["reliability"]))
    given, received = (
        Q(GreaterThan(came, since[code]), proposed_by=by)
        for code, by in (("accepts_given", other), ("accepts_received", side))
    )
    counted = matches.values(key).annotate(
        accepted=Count("pk", filter=agreed & over & kept),
        completed=Count("pk", filter=Q(status=MatchStatus.COMPLETED) & kept),
        answered=Count("pk", filter=answered & given),
        said_yes=Count("pk", filter=agreed & given),
        asked=Count("pk", filter=answered & received),
        heard_yes=Count("pk", filter=agreed & received),
        reply=Avg(
            F("agreed_at") - F("created_at"),
            filter=agreed & Q(GreaterThan(F("agreed_at"), since["reply"]), proposed_by=other),
        ),
    )
    return {row[key]: row for row in counted}


def _reaction_counts(reactions: QuerySet[Reaction], key: str, side: str, since: Any) -> tuple[Counts, Counts]:
    given = reactions.filter(GreaterThan(F("updated_at"), since), side=side)
    liked = given.filter(kind=ReactionKind.LIKE)
    return _count(given, key), _count(liked, key)


def _count(rows: QuerySet[Any], key: str) -> Counts:
    return dict(rows.values_list(key).annotate(Count("pk")))


def _sum(first: Counts, second: Counts) -> Counts:
    return {key: first.get(key, 0) + second.get(key, 0) for key in first.keys() | second.keys()}
