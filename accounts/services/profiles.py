"""Full profiles are opened by the dozen, not by the town: so many a day and account (layer: services)."""

from datetime import datetime, time, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import OpenedProfile, User
from jobs.throttle import TooManyRequests, check_rate
from matchmaker.core import clock
from matchmaker.core.weeks import TOWN_ZONE, town_today

PROFILES_A_DAY = 50
_DAY = 86_400
# A day of the town begins at midnight there, eight hours before that of the world.
_MIDNIGHT = 16 * 3600


def open_profile(*, actor: User, side: str, party_id: int) -> None:
    """Count a full profile that `actor` opens; one that was opened today already is free.

    The row of the profile and the count are one transaction: among any number of requests at once exactly
    fifty different profiles are let through. Raises TooManyRequests, which says when it goes on.
    """
    try:
        with transaction.atomic():
            OpenedProfile.objects.create(user=actor, side=side, party_id=party_id, on=town_today())
            check_rate(
                f"profiles:{actor.pk}", limit=PROFILES_A_DAY, per_seconds=_DAY, offset_seconds=_MIDNIGHT
            )
    except IntegrityError:
        return  # opened today already, perhaps by this person's other device in this very moment
    except TooManyRequests as refusal:
        message = _(
            "You have opened %(most)d different profiles today, which is the most. Those you can open again; "
            "new ones from midnight on, in %(minutes)d minutes."
        )
        seconds = _seconds_left(clock.now())
        told = message % {"most": PROFILES_A_DAY, "minutes": seconds // 60 + 1}
        headers = {"Retry-After": str(seconds)}
        raise TooManyRequests(told, code="profiles_used_up", headers=headers) from refusal


def _seconds_left(now: datetime) -> int:
    """Return how long the day of the town still is."""
    tomorrow = now.astimezone(TOWN_ZONE).date() + timedelta(days=1)
    return int((datetime.combine(tomorrow, time(), TOWN_ZONE) - now).total_seconds()) + 1


def forget_opened_profiles(*, days: int = 2) -> int:
    """Delete which profiles were opened on days gone by; return how many."""
    return OpenedProfile.objects.filter(on__lt=town_today() - timedelta(days=days)).delete()[0]
