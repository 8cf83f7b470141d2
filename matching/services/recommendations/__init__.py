"""Computing and storing lists: one party, the partners it touches, or everybody.

`asking` writes the jobs; `listing` does one party and its partners; `rematch` does everybody, cut into
`pieces` for any number of workers; `storing` replaces lists so that a reader sees the old one or the new.
"""

from matching.services.recommendations.asking import (
    DUE_KIND,
    QUEUE,
    REMATCH_ABOVE,
    ask_for_due,
    request_refresh,
    request_refresh_between,
    request_rematch,
    running_rematch,
)
from matching.services.recommendations.listing import (
    patch_partners,
    refresh_between,
    refresh_due,
    refresh_party,
    touched_partners,
)
from matching.services.recommendations.pieces import HELP_KIND, help_rematch
from matching.services.recommendations.rematch import rematch_everybody
from matching.services.recommendations.storing import forget_superseded_lists, store_lists

__all__ = [
    "DUE_KIND",
    "HELP_KIND",
    "QUEUE",
    "REMATCH_ABOVE",
    "ask_for_due",
    "forget_superseded_lists",
    "help_rematch",
    "patch_partners",
    "refresh_between",
    "refresh_due",
    "refresh_party",
    "rematch_everybody",
    "request_refresh",
    "request_refresh_between",
    "request_rematch",
    "running_rematch",
    "store_lists",
    "touched_partners",
]
