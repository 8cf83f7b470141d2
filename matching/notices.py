"""News of matches and outcomes in words, for each who reads them (layer: selectors).

Facts are codes, ids and times; names, reasons and language are those of the moment of reading. A new move
needs its lines in `MOVES`: a test asks for one by every role that may make it, and for each who hears of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import ReasonCode
from matching.choices import MatchStatus, Role
from matching.models import Match
from matching.policy import ESCALATED_AFTER
from matching.states import SIDES
from matchmaker.core.weeks import TOWN_ZONE
from notifications.registry import Fact, Told, tells

MATCH, OUTCOME = "match", "outcome"
ESCALATE = "escalate"
# Who made the move, as the reader sees it: the reader's own side, the partner, or the town (staff, the
# system). Staff who have to act are spoken to in words of their own.
US, THEM, TOWN, STAFF = "us", "them", "town", "staff"
UNKNOWN = "–"
_TIMES = ("answer_by", "first_session_at", "session_at")


@dataclass(frozen=True)
class Words:
    """One piece of news; the names that it may use are those of `_values`."""

    title: Any
    body: Any


class Names(NamedTuple):
    """What the two are called on their cards."""

    stall: str
    anchor: str


def case_of(facts: Mapping[str, Any]) -> tuple[str, str]:
    """Return which line tells these facts: what happened, and who did it as the reader sees it."""
    return _happening(facts), _voice(facts)


def _happening(facts: Mapping[str, Any]) -> str:
    """Return the action; one that means another thing in another state has a name of its own."""
    action, before = facts["action"], facts.get("from")
    if action == "accept" and facts.get("to") == MatchStatus.PROPOSED:
        return "accept_first"
    if action in ("withdraw", "expire") and before == MatchStatus.AGREED:
        return f"{action}_agreed"
    return str(action)


def _voice(facts: Mapping[str, Any]) -> str:
    reader, mover = facts["as"], facts.get("by")
    if reader == Role.STAFF:
        return STAFF
    if mover not in SIDES:
        return TOWN
    return US if mover == reader else THEM


# --- telling -----------------------------------------------------------------------------------------


@tells(MATCH)
def tell_matches(facts: Sequence[Fact]) -> Callable[[Fact], Told]:
    """Read names and reasons of these notices: two queries; return what words one of them."""
    return _teller(facts, MOVES)


@tells(OUTCOME)
def tell_outcomes(facts: Sequence[Fact]) -> Callable[[Fact], Told]:
    """Likewise for what sessions brought."""
    return _teller(facts, OUTCOMES)


def _teller(notices: Sequence[Fact], lines: Mapping[tuple[str, str], Words]) -> Callable[[Fact], Told]:
    names = _names({notice.subject_id for notice in notices if notice.subject_id})
    reasons = _reasons({str(notice.facts.get("reason_code", "")) for notice in notices})

    def tell(notice: Fact) -> Told:
        words = lines[case_of(notice.facts)]
        names_of_match = names.get(notice.subject_id) if notice.subject_id else None
        values = _values(notice.facts, names_of_match or Names(UNKNOWN, UNKNOWN))
        body = str(words.body) % values
        code = notice.facts.get("reason_code")
        if code:
            reason = _("Reason: %(reason)s.") % {"reason": reasons.get(code, code)}
            body = f"{body} {reason}"
        return Told(str(words.title) % values, body)

    return tell


def _names(match_ids: set[UUID]) -> dict[UUID, Names]:
    rows = Match.objects.filter(public_id__in=match_ids)
    found = rows.values_list("public_id", "stall__name", "anchor__display_name")
    return {public_id: Names(stall, anchor) for public_id, stall, anchor in found}


def _reasons(codes: set[str]) -> dict[str, str]:
    return {reason.code: reason.name for reason in ReasonCode.objects.filter(code__in=codes - {""})}


def _values(facts: Mapping[str, Any], names: Names) -> dict[str, Any]:
    is_anchor = facts["as"] == Role.ANCHOR
    return {
        "stall": names.stall,
        "anchor": names.anchor,
        "own": names.anchor if is_anchor else names.stall,
        "partner": names.stall if is_anchor else names.anchor,
        "hours": int(ESCALATED_AFTER.total_seconds() // 3600),
    } | {name: _town_time(facts.get(name)) for name in _TIMES}


def _town_time(text: str | None) -> str:
    """Return the time by the clocks of the town."""
    return datetime.fromisoformat(text).astimezone(TOWN_ZONE).strftime("%Y-%m-%d %H:%M") if text else UNKNOWN


# --- the words ---------------------------------------------------------------------------------------

_BOTH_AGREED = gettext_lazy(
    "Both sides have agreed; town staff will look at it now. First session of %(own)s: %(first_session_at)s."
)
_FREE_AGAIN = gettext_lazy("The hours and capacity of %(own)s that were reserved are free again.")

MOVES: dict[tuple[str, str], Words] = {
    ("propose", THEM): Words(
        gettext_lazy("%(partner)s proposes a match"),
        gettext_lazy("Proposed to %(own)s. Please answer by %(answer_by)s; then it expires."),
    ),
    ("propose", US): Words(
        gettext_lazy("Proposed to %(partner)s"),
        gettext_lazy("Proposed in the name of %(own)s. The other side can answer until %(answer_by)s."),
    ),
    ("propose", TOWN): Words(
        gettext_lazy("Town staff propose a match with %(partner)s"),
        gettext_lazy("Proposed to %(own)s and %(partner)s: both have to accept by %(answer_by)s."),
    ),
    ("counter", THEM): Words(
        gettext_lazy("%(partner)s makes another offer"),
        gettext_lazy("New terms for %(own)s. Please answer by %(answer_by)s; then they expire."),
    ),
    ("counter", US): Words(
        gettext_lazy("Another offer to %(partner)s"),
        gettext_lazy("New terms in the name of %(own)s. The other side can answer until %(answer_by)s."),
    ),
    ("accept", THEM): Words(gettext_lazy("%(partner)s accepted"), _BOTH_AGREED),
    ("accept", US): Words(gettext_lazy("Accepted: match with %(partner)s"), _BOTH_AGREED),
    ("accept", STAFF): Words(
        gettext_lazy("Waits for approval: %(stall)s – %(anchor)s"),
        gettext_lazy("Both sides have agreed. The first session begins at %(first_session_at)s."),
    ),
    ("accept_first", THEM): Words(
        gettext_lazy("%(partner)s accepted what town staff propose"),
        gettext_lazy("%(own)s still has to answer, by %(answer_by)s."),
    ),
    ("accept_first", US): Words(
        gettext_lazy("Accepted: match with %(partner)s that town staff propose"),
        gettext_lazy("%(own)s has accepted. The other side can answer until %(answer_by)s."),
    ),
    ("decline", THEM): Words(
        gettext_lazy("%(partner)s declined"),
        gettext_lazy("There will be no match with %(own)s this time."),
    ),
    ("decline", US): Words(
        gettext_lazy("Declined: proposal of %(partner)s"),
        gettext_lazy("%(own)s declined."),
    ),
    ("withdraw", THEM): Words(
        gettext_lazy("%(partner)s withdrew the proposal"),
        gettext_lazy("The proposal between %(own)s and %(partner)s no longer stands."),
    ),
    ("withdraw", US): Words(
        gettext_lazy("Withdrawn: proposal with %(partner)s"),
        gettext_lazy("The proposal was withdrawn in the name of %(own)s."),
    ),
    ("withdraw_agreed", THEM): Words(gettext_lazy("%(partner)s withdrew from the agreed match"), _FREE_AGAIN),
    ("withdraw_agreed", US): Words(gettext_lazy("Withdrawn: agreed match with %(partner)s"), _FREE_AGAIN),
    ("approve", TOWN): Words(
        gettext_lazy("Approved: match with %(partner)s"),
        gettext_lazy("Town staff approved it. First session of %(own)s: %(first_session_at)s."),
    ),
    ("reject", TOWN): Words(gettext_lazy("Town staff rejected the match with %(partner)s"), _FREE_AGAIN),
    ("expire", TOWN): Words(
        gettext_lazy("Expired: proposal with %(partner)s"),
        gettext_lazy("The proposal between %(own)s and %(partner)s no longer stands."),
    ),
    ("expire_agreed", TOWN): Words(gettext_lazy("Expired: agreed match with %(partner)s"), _FREE_AGAIN),
    ("cancel", THEM): Words(gettext_lazy("%(partner)s cancelled the match"), _FREE_AGAIN),
    ("cancel", US): Words(gettext_lazy("Cancelled: match with %(partner)s"), _FREE_AGAIN),
    ("cancel", TOWN): Words(gettext_lazy("Town staff cancelled the match with %(partner)s"), _FREE_AGAIN),
    ("complete", TOWN): Words(
        gettext_lazy("Completed: match with %(partner)s"),
        gettext_lazy("All sessions of %(own)s with %(partner)s took place."),
    ),
    ("fail", TOWN): Words(
        gettext_lazy("Failed: match with %(partner)s"),
        gettext_lazy("Town staff noted that the match of %(own)s did not take place as agreed."),
    ),
    (ESCALATE, STAFF): Words(
        gettext_lazy("Waits for approval for more than %(hours)s hours: %(stall)s – %(anchor)s"),
        gettext_lazy("It expires when its first session should begin: %(first_session_at)s."),
    ),
}

OUTCOMES: dict[tuple[str, str], Words] = {
    ("record", THEM): Words(
        gettext_lazy("%(partner)s recorded an outcome"),
        gettext_lazy("Session of %(session_at)s with %(own)s: please confirm or dispute the figures."),
    ),
    ("record", US): Words(
        gettext_lazy("Outcome recorded: match with %(partner)s"),
        gettext_lazy("Session of %(session_at)s, recorded in the name of %(own)s."),
    ),
    ("correct", THEM): Words(
        gettext_lazy("%(partner)s corrected an outcome"),
        gettext_lazy("Session of %(session_at)s with %(own)s: please confirm or dispute the figures."),
    ),
    ("correct", US): Words(
        gettext_lazy("Outcome corrected: match with %(partner)s"),
        gettext_lazy("Session of %(session_at)s, corrected in the name of %(own)s."),
    ),
    ("confirm", THEM): Words(
        gettext_lazy("%(partner)s confirmed an outcome"),
        gettext_lazy("Session of %(session_at)s with %(own)s."),
    ),
    ("confirm", US): Words(
        gettext_lazy("Outcome confirmed: match with %(partner)s"),
        gettext_lazy("Session of %(session_at)s, confirmed in the name of %(own)s."),
    ),
    ("dispute", THEM): Words(
        gettext_lazy("%(partner)s disputes an outcome"),
        gettext_lazy("Session of %(session_at)s with %(own)s: correct the figures, or staff settle them."),
    ),
    ("dispute", US): Words(
        gettext_lazy("Outcome disputed: match with %(partner)s"),
        gettext_lazy("Session of %(session_at)s, disputed in the name of %(own)s."),
    ),
    ("dispute", STAFF): Words(
        gettext_lazy("Disputed outcome: %(stall)s – %(anchor)s"),
        gettext_lazy("Session of %(session_at)s: the two sides do not agree on the figures."),
    ),
    ("settle", TOWN): Words(
        gettext_lazy("Town staff settled an outcome: match with %(partner)s"),
        gettext_lazy("Session of %(session_at)s with %(own)s: the figures of town staff count."),
    ),
}
