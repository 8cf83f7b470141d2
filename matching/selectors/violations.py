"""What is not as it was written, as codes with values and in words (layer: selectors)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

EVENT_TEXTS = {
    "no_events": _("It has no events."),
    "number_missing": _("Here should be number %(expected)s."),
    "broken_link": _("It does not follow from the event before."),
    "wrong_hash": _("Its content is not what was hashed."),
    "illegal_move": _("No move %(action)s by %(role)s leads from %(before)s to %(after)s."),
    "no_reason": _("The move %(action)s needs a reason."),
    "other_state": _("It is %(found)s, its events say %(expected)s."),
    "change_without_event": _("It was changed %(changes)s times and has %(events)s events."),
    "no_consent": _("%(status)s without the consent of: %(missing)s."),
    "never_approved": _("It is %(status)s, which only an approval leads to, and has none."),
    "terms_altered": _("Version %(number)s of the terms is not what was hashed."),
    "terms_unknown": _("It names terms that the match does not have."),
    "terms_moved": _("It names other terms than were agreed or offered."),
    "terms_exchanged": _("The match points to other terms than its last event names."),
    "figures_moved": _("The move changed the figures, which it may not."),
    "figures_exchanged": _("The outcome has other figures than its last event."),
    "result_exchanged": _("The match day has another result than its last event."),
    "trigger_missing": _("The trigger is missing: rows could be changed."),
}
ROOT_TEXTS = {
    "leaf_differs": _("The event is not the one that the root of %(day)s was made of."),
    "day_missing": _("The day has no root."),
    "root_not_linked": _("The root does not follow from the one before."),
    "root_differs": _("The root is not that of its leaves."),
    "leaves_missing": _("The root was made of %(expected)s leaves, there are %(found)s."),
    "root_unknown": _("No day has this root."),
}
TEXTS = EVENT_TEXTS | ROOT_TEXTS


@dataclass(frozen=True)
class Violation:
    """One thing that is not as it must be: of which match, day, …, at which event, and what.

    `values` are what its words need: ids, codes and numbers, for they are stored and shown.
    """

    kind: str
    subject: str
    code: str
    seq: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def detail(self) -> str:
        """What is wrong, in the language of the reader."""
        return str(TEXTS[self.code]) % self.values

    def __str__(self) -> str:
        where = self.subject if self.seq is None else f"{self.subject} #{self.seq}"
        return f"{where}: {self.detail} [{self.code}]"


def listed(found: Iterable[Violation]) -> list[dict[str, object]]:
    """Return violations as plain values for JSON."""
    return [
        {"kind": v.kind, "subject": v.subject, "seq": v.seq, "code": v.code, "detail": v.detail}
        for v in found
    ]
