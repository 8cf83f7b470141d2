"""What the table of outcomes says about one of them: who may do what as it stands (layer: pure).

Two things narrow the table: only the side that recorded figures corrects them, and only the other one
confirms or disputes them.
"""

from collections.abc import Iterable

from matching.choices import Role
from matching.states import OUTCOME_TRANSITIONS, SIDES
from matchmaker.core.transitions import Transition, allowed

OF_THE_OTHER = frozenset({"confirm", "dispute"})


def outcome_transition(action: str) -> Transition:
    """Return the table's row for `action`; LookupError for an action that is not in it."""
    for row in OUTCOME_TRANSITIONS:
        if row.action == action:
            return row
    raise LookupError(f"no move {action!r}")


def outcome_role(action: str, recorded_as: str, roles: Iterable[str]) -> str | None:
    """Return as whom somebody who holds `roles` takes `action`, None if as nobody."""
    fitting = outcome_transition(action).by & frozenset(roles)
    if action == "correct":
        fitting &= {recorded_as}
    elif action in OF_THE_OTHER:
        fitting -= {recorded_as}
    # Role's order: the same one each time.
    return next((role for role in Role if role in fitting), None)


def outcome_actions(status: str, recorded_as: str, roles: Iterable[str]) -> list[str]:
    """Return the moves open to somebody with `roles`, in table order; "" is an outcome not yet recorded.

    Who stands on a side never settles as staff about the same match.
    """
    held = frozenset(roles)
    if held & SIDES:
        held -= {Role.STAFF}
    return [
        action
        for action in allowed(OUTCOME_TRANSITIONS, status=status, roles=held)
        if outcome_role(action, recorded_as, held) is not None
    ]
