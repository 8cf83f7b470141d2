"""Suggestions, reactions, matches and what belongs to them."""

from matching.models.lists import (
    EngineRun,
    Exclusivity,
    Impression,
    PairRule,
    Reaction,
    RecommendationList,
)
from matching.models.matches import (
    AnchorHour,
    Booking,
    Match,
    MatchEvent,
    Note,
    Outcome,
    Session,
    StallHour,
    Terms,
    WeekLoad,
)

__all__ = [
    "AnchorHour",
    "Booking",
    "EngineRun",
    "Exclusivity",
    "Impression",
    "Match",
    "MatchEvent",
    "Note",
    "Outcome",
    "PairRule",
    "Reaction",
    "RecommendationList",
    "Session",
    "StallHour",
    "Terms",
    "WeekLoad",
]
