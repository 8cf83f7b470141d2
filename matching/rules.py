"""The engine's hard rules asked about one pair, fresh from the rows (layer: selectors).

The rules themselves are written once, in `matching.engine.candidates`; here they meet the database for
proposal, acceptance and approval, together with the two that need what the engine does not see: who proposes,
and the hours of the sessions in question.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import chain
from typing import Any

import numpy as np
from django.utils.translation import gettext_lazy as _

from accounts.choices import StreamingPermit
from accounts.models import Anchor, Stall
from matching.choices import Side
from matching.engine.candidates import PAIR_RULES, PARTY_RULES, RuleColumns
from matching.engine.config import Config
from matching.engine.types import Rule
from matching.hours import closed_hours, days_of
from matching.snapshot import parties_for_pairs, parties_now
from matching.snapshot.calendars import read_exceptions
from matching.terms import WantedSession
from matchmaker.core.weeks import hours_between

BY_INVITATION = "by_invitation"
EXCLUDED = "excluded"
NO_PARTNERS = "no_partners"
# What one side or staff decided about the pair; the other side learns only that it is excluded.
PRIVATE_RULES = frozenset(
    rule.code for rule in (Rule.BLOCKED, Rule.FORBIDDEN, Rule.NEVER, Rule.PASSED, Rule.DECLINED)
)
REASON_TEXTS: dict[str, Any] = {
    Rule.ARCHIVED.code: _("one of the two is archived"),
    Rule.UNVERIFIED.code: _("one of the two is not verified"),
    Rule.LICENCE_EXPIRED.code: _("the business licence has expired"),
    Rule.UNDER_AGE.code: _("the anchor is under age without a guardian's consent"),
    Rule.STREAMING_BANNED.code: _("the stall may not host streams"),
    Rule.CAPACITY_FULL.code: _("one of the two has no bookings left in the coming four weeks"),
    Rule.FILTERED.code: _("the filters leave it out"),
    Rule.OPEN_MATCH.code: _("the two have an open match already"),
    Rule.BLOCKED.code: _("one of the two has blocked the other"),
    Rule.FORBIDDEN.code: _("town staff have forbidden this pair"),
    Rule.NEVER.code: _("one of the two never wants to see the other again"),
    Rule.PASSED.code: _("one of the two has passed for now"),
    Rule.DECLINED.code: _("a proposal was declined a short while ago"),
    Rule.EXCLUSIVE_ELSEWHERE.code: _("the anchor is promised exclusively to another stall"),
    Rule.NO_COMMON_HOURS.code: _("the two have no common free hours"),
    Rule.COMMISSION_BELOW_FLOOR.code: _("the commission is below what the anchor works for"),
    Rule.PRICE_DISJOINT.code: _("the prices are too far apart"),
    Rule.MOQ_INFEASIBLE.code: _("the MOQ is above what the anchor accepts"),
    Rule.STOCK_INFEASIBLE.code: _("the stock is below what the anchor needs"),
    BY_INVITATION: _("this stall streams by its own invitation only"),
    EXCLUDED: _("this pair is excluded at the moment"),
    NO_PARTNERS: _("nobody is registered on the other side yet"),
}


def check_pair(
    stall: Stall, anchor: Anchor, *, proposed_by: str = "", ignore: Collection[Rule] = frozenset()
) -> list[str]:
    """Return the codes of all hard rules against the pair as it stands now, empty when it may be matched.

    Both must be verified. `ignore` names rules that do not count: its own open match at acceptance, and at
    approval the capacity, which the match itself has reserved.
    """
    stalls, anchors, exclusions = parties_for_pairs([stall.pk], [anchor.pk])
    ours = (exclusions.stall_ids == stall.pk) & (exclusions.anchor_ids == anchor.pk)
    found = {Rule(int(code)) for code in np.unique(exclusions.codes[ours])}
    config = Config()
    one, other = RuleColumns.of(stalls, config), RuleColumns.of(anchors, config)
    found |= {rule for rule, fails in PARTY_RULES.items() if fails(one).any() or fails(other).any()}
    found |= {rule for rule, fails in PAIR_RULES.items() if fails(one, other).any()}
    codes = [rule.code for rule in sorted(found - frozenset(ignore))]
    if proposed_by == Side.ANCHOR and not can_be_asked(proposed_by, stall):
        codes.append(BY_INVITATION)
    return codes


def can_be_asked(side: str, partner: Stall | Anchor) -> bool:
    """Tell whether `side` may propose to this partner: a stall by invitation invites and is not asked."""
    return not (
        side == Side.ANCHOR
        and isinstance(partner, Stall)
        and partner.streaming_permit == StreamingPermit.BY_INVITATION
    )


def own_reasons(party: Stall | Anchor) -> list[str]:
    """Return the codes of the rules that the party fails by itself; with any of them it cannot propose."""
    side = Side.STALL if isinstance(party, Stall) else Side.ANCHOR
    columns = RuleColumns.of(parties_now(side, [party.pk]), Config())
    return [rule.code for rule, fails in PARTY_RULES.items() if fails(columns).any()]


def shown_to_sides(codes: Iterable[str]) -> list[str]:
    """Return the codes as a side may read them: what somebody decided about the pair is one word."""
    return list(dict.fromkeys(EXCLUDED if code in PRIVATE_RULES else code for code in codes))


def closed_to(
    stall: Stall, anchor: Anchor, sessions: Iterable[WantedSession]
) -> list[tuple[Side, int, datetime]]:
    """Return (side, number of the session, hour) where a calendar is closed to a session; two queries."""
    wanted = [hours_between(session.starts_at, session.ends_at) for session in sessions]
    exceptions = read_exceptions([stall.pk], [anchor.pk], days_of(chain.from_iterable(wanted)))
    return [
        (side, number, hour)
        for side, party in ((Side.STALL, stall), (Side.ANCHOR, anchor))
        for number, hours in enumerate(wanted)
        for hour in closed_hours(party.availability, exceptions[side, party.pk], hours)
    ]
