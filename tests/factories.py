"""Rows for tests: valid, verified and complete unless a test says otherwise."""

import io
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import factory
from django.utils import timezone
from PIL import Image
from stdnum.cn import ric, uscc

from accounts.choices import MemberRole, VerificationStatus
from accounts.models import Anchor, Membership, Merchant, Region, Stall, User, Zone
from matchmaker.core.weeks import town_today

PASSWORD = "a-long-enough-password-7"


def credit_code(number: int) -> str:
    """A valid unified social credit code of its own for every number."""
    body = f"91440101{number:09d}"
    return body + uscc.calc_check_digit(body)


def id_number(number: int, born: date = date(1996, 5, 20)) -> str:
    """A valid ID number of a person born on `born`, of its own for every number below 1,000."""
    body = f"440103{born:%Y%m%d}{number:03d}"
    return body + ric.calc_check_digit(body + "0")


def photo(width: int = 800, height: int = 600, kind: str = "JPEG", **saved: Any) -> bytes:
    """A picture of that size as a file, red at its upper edge; `saved` is what else Pillow writes into it."""
    picture = Image.new("RGB", (width, height), "gray")
    picture.paste("red", (0, 0, width, height // 4))
    file = io.BytesIO()
    picture.save(file, kind, **saved)
    return file.getvalue()


def next_year() -> date:
    return town_today() + timedelta(days=365)


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    phone = factory.Sequence(lambda n: f"+86138{n:08d}")
    phone_verified_at = factory.LazyFunction(timezone.now)
    name = factory.Sequence(lambda n: f"User {n}")
    # Hashing costs 50 ms; tests that sign in set a password themselves.
    password = "!"

    class Params:
        staff = factory.Trait(is_staff=True)


class MerchantFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Merchant
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"广州五号服装有限公司 {n}")
    credit_code = factory.Sequence(credit_code)
    licence_expires_on = factory.LazyFunction(next_year)
    contact_name = "陈小姐"
    contact_phone = factory.Sequence(lambda n: f"+86139{n:08d}")
    verification = VerificationStatus.VERIFIED
    verified_until = factory.LazyFunction(lambda: town_today() + timedelta(days=180))

    @factory.post_generation
    def owner(self, create: bool, user: User | None, **kwargs: object) -> None:
        if create and user is not None:
            Membership.objects.create(user=user, merchant=self, role=MemberRole.OWNER)


class StallFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Stall

    merchant = factory.SubFactory(MerchantFactory)
    name = factory.Sequence(lambda n: f"Stall {n}")
    zone = factory.LazyFunction(lambda: Zone.objects.first())
    floor = 2
    number = factory.Sequence(lambda n: f"A{n}")
    categories = factory.LazyFunction(lambda: ["dress"])
    styles = factory.LazyFunction(lambda: ["commuter"])
    price_min_cents = 8_000
    price_max_cents = 20_000
    moq = 5
    stock_depth = 500
    restock_days = 5
    return_rate = Decimal("0.3000")
    commission_rate = Decimal("0.2000")
    cooperation_modes = factory.LazyFunction(lambda: ["creator_broadcast"])


class AnchorFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Anchor
        skip_postgeneration_save = True

    display_name = factory.Sequence(lambda n: f"Anchor {n}")
    real_name = "李晓"
    birth_date = date(1996, 5, 20)
    contact_phone = factory.Sequence(lambda n: f"+86137{n:08d}")
    region = factory.LazyFunction(lambda: Region.objects.filter(code="guangdong").first())
    categories = factory.LazyFunction(lambda: ["dress"])
    styles = factory.LazyFunction(lambda: ["commuter"])
    languages = factory.LazyFunction(lambda: ["mandarin"])
    platforms = factory.LazyAttribute(
        lambda row: [
            {
                "platform": "douyin",
                "handle": row.display_name,
                "followers": row.followers,
                "average_viewers": row.average_viewers,
            }
        ]
    )
    followers = 120_000
    average_viewers = 800
    price_shares = factory.LazyFunction(lambda: [0.0] * 5 + [0.2, 0.5, 0.3] + [0.0] * 8)
    audience_age = factory.LazyFunction(lambda: {"18_24": 0.4, "25_34": 0.6})
    audience_gender = factory.LazyFunction(lambda: {"female": 0.9, "male": 0.1})
    audience_city_tier = factory.LazyFunction(lambda: {"tier_1": 0.5, "tier_2": 0.5})
    commission_rate = Decimal("0.1800")
    cooperation_modes = factory.LazyFunction(lambda: ["creator_broadcast"])
    verification = VerificationStatus.VERIFIED
    verified_until = factory.LazyFunction(lambda: town_today() + timedelta(days=180))

    @factory.post_generation
    def owner(self, create: bool, user: User | None, **kwargs: object) -> None:
        if create and user is not None:
            Membership.objects.create(user=user, anchor=self, role=MemberRole.OWNER)
