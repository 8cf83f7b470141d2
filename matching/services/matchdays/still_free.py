"""Whether what a match day planned is still free when it is released (layer: services)."""

from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.choices import SessionMode
from matching.choices import Side
from matching.models import AnchorHour, MatchDay, MatchDayPair, Session, StallHour, WeekLoad
from matchmaker.core.errors import Conflict
from matchmaker.core.weeks import TOWN_ZONE, hours_between, week_of


def require_still_free(day: MatchDay, pair: MatchDayPair, starts_at: datetime) -> None:
    """Raise Conflict (hour_taken, capacity_full) where an acceptance would be refused as things stand now.

    Nothing is reserved: that is for the acceptance, which asks again.
    """
    ends_at = starts_at + timedelta(hours=day.session_hours)
    hours = hours_between(starts_at, ends_at)
    taken = AnchorHour.objects.filter(anchor=pair.anchor, hour_at__in=hours).order_by("hour_at").first()
    if taken is not None and not _can_join(day, pair, starts_at, ends_at):
        raise _hour_taken(Side.ANCHOR, taken.hour_at)
    for hour in hours:
        hosts = StallHour.objects.filter(stall=pair.stall, hour_at=hour).count()
        if hosts >= pair.stall.hosts_at_once:
            raise _hour_taken(Side.STALL, hour)
    week = week_of(starts_at)
    for side, party in ((Side.ANCHOR, pair.anchor), (Side.STALL, pair.stall)):
        load = WeekLoad.objects.filter(side=side, party_id=party.pk, week_on=week).first()
        if (load.used if load else 0) >= party.weekly_capacity:
            message = _("All bookings of the week from %(week)s are taken.") % {"week": week}
            raise Conflict(message, code="capacity_full", side=str(side), week_on=week.isoformat())


def _can_join(day: MatchDay, pair: MatchDayPair, starts_at: datetime, ends_at: datetime) -> bool:
    """Whether the hours are those of a mixed session of the anchor with a place left."""
    same = Session.objects.filter(anchor=pair.anchor, starts_at=starts_at, ends_at=ends_at)
    open_places = same.filter(mode=SessionMode.MIXED, places_used__gt=0, places_used__lt=F("places"))
    return day.places > 1 and open_places.exists()


def _hour_taken(side: Side, hour: datetime) -> Conflict:
    when = timezone.localtime(hour, TOWN_ZONE).strftime("%Y-%m-%d %H:%M")
    message = _("The hour from %(hour)s is taken.") % {"hour": when}
    return Conflict(message, code="hour_taken", side=str(side), hour_at=hour.isoformat())
