"""The decisions of staff, one for every move that the state table gives them (layer: faces)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy

from matching.choices import MatchStatus, Role
from matching.moves import transition_of
from matching.services.matches import (
    approve_match,
    cancel_match,
    complete_match,
    fail_match,
    reject_match,
)
from matching.states import TRANSITIONS


@dataclass(frozen=True)
class Wording:
    """How a decision is offered, asked and carried out."""

    label: Any
    title: Any
    button: Any
    hint: Any
    service: Callable[..., object]
    tone: str = "bad"


WORDINGS: dict[str, Wording] = {
    "approve": Wording(
        gettext_lazy("Approve …"),
        gettext_lazy("Approve these matches"),
        gettext_lazy("Approve"),
        gettext_lazy("Every hard rule is checked once more; what it refuses stays in the queue."),
        approve_match,
        tone="good",
    ),
    "reject": Wording(
        gettext_lazy("Reject …"),
        gettext_lazy("Reject these matches"),
        gettext_lazy("Reject"),
        gettext_lazy("Both sides see the reason; their hours and capacity are free again."),
        reject_match,
    ),
    "cancel": Wording(
        gettext_lazy("Cancel …"),
        gettext_lazy("Cancel these matches"),
        gettext_lazy("Cancel the matches"),
        gettext_lazy("Both sides see the reason; their hours and capacity are free again."),
        cancel_match,
    ),
    "complete": Wording(
        gettext_lazy("Complete …"),
        gettext_lazy("Note that all sessions took place"),
        gettext_lazy("Complete"),
        gettext_lazy("Outcomes that are recorded complete a match by themselves."),
        complete_match,
        tone="good",
    ),
    "fail": Wording(
        gettext_lazy("Failed …"),
        gettext_lazy("Note that a session did not take place"),
        gettext_lazy("Note the failure"),
        gettext_lazy("The reason says whose failure it was; it counts against that side's fulfilment."),
        fail_match,
    ),
}
STAFF_MOVES = [row.action for row in TRANSITIONS if Role.STAFF in row.by and row.action in WORDINGS]


def moves_from(status: str) -> list[str]:
    """Return the decisions that staff may take on matches in that state, in table order."""
    return [action for action in STAFF_MOVES if MatchStatus(status) in transition_of(action).sources]
