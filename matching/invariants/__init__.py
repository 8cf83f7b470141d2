"""Detectors of what must never go wrong, each recounting from the raw rows (layer: invariants; reads only).

They share no code with the guards that keep the invariants: a guard that is wrong must not judge itself.
Those of 3, 4, 5 and 7 are the checks of `verify_events` (`matching.selectors.chains`), which find the same.
To add one: a function `find_…(finding)` that fills a Finding, its words in `words.What`, a line here, a line
in docs/invariants.md and a seeded violation in tests/matching/invariants/seeds.py.
"""

from typing import Any

from django.utils.translation import gettext_lazy as _

from matching.invariants.access import find_acts_of_the_disabled
from matching.invariants.bookings import find_wrong_bookings
from matching.invariants.erasure import find_traces_of_the_erased
from matching.invariants.events import (
    find_altered_terms,
    find_broken_chains,
    find_illegal_paths,
    find_unagreed_approvals,
)
from matching.invariants.finding import Detector, Finding, Violation
from matching.invariants.lists import find_torn_lists, find_unrepeatable_runs
from matching.invariants.matches import find_second_matches, find_wrong_approvers
from matching.invariants.outbox import find_undone_work, find_wrong_keys
from matching.invariants.privacy import find_personal_data
from matching.invariants.schema import find_damage
from matching.invariants.shown import find_wrong_suggestions
from matching.invariants.telling import Line, lines_of
from matching.invariants.words import What

__all__ = ["DETECTORS", "Detector", "Finding", "Line", "Violation", "What", "told"]

DETECTORS = (
    Detector(
        1, _("Bookings fit hours, places and capacity, and the counters count them"), find_wrong_bookings
    ),
    Detector(2, _("At most one open match of a pair"), find_second_matches),
    Detector(3, _("Approved only after both sides agreed"), find_unagreed_approvals),
    Detector(4, _("The events of a match are a legal path to its state"), find_illegal_paths),
    Detector(5, _("One event for each change, never altered afterwards"), find_broken_chains),
    Detector(6, _("The approver is on neither side"), find_wrong_approvers),
    Detector(7, _("Terms stay as they were agreed"), find_altered_terms),
    Detector(8, _("Nobody is suggested who may not be"), find_wrong_suggestions),
    Detector(9, _("One whole current list for each party"), find_torn_lists),
    Detector(10, _("The same market gives the same lists"), find_unrepeatable_runs),
    Detector(11, _("Work that is due gets done"), find_undone_work),
    Detector(12, _("One idempotency key, one effect"), find_wrong_keys),
    Detector(13, _("No personal data in jobs, keys and logs"), find_personal_data),
    Detector(14, _("A blocked user can do nothing"), find_acts_of_the_disabled),
    Detector(15, _("Nothing is left of who was erased"), find_traces_of_the_erased),
    Detector(16, _("Schema, references and the database itself are sound"), find_damage),
)


def told(results: list[dict[str, Any]]) -> list[Line]:
    """Return the results of a check as they are stored, told in the language of the reader."""
    return lines_of(results, {detector.number: detector.title for detector in DETECTORS})
