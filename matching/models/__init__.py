"""Suggestions, reactions, matches and what belongs to them."""

from matching.models.audit import DailyRoot, InvariantCheck, RootLeaf
from matching.models.learned import EngineModel, EngineModelEvent
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
from matching.models.runs import DueParty, PartStage, RunPart

__all__ = [
    "AnchorHour",
    "Block",
    "Booking",
    "DailyRoot",
    "DueParty",
    "EngineModel",
    "EngineModelEvent",
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
    "PartStage",
    "Reaction",
    "RecommendationList",
    "RootLeaf",
    "RunPart",
    "Session",
    "StallHour",
    "Terms",
    "WeekLoad",
]
