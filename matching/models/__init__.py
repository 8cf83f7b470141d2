"""Suggestions, reactions, matches and what belongs to them."""

from matching.models.audit import DailyRoot, InvariantCheck, RootLeaf
from matching.models.lists import (
    Block,
    EngineRun,
    Exclusivity,
    Impression,
    PairRule,
    Reaction,
    RecommendationList,
)
from matching.models.matchdays import MatchDay, MatchDayEvent, MatchDayPair
from matching.models.matches import (
    AnchorHour,
    Booking,
    Match,
    MatchEvent,
    Note,
    Session,
    StallHour,
    Terms,
    WeekLoad,
)
from matching.models.outcomes import Outcome, OutcomeEvent

__all__ = [
    "AnchorHour",
    "Block",
    "Booking",
    "DailyRoot",
    "EngineRun",
    "Exclusivity",
    "Impression",
    "InvariantCheck",
    "Match",
    "MatchDay",
    "MatchDayEvent",
    "MatchDayPair",
    "MatchEvent",
    "Note",
    "Outcome",
    "OutcomeEvent",
    "PairRule",
    "Reaction",
    "RecommendationList",
    "RootLeaf",
    "Session",
    "StallHour",
    "Terms",
    "WeekLoad",
]
