"""The life of a match day: begun, wished, solved, released or cancelled (layer: services)."""

from matching.services.matchdays.moving import begin_match_day, cancel_match_day
from matching.services.matchdays.releasing import RELEASE_KIND, release_match_day, request_release
from matching.services.matchdays.solving import SOLVE_KIND, request_solve, solve_match_day
from matching.services.matchdays.wishes import forbid_pair, free_pair, pin_pair

__all__ = [
    "RELEASE_KIND",
    "SOLVE_KIND",
    "begin_match_day",
    "cancel_match_day",
    "forbid_pair",
    "free_pair",
    "pin_pair",
    "release_match_day",
    "request_release",
    "request_solve",
    "solve_match_day",
]
