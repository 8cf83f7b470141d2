"""The moves of a match, each one transaction: rules, guarded update, event, bookings (layer: services)."""

from matching.services.matches.answering import accept_match, decline_match, withdraw_match
from matching.services.matches.deadlines import escalate_match, expire_match, keep_deadlines
from matching.services.matches.deciding import (
    approve_match,
    cancel_match,
    complete_by_outcomes,
    complete_match,
    fail_match,
    reject_match,
)
from matching.services.matches.guards import OWN_BOOKINGS
from matching.services.matches.proposing import counter_match, propose_match, propose_to_both

__all__ = [
    "OWN_BOOKINGS",
    "accept_match",
    "approve_match",
    "cancel_match",
    "complete_by_outcomes",
    "complete_match",
    "counter_match",
    "decline_match",
    "escalate_match",
    "expire_match",
    "fail_match",
    "keep_deadlines",
    "propose_match",
    "propose_to_both",
    "reject_match",
    "withdraw_match",
]
