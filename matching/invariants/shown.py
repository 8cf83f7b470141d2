"""Invariant 8: what is served now, against a recount of every exclusion (layer: invariants).

The recount reads the rows by itself and uses none of `matching.snapshot` or the engine's rules.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from accounts.models import Anchor, Membership, Stall
from matching.choices import OPEN_STATUSES, MatchStatus, ReactionKind, Side
from matching.invariants.finding import Finding
from matching.invariants.words import What
from matching.models import Block, Booking, Exclusivity, Match, PairRule, Reaction, RecommendationList
from matching.policy import HIDDEN_AFTER_DECLINE
from matching.selectors import suggestions_for
from matchmaker.core import clock
from matchmaker.core.weeks import HORIZON_WEEKS, coming_weeks, town_today

# So many parties are asked for their first page, other ones each day.
SAMPLE = 200
_CHUNK = 400
Pair = tuple[int, int]


@dataclass(frozen=True)
class Moment:
    """When it was served and when it is judged: only what was wrong all the time in between counts."""

    day_before: date
    day: date
    now: datetime


def find_wrong_suggestions(finding: Finding) -> None:
    """Report partners on first pages who may not be shown, to anybody or to this subject."""
    day_before = town_today()
    served = {side: _served(side, finding) for side in Side}
    moment = Moment(day_before, town_today(), clock.now())
    pairs = {(row, partner) for row, partner in served[Side.STALL]}
    pairs |= {(partner, row) for row, partner in served[Side.ANCHOR]}
    stalls, anchors = sorted({stall for stall, _ in pairs}), sorted({anchor for _, anchor in pairs})
    wrong = {Side.STALL: _unfit_stalls(stalls, moment), Side.ANCHOR: _unfit_anchors(anchors, moment)}
    for side, other in ((Side.STALL, Side.ANCHOR), (Side.ANCHOR, Side.STALL)):
        for subject, partner in served[side]:
            if partner in wrong[other]:
                finding.report(
                    What.SHOWN_INELIGIBLE,
                    to=side,
                    subject=subject,
                    partner=partner,
                    why=wrong[other][partner],
                )
    for (stall, anchor), why in sorted(_excluded(stalls, anchors, pairs, moment).items()):
        finding.report(What.SHOWN_EXCLUDED, stall=stall, anchor=anchor, why=why)


def _served(side: Side, finding: Finding) -> list[Pair]:
    """Return (subject, partner) of the first page of a sample of the parties that have a list."""
    current = RecommendationList.objects.filter(side=side, superseded_at__isnull=True)
    ids = list(current.order_by("subject_id").values_list("subject_id", flat=True))
    step = max(1, -(-len(ids) // (SAMPLE // 2)))
    chosen = ids[town_today().toordinal() % step :: step]
    rows: Any = Stall.objects.select_related("merchant") if side == Side.STALL else Anchor.objects
    found = []
    for subject in rows.in_bulk(chosen).values():
        page = suggestions_for(side=side, subject=subject)
        finding.look(len(page.items))
        found += [(subject.pk, item.partner.pk) for item in page.items]
    return found


# --- parties that may be shown to nobody ---------------------------------------------------------------


def _unfit_stalls(ids: Sequence[int], moment: Moment) -> dict[int, str]:
    rows = [
        row for part in _chunks(ids) for row in Stall.objects.select_related("merchant").filter(pk__in=part)
    ]
    used = _booked("stall_id", ids)
    wrong: dict[int, str] = {}
    for stall in rows:
        owner = stall.merchant
        faults = {
            "archived": stall.archived_at or owner.archived_at,
            "unverified": not _is_verified(owner, moment),
            "licence": owner.licence_expires_on and owner.licence_expires_on < moment.day_before,
            "banned": stall.streaming_permit == "banned",
            "full": used[stall.pk] >= _offered(stall),
        }
        wrong |= _first_fault(stall.pk, faults)
    return wrong


def _unfit_anchors(ids: Sequence[int], moment: Moment) -> dict[int, str]:
    rows = [row for part in _chunks(ids) for row in Anchor.objects.filter(pk__in=part)]
    claimed = {
        pk
        for part in _chunks(ids)
        for pk in Membership.objects.filter(anchor__in=part).values_list("anchor_id", flat=True)
    }
    used = _booked("session__anchor_id", ids)
    wrong: dict[int, str] = {}
    for anchor in rows:
        faults = {
            "archived": anchor.archived_at,
            "unverified": not _is_verified(anchor, moment),
            "unclaimed": anchor.pk not in claimed and not anchor.legal_basis,
            "age": _is_too_young(anchor, moment.day),
            "full": used[anchor.pk] >= _offered(anchor),
        }
        wrong |= _first_fault(anchor.pk, faults)
    return wrong


def _first_fault(pk: int, faults: dict[str, Any]) -> dict[int, str]:
    return next(({pk: name} for name, is_so in faults.items() if is_so), {})


def _is_verified(party: Any, moment: Moment) -> bool:
    return party.verification == "verified" and bool(
        party.verified_until and party.verified_until >= moment.day_before
    )


def _is_too_young(anchor: Anchor, day: date) -> bool:
    """Whether not yet 18, or with a guardian's consent not yet 16."""
    least = 16 if anchor.guardian_consent_on else 18
    born = anchor.birth_date
    return (day.year - least, day.month, day.day) < (born.year, born.month, born.day)


def _offered(party: Any) -> int:
    """The bookings that the party offers in the coming weeks; none when its week has no free hour."""
    return int(party.weekly_capacity) * HORIZON_WEEKS * ("1" in party.availability)


def _booked(key: str, ids: Sequence[int]) -> Counter[int]:
    """Count the bookings of the coming weeks themselves, not their counters."""
    weeks = coming_weeks(timezone.now())
    held = Booking.objects.filter(released_at__isnull=True, week_on__in=weeks)
    parts = (held.filter(**{f"{key}__in": part}) for part in _chunks(ids))
    return Counter(pk for rows in parts for pk in rows.values_list(key, flat=True))


# --- pairs that are excluded ---------------------------------------------------------------------------


def _excluded(
    stalls: Sequence[int], anchors: Sequence[int], pairs: set[Pair], moment: Moment
) -> dict[Pair, str]:
    """Return why each of the pairs may not be suggested, for those that may not."""
    found: dict[Pair, str] = {}
    for part in _chunks(anchors):
        for stall, anchor, why in _exclusions(part, moment):
            if (stall, anchor) in pairs:
                found.setdefault((stall, anchor), why)
        for promise in Exclusivity.objects.filter(
            anchor__in=part, starts_on__lte=moment.day_before, ends_on__gte=moment.day
        ):
            rivals = [s for s, a in pairs if a == promise.anchor_id and s != promise.stall_id]
            for stall in _selling(rivals, promise.category):
                found.setdefault((stall, promise.anchor_id), "exclusive")
    return found


def _exclusions(anchors: Sequence[int], moment: Moment) -> Iterator[tuple[int, int, str]]:
    def triples(rows: Any, why: str, stall: str = "stall_id") -> Iterator[tuple[int, int, str]]:
        return ((*pair, why) for pair in rows.filter(anchor__in=anchors).values_list(stall, "anchor_id"))

    lasting = Q(until__isnull=True) | Q(until__gt=moment.now)
    passed = Reaction.objects.filter(kind=ReactionKind.PASS, until__gt=moment.now)
    declined = Match.objects.filter(
        status=MatchStatus.DECLINED, ended_at__gt=moment.now - HIDDEN_AFTER_DECLINE
    )
    yield from triples(Reaction.objects.filter(kind=ReactionKind.NEVER), "never")
    yield from triples(passed, "passed")
    yield from triples(PairRule.objects.filter(lasting, kind="forbid"), "forbidden")
    yield from triples(Block.objects.all(), "blocked", "merchant__stalls")
    yield from triples(Match.objects.filter(status__in=OPEN_STATUSES), "open_match")
    yield from triples(declined, "declined")


def _selling(stalls: Sequence[int], category: str) -> list[int]:
    rows = Stall.objects.filter(pk__in=stalls).values_list("pk", "categories")
    return [pk for pk, categories in rows if not category or category in categories]


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
