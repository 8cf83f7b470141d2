"""How many proposals a stall or an anchor may still make this week (layer: services)."""

from datetime import timedelta

from django.utils.translation import gettext as _

from jobs.throttle import TooManyRequests, check_rate, count_of
from matching.policy import PROPOSALS_A_WEEK

_WEEK_SECONDS = int(timedelta(weeks=1).total_seconds())
# 1970 began on a Thursday; the town's week begins on Monday 00:00 Asia/Shanghai, Sunday 16:00 UTC.
_MONDAY_SECONDS = int(timedelta(days=3, hours=16).total_seconds())


def count_proposal(side: str, party_id: int) -> None:
    """Count one proposal of this week; TooManyRequests (until Monday) when the quota is used up.

    Part of the transaction of the proposal: what fails is not counted.
    """
    try:
        check_rate(
            _key(side, party_id),
            limit=PROPOSALS_A_WEEK,
            per_seconds=_WEEK_SECONDS,
            offset_seconds=_MONDAY_SECONDS,
        )
    except TooManyRequests as error:
        message = _("All %(count)s proposals of this week are used.") % {"count": PROPOSALS_A_WEEK}
        raise TooManyRequests(message, code="proposal_quota_used", headers=error.headers) from error


def proposals_left(side: str, party_id: int) -> int:
    """Return how many proposals the party may still make this week."""
    used = count_of(_key(side, party_id), per_seconds=_WEEK_SECONDS, offset_seconds=_MONDAY_SECONDS)
    return max(PROPOSALS_A_WEEK - used, 0)


def _key(side: str, party_id: int) -> str:
    return f"proposals:{side}:{party_id}"
