"""The one table of a match's states; guard, API, admin, docs and tests are made from it (layer: states)."""

from matching.choices import MatchStatus as S
from matching.choices import Role
from matchmaker.core.transitions import Transition

SIDES = frozenset({Role.STALL, Role.ANCHOR})
STAFF = frozenset({Role.STAFF})
SYSTEM = frozenset({Role.SYSTEM})
AWAITED_ONLY = frozenset({"accept", "decline"})

TRANSITIONS: tuple[Transition, ...] = (
    Transition("accept", (S.PROPOSED,), S.AGREED, SIDES),
    Transition("decline", (S.PROPOSED,), S.DECLINED, SIDES),
    Transition("approve", (S.AGREED,), S.APPROVED, STAFF),
    Transition("reject", (S.AGREED,), S.REJECTED, STAFF, needs_reason=True),
)
