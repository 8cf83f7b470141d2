"""What the state table says about one match: who may do what, and where it leads (layer: states)."""

from collections.abc import Iterable

from matching.choices import Awaiting, MatchStatus, Role
from matching.states import SIDES, TRANSITIONS
from matchmaker.core.transitions import Transition, allowed

_ASKS = {
    Awaiting.STALL: frozenset({Role.STALL}),
    Awaiting.ANCHOR: frozenset({Role.ANCHOR}),
    Awaiting.BOTH: SIDES,
}
_ANSWERED_BY = {
    Role.STALL: Awaiting.ANCHOR,
    Role.ANCHOR: Awaiting.STALL,
    Role.STAFF: Awaiting.BOTH,
}


def transition_of(action: str) -> Transition:
    """Return the table's row for `action`; LookupError for an action that is not in it."""
    for row in TRANSITIONS:
        if row.action == action:
            return row
    raise LookupError(f"no move {action!r}")


def awaited_roles(awaiting: str) -> frozenset[str]:
    """Return the sides that have to answer."""
    return _ASKS.get(Awaiting(awaiting), frozenset())


def acting_role(action: str, awaiting: str, roles: Iterable[str]) -> str | None:
    """Return as whom somebody who holds `roles` takes `action` now, None if as nobody."""
    row = transition_of(action)
    fitting = row.by & frozenset(roles)
    if row.awaited_only:
        fitting &= awaited_roles(awaiting)
    # Role's order: a side before staff, and the same one each time.
    return next((role for role in Role if role in fitting), None)


def allowed_actions(status: str, awaiting: str, roles: Iterable[str]) -> list[str]:
    """Return the moves open to somebody with `roles`, in table order.

    Who stands on a side never decides as staff about the same match.
    """
    held = frozenset(roles)
    if held & SIDES:
        held -= {Role.STAFF}
    return [
        action
        for action in allowed(TRANSITIONS, status=status, roles=held)
        if acting_role(action, awaiting, held) is not None
    ]


def state_after(action: str, status: str, awaiting: str, role: str) -> tuple[str, str]:
    """Return (status, awaiting) after the move.

    An acceptance agrees only when nobody is awaited any more. Terms of a side are for the other to answer,
    those of staff for both.
    """
    if action in ("propose", "counter"):
        return MatchStatus.PROPOSED, _ANSWERED_BY[Role(role)]
    if action == "accept":
        left = awaited_roles(awaiting) - {role}
        if left:
            return status, Awaiting(next(iter(left)))
    return MatchStatus(transition_of(action).target), Awaiting.NOBODY
