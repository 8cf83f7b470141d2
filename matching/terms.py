"""Terms as values: what a proposal asks for, its one canonical form and its digest (layer: pure)."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _

from accounts.choices import CooperationMode, SessionMode
from matching.policy import PLACES_MAX, PLAN_AHEAD, SESSION_HOURS_MAX, SESSIONS_PER_MATCH
from matchmaker.core.errors import InvalidInput

SCHEMA_VERSION = 1
_HOUR = timedelta(hours=1)
Faults = dict[str, list[str]]


@dataclass(frozen=True)
class WantedSession:
    """One live broadcast that the terms ask for; whole hours, aware times."""

    starts_at: datetime
    ends_at: datetime
    mode: str = SessionMode.EXCLUSIVE
    places: int = 1

    def as_json(self) -> dict[str, Any]:
        """Return the session as a row of Terms stores it."""
        times = {"starts_at": _utc(self.starts_at), "ends_at": _utc(self.ends_at)}
        return asdict(self) | times | {"mode": str(self.mode)}


@dataclass(frozen=True)
class TermsDraft:
    """What one side offers the other; equal drafts have equal digests, whoever wrote them."""

    commission_rate: Decimal
    slot_fee_cents: int
    cooperation_mode: str
    sessions: tuple[WantedSession, ...]

    def canonical(self) -> str:
        """Return the JSON text that the digest is over: sorted keys, UTC times, four decimals."""
        content = {
            "schema_version": SCHEMA_VERSION,
            "commission_rate": f"{self.commission_rate:.4f}",
            "slot_fee_cents": self.slot_fee_cents,
            "cooperation_mode": str(self.cooperation_mode),
            "sessions": self.sessions_as_json(),
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        """Return sha256 of the canonical form."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def sessions_as_json(self) -> list[dict[str, Any]]:
        """Return the sessions in order of their start, as the row stores them."""
        return [session.as_json() for session in sorted(self.sessions, key=lambda wanted: wanted.starts_at)]


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sessions_from_json(rows: list[dict[str, Any]]) -> list[WantedSession]:
    """Return the sessions that a row of Terms stores; the inverse of `sessions_as_json`."""
    return [
        WantedSession(
            starts_at=datetime.fromisoformat(row["starts_at"]),
            ends_at=datetime.fromisoformat(row["ends_at"]),
            mode=row["mode"],
            places=row["places"],
        )
        for row in rows
    ]


def check_terms(terms: TermsDraft, *, now: datetime) -> None:
    """Raise InvalidInput that names every field of `terms` that cannot be."""
    faults: Faults = {}
    if not 0 <= terms.commission_rate <= 1:
        faults["terms.commission_rate"] = [_("A share between 0 and 1, such as 0.18 for 18%.")]
    if terms.slot_fee_cents < 0:
        faults["terms.slot_fee_cents"] = [_("Whole cents, not below 0.")]
    if terms.cooperation_mode not in CooperationMode.values:
        faults["terms.cooperation_mode"] = [_one_of(CooperationMode.values)]
    faults |= _faults_of_sessions(terms.sessions, now)
    if faults:
        raise InvalidInput(code="invalid_terms", fields=faults)


def _faults_of_sessions(sessions: tuple[WantedSession, ...], now: datetime) -> Faults:
    if not 1 <= len(sessions) <= SESSIONS_PER_MATCH:
        return {"terms.sessions": [_("Between 1 and %(most)s sessions.") % {"most": SESSIONS_PER_MATCH}]}
    faults: Faults = {}
    for number, session in enumerate(sessions):
        for name, message in _faults_of(session, now).items():
            faults[f"terms.sessions.{number}.{name}"] = [message]
    ordered = sorted(sessions, key=lambda wanted: wanted.starts_at)
    if any(later.starts_at < earlier.ends_at for earlier, later in pairwise(ordered)):
        faults.setdefault("terms.sessions", []).append(_("Two of the sessions overlap."))
    return faults


def _faults_of(session: WantedSession, now: datetime) -> dict[str, str]:
    # The range first: near the ends of the calendar a change of time zone would overflow.
    if not now < session.starts_at <= now + PLAN_AHEAD:
        weeks = PLAN_AHEAD.days // 7
        return {"starts_at": _("A time to come, at most %(weeks)s weeks ahead.") % {"weeks": weeks}}
    if not _HOUR <= session.ends_at - session.starts_at <= SESSION_HOURS_MAX * _HOUR:
        return {"ends_at": _("1 to %(hours)s hours after the start.") % {"hours": SESSION_HOURS_MAX}}
    not_whole = [name for name in ("starts_at", "ends_at") if not _is_whole_hour(getattr(session, name))]
    return {name: _("A whole hour, such as 20:00.") for name in not_whole} | _faults_of_mode(session)


def _faults_of_mode(session: WantedSession) -> dict[str, str]:
    if session.mode not in SessionMode.values:
        return {"mode": _one_of(SessionMode.values)}
    if session.mode == SessionMode.EXCLUSIVE and session.places != 1:
        return {"places": _("An exclusive session has 1 place.")}
    if session.mode == SessionMode.MIXED and not 2 <= session.places <= PLACES_MAX:
        return {"places": _("A mixed session has 2 to %(most)s places.") % {"most": PLACES_MAX}}
    return {}


def _one_of(codes: list[str]) -> str:
    return _("One of: %(codes)s.") % {"codes": ", ".join(codes)}


def _is_whole_hour(moment: datetime) -> bool:
    moment = moment.astimezone(UTC)
    return not (moment.minute or moment.second or moment.microsecond)
