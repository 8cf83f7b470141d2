"""Who acts in the town: stalls of different merchants, anchors with accounts of their own, staff."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.chaos.asking import Asker, Tally
from tests.chaos.cluster import Cluster

# What a new stall takes over from the one that its client has.
_LIKE = (
    "zone",
    "categories",
    "styles",
    "price_min_cents",
    "price_max_cents",
    "commission_rate",
    "cooperation_modes",
    "moq",
    "stock_depth",
)
_STEPS = (("propose", "stall"), ("accept", "anchor"), ("approve", "staff"))


@dataclass(frozen=True)
class AnchorSeat:
    """An anchor, when she is free, how she works, and who speaks for her."""

    asker: Asker
    pk: int
    availability: str
    modes: tuple[str, ...]


@dataclass
class Seat:
    """A stall that one client alone acts for, what new stalls take over from it, and its version at first."""

    asker: Asker
    stall_id: str
    pk: int
    availability: str
    like: dict[str, Any]
    version: int = 0
    # Sessions that were held and of which nobody has told yet what they brought, with their anchors.
    held: list[tuple[str, AnchorSeat]] = field(default_factory=list)


@dataclass
class Seats:
    """Everybody who acts."""

    stalls: list[Seat]
    anchors: dict[str, AnchorSeat]
    staff: Asker


def take_seats(
    town: Cluster, tally: Tally, wanted: int, *, held: int = 0, anchors: int | None = None
) -> Seats:
    """Give accounts and tokens to `wanted` stalls that are suggested, such anchors, and one of staff.

    With `held` every stall has that many sessions behind it whose outcomes are due.
    """
    seats = _anchors(town, tally, anchors)
    stalls = _stalls(town, tally, wanted)
    if held:
        for seat in stalls:
            _hold(seat, list(seats.values()), held)
    return Seats(stalls, seats, _staff(town, tally))


def _asker(town: Cluster, tally: Tally, user: Any) -> Asker:
    from django.utils import timezone

    from accounts.choices import Scope
    from accounts.services.access import issue_api_token

    _row, token = issue_api_token(
        actor=user,
        user=user,
        name="chaos",
        scopes=[scope.value for scope in Scope],
        expires_at=timezone.now() + timedelta(days=1),
    )
    return Asker(town.port, token, tally)


def _stalls(town: Cluster, tally: Tally, wanted: int) -> list[Seat]:
    from accounts.models import Membership, Stall
    from matching.rules import own_reasons

    seats: dict[int, Seat] = {}
    for stall in Stall.objects.select_related("merchant").order_by("pk"):
        member = Membership.objects.filter(merchant=stall.merchant_id).first()
        if member is None or own_reasons(stall) or member.user_id in seats or len(seats) == wanted:
            continue
        asker = _asker(town, tally, member.user)
        known = asker.until_answered("GET", f"stalls/{stall.public_id}/").body
        like = {name: known[name] for name in _LIKE if known.get(name)}
        seats[member.user_id] = Seat(
            asker, str(stall.public_id), stall.pk, stall.availability, like, stall.version
        )
    if len(seats) < wanted:
        raise SystemExit(f"--clients: {wanted} merchants needed, the town has {len(seats)}; raise --stalls")
    return list(seats.values())


def _anchors(town: Cluster, tally: Tally, most: int | None) -> dict[str, AnchorSeat]:
    from accounts.models import Anchor, Membership, User
    from matching.rules import own_reasons

    seats: dict[str, AnchorSeat] = {}
    for anchor in Anchor.objects.order_by("pk")[:most]:
        if own_reasons(anchor):
            continue
        user, _made = User.objects.get_or_create(phone=f"+86188{anchor.pk:08}", defaults={"name": "Chaos"})
        Membership.objects.get_or_create(user=user, anchor=anchor)
        asker = _asker(town, tally, user)
        modes = tuple(anchor.cooperation_modes)
        seats[str(anchor.public_id)] = AnchorSeat(asker, anchor.pk, anchor.availability, modes)
    return seats


def _staff(town: Cluster, tally: Tally) -> Asker:
    from django.contrib.auth.models import Permission

    from accounts.models import User

    user = User.objects.create(phone="+8618900000001", name="Chaos", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("decide_match", "view_match")))
    return _asker(town, tally, user)


def _hold(seat: Seat, anchors: list[AnchorSeat], count: int) -> None:
    """Let the stall have had so many sessions, each with another anchor and in another week."""
    from django.utils import timezone

    from accounts.models import Anchor, Stall
    from matching.services.history import PastMatch, PastMove, record_history
    from matching.terms import TermsDraft, WantedSession
    from matchmaker.core.weeks import TOWN_ZONE, week_of

    monday = week_of(timezone.now())
    first = datetime(monday.year, monday.month, monday.day, tzinfo=TOWN_ZONE)
    stall = Stall.objects.get(pk=seat.pk)
    for number in range(count):
        other = anchors[(seat.pk * 7 + number) % len(anchors)]
        # Weeks that the seeded past does not reach, an hour of each stall's own.
        at = first - timedelta(weeks=60 + number, days=-(seat.pk % 7)) + timedelta(hours=seat.pk // 7 % 24)
        terms = TermsDraft(
            commission_rate=stall.commission_rate,
            slot_fee_cents=0,
            cooperation_mode=stall.cooperation_modes[0],
            sessions=(WantedSession(starts_at=at, ends_at=at + timedelta(hours=1)),),
        )
        moves = tuple(PastMove(action, role, at - timedelta(days=2)) for action, role in _STEPS)
        past = PastMatch(stall, Anchor.objects.get(pk=other.pk), terms, moves)
        [match] = record_history(actor=None, matches=[past])
        seat.held.append((str(match.bookings.get().public_id), other))
