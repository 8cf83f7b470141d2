"""The tables of states; guard, API, admin, docs and tests are made from them (layer: states)."""

from matching.choices import MatchDayStatus as D
from matching.choices import MatchStatus as S
from matching.choices import ModelStatus as M
from matching.choices import OutcomeStatus as O
from matching.choices import Role
from matchmaker.core.transitions import Transition

SIDES = frozenset({Role.STALL, Role.ANCHOR})
STAFF = frozenset({Role.STAFF})
SYSTEM = frozenset({Role.SYSTEM})

# The life of a match. An acceptance leads to agreed once nobody is awaited any more.
TRANSITIONS: tuple[Transition, ...] = (
    Transition("propose", ("",), S.PROPOSED, SIDES | STAFF),
    Transition("counter", (S.PROPOSED,), S.PROPOSED, SIDES, awaited_only=True),
    Transition("accept", (S.PROPOSED,), S.AGREED, SIDES, awaited_only=True),
    Transition("decline", (S.PROPOSED,), S.DECLINED, SIDES, awaited_only=True),
    Transition("withdraw", (S.PROPOSED, S.AGREED), S.WITHDRAWN, SIDES, releases=True),
    Transition("approve", (S.AGREED,), S.APPROVED, STAFF),
    Transition("reject", (S.AGREED,), S.REJECTED, STAFF, needs_reason=True, releases=True),
    Transition("expire", (S.PROPOSED, S.AGREED), S.EXPIRED, SYSTEM, releases=True),
    Transition("cancel", (S.APPROVED,), S.CANCELLED, SIDES | STAFF, needs_reason=True, releases=True),
    Transition("complete", (S.APPROVED,), S.COMPLETED, STAFF | SYSTEM),
    Transition("fail", (S.APPROVED,), S.FAILED, STAFF, needs_reason=True, releases=True),
)

# The life of an outcome. A side that corrects or confirms is further narrowed by who recorded it.
OUTCOME_TRANSITIONS: tuple[Transition, ...] = (
    Transition("record", ("",), O.RECORDED, SIDES),
    Transition("correct", (O.RECORDED, O.DISPUTED), O.RECORDED, SIDES),
    Transition("confirm", (O.RECORDED,), O.CONFIRMED, SIDES),
    Transition("dispute", (O.RECORDED,), O.DISPUTED, SIDES, needs_reason=True),
    Transition("settle", ("", O.RECORDED, O.DISPUTED), O.SETTLED, STAFF),
)

# The life of learned weights. What the gate decides is the system's, what rolls it back somebody's.
MODEL_TRANSITIONS: tuple[Transition, ...] = (
    Transition("train", ("",), M.CHALLENGER, STAFF | SYSTEM),
    Transition("publish", (M.CHALLENGER,), M.PUBLISHED, STAFF | SYSTEM),
    Transition("refuse", (M.CHALLENGER,), M.REFUSED, STAFF | SYSTEM),
    Transition("retire", (M.PUBLISHED,), M.RETIRED, STAFF | SYSTEM),
    Transition("restore", (M.RETIRED,), M.PUBLISHED, STAFF | SYSTEM),
)

# The life of a match day. What staff change after it was solved makes the solution stale: a draft again.
MATCH_DAY_TRANSITIONS: tuple[Transition, ...] = (
    Transition("begin", ("",), D.DRAFT, STAFF),
    Transition("change", (D.DRAFT, D.SOLVED), D.DRAFT, STAFF),
    Transition("solve", (D.DRAFT, D.SOLVED), D.SOLVED, SYSTEM),
    Transition("release", (D.SOLVED,), D.RELEASING, STAFF),
    Transition("finish", (D.RELEASING,), D.RELEASED, SYSTEM),
    Transition("cancel", (D.DRAFT, D.SOLVED), D.CANCELLED, STAFF),
)
