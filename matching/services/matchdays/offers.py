"""The terms that a match day proposes to both sides, from what each has said it wants (layer: services)."""

from datetime import UTC, datetime, timedelta

from accounts.choices import CooperationMode, SessionMode
from accounts.models import Anchor, Stall
from matching.models import MatchDay
from matching.terms import TermsDraft, WantedSession


def offer_of(day: MatchDay, stall: Stall, anchor: Anchor, starts_at: datetime) -> TermsDraft:
    """Return the terms to begin with: the stall's commission, the lower slot fee, one session.

    The hard rules keep the offer above what the anchor must have; either side may counter.
    """
    ends_at = starts_at + timedelta(hours=day.session_hours)
    mode = SessionMode.EXCLUSIVE if day.places == 1 else SessionMode.MIXED
    session = WantedSession(starts_at.astimezone(UTC), ends_at.astimezone(UTC), mode=mode, places=day.places)
    return TermsDraft(
        commission_rate=stall.commission_rate,
        slot_fee_cents=min(stall.slot_fee_cents, anchor.slot_fee_cents),
        cooperation_mode=_mode_of(stall, anchor),
        sessions=(session,),
    )


def _mode_of(stall: Stall, anchor: Anchor) -> str:
    """Return the anchor's first mode that the stall has too, else one of either side's own."""
    common = [mode for mode in anchor.cooperation_modes if mode in stall.cooperation_modes]
    wished = [*common, *anchor.cooperation_modes, *stall.cooperation_modes]
    return str(next(iter(wished), CooperationMode.CREATOR_BROADCAST))
