"""Codes of matching in words, for pages of the admin (layer: faces)."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from matching.choices import MatchStatus, Side
from matching.queue import Brief
from matching.rules import REASON_TEXTS

STATUS_TONES = {
    MatchStatus.PROPOSED: "info",
    MatchStatus.AGREED: "warn",
    MatchStatus.APPROVED: "good",
    MatchStatus.COMPLETED: "good",
}
ACTIONS: dict[str, Any] = {
    "propose": gettext_lazy("proposed"),
    "counter": gettext_lazy("counter-offered"),
    "accept": gettext_lazy("accepted"),
    "decline": gettext_lazy("declined"),
    "withdraw": gettext_lazy("withdrawn"),
    "approve": gettext_lazy("approved"),
    "reject": gettext_lazy("rejected"),
    "expire": gettext_lazy("expired"),
    "cancel": gettext_lazy("cancelled"),
    "complete": gettext_lazy("completed"),
    "fail": gettext_lazy("failed"),
}
DIRECTIONS: dict[str, Any] = {
    "stall_to_anchor": gettext_lazy("stall → anchor"),
    "anchor_to_stall": gettext_lazy("anchor → stall"),
    "completed": gettext_lazy("carried out"),
}
PARTS: dict[str, Any] = {
    "category": gettext_lazy("categories"),
    "style": gettext_lazy("styles"),
    "price": gettext_lazy("prices"),
    "audience": gettext_lazy("audience"),
    "region": gettext_lazy("region"),
    "platform": gettext_lazy("platforms"),
    "language": gettext_lazy("languages on air"),
    "hours": gettext_lazy("common hours"),
    "text": gettext_lazy("descriptions"),
    "commission": gettext_lazy("commission rate"),
    "slot_fee": gettext_lazy("slot fee"),
    "moq": gettext_lazy("MOQ"),
    "stock": gettext_lazy("stock depth"),
    "restock": gettext_lazy("restock days"),
    "return_rate": gettext_lazy("return rate"),
    "followers": gettext_lazy("followers"),
    "reach": gettext_lazy("average viewers"),
    "on_site": gettext_lazy("comes on site"),
    "stall_reliability": gettext_lazy("stall: fulfilment"),
    "stall_reply": gettext_lazy("stall: reply time"),
    "stall_load": gettext_lazy("stall: free capacity"),
    "stall_history": gettext_lazy("stall: past answers"),
    "anchor_reliability": gettext_lazy("anchor: fulfilment"),
    "anchor_reply": gettext_lazy("anchor: reply time"),
    "anchor_load": gettext_lazy("anchor: free capacity"),
    "anchor_history": gettext_lazy("anchor: past answers"),
}
CLOSED: dict[str, Any] = {
    Side.STALL: gettext_lazy("the stall is closed at %(hour)s"),
    Side.ANCHOR: gettext_lazy("the anchor is not free at %(hour)s"),
}


def part_name(code: str) -> str:
    """Return what a part of the score is about."""
    return str(PARTS.get(code, code))


def duration(span: timedelta) -> str:
    """Return a waiting time in its largest two units: `2 d 5 h`, `3 h 20 min`."""
    minutes = max(0, int(span.total_seconds() // 60))
    days, hours = divmod(minutes // 60, 24)
    if days:
        return _("%(days)d d %(hours)d h") % {"days": days, "hours": hours}
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes % 60}
    return _("%(minutes)d min") % {"minutes": minutes}


def town_time(moment: datetime) -> str:
    """Return a time as the town's clocks show it."""
    return date_format(timezone.localtime(moment), "Y-m-d H:i")


def conflict_lines(brief: Brief) -> list[str]:
    """Return everything that would make approval fail, a line each."""
    lines = [str(REASON_TEXTS.get(code, code)) for code in brief.rules]
    if brief.is_past:
        lines.append(_("the first session should have begun already"))
    hours: dict[str, list[datetime]] = {}
    for closed in brief.closed:
        hours.setdefault(closed.side, []).append(closed.hour_at)
    lines += [str(CLOSED[side]) % {"hour": town_time(min(found))} for side, found in hours.items()]
    return lines
