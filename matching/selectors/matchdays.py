"""What stands against the wishes of a match day, and what its pages and commands read (layer: selectors)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Anchor, Stall
from matching.choices import PairWish, Side
from matching.models import MatchDay, MatchDayPair, WeekLoad
from matching.rules import REASON_TEXTS, check_pair
from matchmaker.core.errors import Conflict

PairList = list[list[int]]


@dataclass(frozen=True)
class Refusal:
    """Why a match day cannot be as it was wished: a stable code, the pairs at fault, and what else is told.

    Kept with ids and codes only: names belong to the parties and may be erased.
    """

    code: str
    pairs: PairList = field(default_factory=list)
    reasons: tuple[str, ...] = ()
    side: str = ""
    pins: int = 0
    left: int = 0

    def as_error(self) -> Conflict:
        """Return it as the Conflict that faces translate."""
        return Conflict(told_refusals([self])[0], code=self.code, pairs=self.pairs)

    def as_json(self) -> dict[str, Any]:
        """Return it as the report of a day keeps it."""
        return asdict(self) | {"reasons": list(self.reasons)}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Refusal":
        """The inverse of `as_json`."""
        return cls(**{**kept, "reasons": tuple(kept.get("reasons", ()))})


REFUSALS: dict[str, Any] = {
    "wrong_state": gettext_lazy("The match day is in another state."),
    "changed_meanwhile": gettext_lazy("The match day was changed while it was solved. Solve it again."),
    "no_engine_run": gettext_lazy("The engine has not run yet: compute the suggestions first."),
    "no_stall": gettext_lazy("There is no stall in the town."),
    "no_anchor": gettext_lazy("There is no anchor in the town."),
    "engine_error": gettext_lazy("The engine cannot work with what it was given; see the log of the worker."),
}


def told_refusals(refusals: Sequence[Refusal]) -> list[str]:
    """Return a sentence for each; two queries for the names."""
    stalls = Stall.objects.in_bulk({pair[0] for refusal in refusals for pair in refusal.pairs})
    anchors = Anchor.objects.in_bulk({pair[1] for refusal in refusals for pair in refusal.pairs})
    return [_sentence(refusal, stalls, anchors) for refusal in refusals]


def _sentence(refusal: Refusal, stalls: Mapping[int, Stall], anchors: Mapping[int, Anchor]) -> str:
    if not refusal.pairs:
        return str(REFUSALS.get(refusal.code, refusal.code))
    stall, anchor = (
        names.get(pk, "–") for names, pk in zip((stalls, anchors), refusal.pairs[0], strict=True)
    )
    if refusal.code == "pins_over_capacity":
        party = stall if refusal.side == Side.STALL else anchor
        names = {"party": party, "pins": refusal.pins, "left": refusal.left}
        return _("%(party)s is pinned %(pins)s times and has %(left)s bookings left.") % names
    reasons = "; ".join(str(REASON_TEXTS[code]) for code in refusal.reasons)
    names = {"stall": stall, "anchor": anchor, "reasons": reasons}
    return _("%(stall)s and %(anchor)s cannot be pinned: %(reasons)s.") % names


def weeks_of(day: MatchDay) -> list[date]:
    """Return the Mondays of the weeks that the day plans."""
    return [day.first_week_on + timedelta(weeks=number) for number in range(day.weeks)]


def rules_against_pin(pair: MatchDayPair) -> Refusal | None:
    """Return which hard rules speak against a pinned pair as it stands now, None when it may be."""
    codes = check_pair(pair.stall, pair.anchor)
    if not codes:
        return None
    return Refusal("pinned_but_excluded", [[pair.stall_id, pair.anchor_id]], tuple(codes))


def pins_over_capacity(day: MatchDay) -> Iterator[Refusal]:
    """Yield every party that is pinned more often than it has bookings left in the weeks of the day."""
    pins = list(pairs_of(day).filter(wish=PairWish.PINNED))
    for side, parties in (
        (Side.STALL, {pair.stall_id: pair.stall for pair in pins}),
        (Side.ANCHOR, {pair.anchor_id: pair.anchor for pair in pins}),
    ):
        left = bookings_left(side, parties, weeks_of(day))
        counts = Counter(getattr(pair, f"{side}_id") for pair in pins)
        for party_id, count in sorted(counts.items()):
            if count > sum(left[party_id]):
                at_fault = [[p.stall_id, p.anchor_id] for p in pins if getattr(p, f"{side}_id") == party_id]
                yield Refusal(
                    "pins_over_capacity", at_fault, side=str(side), pins=count, left=sum(left[party_id])
                )


def contradictions(day: MatchDay) -> list[Refusal]:
    """Return everything that stands against the pins of the day, the first rule of each named."""
    pins = pairs_of(day).filter(wish=PairWish.PINNED)
    excluded = [refusal for pair in pins if (refusal := rules_against_pin(pair)) is not None]
    return [*excluded, *pins_over_capacity(day)]


def bookings_left(
    side: str, parties: Mapping[int, Stall | Anchor], weeks: list[date]
) -> dict[int, list[int]]:
    """Return for each party how many bookings each of these weeks still takes; one query."""
    rows = WeekLoad.objects.filter(side=side, week_on__in=weeks, party_id__in=list(parties))
    used = {(party, week): count for party, week, count in rows.values_list("party_id", "week_on", "used")}
    return {
        pk: [max(party.weekly_capacity - used.get((pk, week), 0), 0) for week in weeks]
        for pk, party in parties.items()
    }


def pairs_of(day: MatchDay) -> QuerySet[MatchDayPair]:
    """Return the pairs of the day with both parties and the match, in order of ids."""
    return day.pairs.select_related("stall", "anchor", "match").order_by("stall_id", "anchor_id")


def shown_pairs(day: MatchDay) -> QuerySet[MatchDayPair]:
    """Return the pairs that staff look at: those brought together, and those with a wish."""
    return pairs_of(day).filter(Q(is_solved=True) | ~Q(wish=PairWish.NONE))
