"""A small market for the tests of matches: parties that fit each other, and terms that they may agree on."""

import itertools
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.choices import VerificationStatus
from accounts.models import Anchor, Membership, Merchant, Stall, User, Zone
from matching.models import Match
from matching.services.matches import accept_match, propose_match
from matching.terms import TermsDraft, WantedSession
from matchmaker.core.weeks import TOWN_ZONE, town_today, week_of

_numbers = itertools.count(1)


def make_user(**fields: Any) -> User:
    number = next(_numbers)
    return User.objects.create(phone=f"+86135{number:08d}", name=f"User {number}", **fields)


def make_staff(*permissions: str) -> User:
    user = make_user(is_staff=True)
    codes = permissions or ("decide_match", "propose_match", "view_match")
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    return user


def _verified(**fields: Any) -> dict[str, Any]:
    until = town_today() + timedelta(days=90)
    return {"verification": VerificationStatus.VERIFIED, "verified_until": until} | fields


def make_merchant(user: User | None = None, **fields: Any) -> Merchant:
    number = next(_numbers)
    values = {"name": f"Merchant {number}", "credit_code": f"9144{number:014d}", "contact_name": "Chen"}
    values["contact_phone"] = f"+86139{number:08d}"
    merchant = Merchant.objects.create(**_verified(**(values | fields)))
    Membership.objects.create(user=user or make_user(), merchant=merchant)
    return merchant


def make_stall(user: User | None = None, merchant: Merchant | None = None, **fields: Any) -> Stall:
    number = next(_numbers)
    values: dict[str, Any] = {
        "name": f"Stall {number}",
        "zone": Zone.objects.first(),
        "floor": 1,
        "number": f"A{number}",
        "categories": ["dresses"],
        "price_min_cents": 5_000,
        "price_max_cents": 12_000,
        "stock_depth": 500,
        "commission_rate": Decimal("0.2000"),
        "weekly_capacity": 3,
    }
    return Stall.objects.create(merchant=merchant or make_merchant(user), **(values | fields))


def make_anchor(user: User | None = None, **fields: Any) -> Anchor:
    number = next(_numbers)
    values: dict[str, Any] = {
        "display_name": f"Anchor {number}",
        "real_name": f"Li {number}",
        "birth_date": date(1995, 5, 1),
        "contact_phone": f"+86137{number:08d}",
        "categories": ["dresses"],
        "platforms": [
            {"platform": "douyin", "handle": f"a{number}", "followers": 1000, "average_viewers": 90}
        ],
        "followers": 1000,
        "average_viewers": 90,
        "commission_rate": Decimal("0.1500"),
        "weekly_capacity": 3,
    }
    anchor = Anchor.objects.create(**_verified(**(values | fields)))
    Membership.objects.create(user=user or make_user(), anchor=anchor)
    return anchor


def monday(weeks: int = 1) -> datetime:
    """Monday 00:00 in the town, that many weeks ahead."""
    day = week_of(timezone.now()) + timedelta(weeks=weeks)
    return datetime(day.year, day.month, day.day, tzinfo=TOWN_ZONE)


def session(day: int = 0, hour: int = 20, length: int = 2, *, weeks: int = 1, **fields: Any) -> WantedSession:
    starts_at = monday(weeks) + timedelta(days=day, hours=hour)
    return WantedSession(starts_at=starts_at, ends_at=starts_at + timedelta(hours=length), **fields)


def terms(*sessions: WantedSession, **fields: Any) -> TermsDraft:
    values: dict[str, Any] = {
        "commission_rate": Decimal("0.1800"),
        "slot_fee_cents": 0,
        "cooperation_mode": "creator_broadcast",
        "sessions": sessions or (session(),),
    }
    return TermsDraft(**(values | fields))


def member_of(party: Stall | Anchor) -> User:
    """Somebody who acts for the party."""
    merchant_or_anchor = party.merchant if isinstance(party, Stall) else party
    return merchant_or_anchor.memberships.select_related("user").order_by("pk")[0].user


def proposed(
    stall: Stall, anchor: Anchor, *wanted: WantedSession, side: str = "stall", note: str = ""
) -> Match:
    actor = member_of(stall if side == "stall" else anchor)
    return propose_match(actor=actor, side=side, stall=stall, anchor=anchor, terms=terms(*wanted), note=note)


def agreed(stall: Stall, anchor: Anchor, *wanted: WantedSession) -> Match:
    return accept_match(actor=member_of(anchor), match=proposed(stall, anchor, *wanted))
