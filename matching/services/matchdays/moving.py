"""Beginning a match day, and the one way in which it moves: guarded update and event (layer: services)."""

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from matching.access import may_propose_to_both
from matching.choices import MatchDayStatus, Role
from matching.digests import match_day_event_hash
from matching.models import MatchDay, MatchDayEvent
from matching.policy import PLACES_MAX, SESSION_HOURS_MAX
from matching.states import MATCH_DAY_TRANSITIONS
from matchmaker.core import clock
from matchmaker.core.errors import InvalidInput, NotAllowed
from matchmaker.core.transitions import Transition, move
from matchmaker.core.weeks import HORIZON_WEEKS, week_of


@dataclass(frozen=True)
class Settings:
    """What staff choose before a match day is solved; the columns of the row say what each means."""

    first_week_on: date
    weeks: int = 1
    from_hour: int = 9
    to_hour: int = 24
    session_hours: int = 2
    places: int = 1
    rho: Decimal = Decimal("0.50")
    newcomer_floor: int = 1


def next_week() -> date:
    """Return the Monday of the next week of the town: the usual first week of a match day."""
    return week_of(clock.now()) + timedelta(weeks=1)


def begin_match_day(*, actor: User, settings: Settings) -> MatchDay:
    """Open a match day as town staff; nothing is computed yet.

    Raises NotAllowed, InvalidInput (invalid_settings) that names each field that cannot be.
    """
    require_staff(actor)
    _check(settings)
    now = clock.now()
    with transaction.atomic():
        day = MatchDay.objects.create(created_by=actor, status=MatchDayStatus.DRAFT, **asdict(settings))
        _record(day, action="begin", before="", actor=actor, at=now)
    return day


def cancel_match_day(*, actor: User, day: MatchDay, version: int | None = None) -> MatchDay:
    """End a match day that was not released; its pairs stay to be looked at.

    Raises NotAllowed, Conflict (wrong_state).
    """
    require_staff(actor)
    with transaction.atomic():
        return take_step("cancel", day=day, actor=actor, version=version)


def require_staff(actor: User) -> None:
    """Raise NotAllowed unless `actor` proposes matches as town staff."""
    if not may_propose_to_both(actor):
        raise NotAllowed()


def take_step(
    action: str,
    *,
    day: MatchDay,
    actor: User | None,
    at: datetime | None = None,
    version: int | None = None,
    **changes: object,
) -> MatchDay:
    """Move the day while its state (and `version`, when one is given) is as it was read; record the event.

    Must run in the transaction of what goes with it. Raises Conflict (wrong_state).
    """
    row, before = _row_of(action), day.status
    guard = {} if version is None else {"version": version}
    sources = (before,) if before in row.sources else row.sources
    move(day, sources=sources, guard=guard, status=row.target, **changes)
    _record(day, action=action, before=before, actor=actor, at=at or clock.now())
    return day


def _row_of(action: str) -> Transition:
    for row in MATCH_DAY_TRANSITIONS:
        if row.action == action:
            return row
    raise LookupError(f"no move {action!r} of a match day")


def _record(day: MatchDay, *, action: str, before: str, actor: User | None, at: datetime) -> None:
    last = MatchDayEvent.objects.filter(day=day).order_by("-seq").first()
    event = MatchDayEvent(
        day=day,
        seq=last.seq + 1 if last else 1,
        action=action,
        from_status=before,
        to_status=day.status,
        digest=day.digest,
        actor_id=actor.pk if actor else None,
        actor_role=Role.STAFF if actor else Role.SYSTEM,
        at=at,
        prev_hash=last.hash if last else "",
    )
    event.hash = match_day_event_hash(event, day.public_id)
    event.save(force_insert=True)


# --- settings ----------------------------------------------------------------------------------------


def _check(given: Settings) -> None:
    this_week = week_of(clock.now())
    last_week = this_week + timedelta(weeks=HORIZON_WEEKS)
    faults: dict[str, list[str]] = {}
    if given.first_week_on.weekday() or not this_week <= given.first_week_on <= last_week:
        faults["first_week_on"] = [
            _("A Monday from %(first)s to %(last)s.") % {"first": this_week, "last": last_week}
        ]
    for name, least, most in (
        ("weeks", 1, HORIZON_WEEKS),
        ("from_hour", 0, 23),
        ("to_hour", 1, 24),
        ("session_hours", 1, SESSION_HOURS_MAX),
        ("places", 1, PLACES_MAX),
        ("rho", 0, 1),
        ("newcomer_floor", 0, 7),
    ):
        if not least <= getattr(given, name) <= most:
            faults[name] = [_("From %(least)s to %(most)s.") % {"least": least, "most": most}]
    if not faults and given.to_hour - given.from_hour < given.session_hours:
        faults["to_hour"] = [_("A whole session must fit between the two hours.")]
    if faults:
        raise InvalidInput(code="invalid_settings", fields=faults)
