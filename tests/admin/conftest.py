"""A small town with agreed matches, and staff who sign in to the admin."""

import gettext as gettext_module
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from django.utils.translation import trans_real

from accounts.choices import TOWN_STAFF
from accounts.models import Membership, User
from matching.models import Match
from matching.services import recommendations
from matchmaker.translations import compile_translations
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, UserFactory
from tests.matching.market import agreed, session


@pytest.fixture
def town_staff(db: None) -> User:
    user: User = UserFactory.create(is_staff=True, name="Lin")
    user.groups.add(Group.objects.get(name=TOWN_STAFF))
    return user


@pytest.fixture
def client_of() -> Callable[..., Client]:
    """A browser signed in as that user, speaking English unless told."""

    def make(user: User | None, language: str = "en") -> Client:
        client = Client(headers={"accept-language": language})
        if user is not None:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make


@pytest.fixture
def staff(client_of: Callable[..., Client], town_staff: User) -> Client:
    return client_of(town_staff)


def make_agreed(number: int = 0) -> Match:
    """An agreed match of a new stall and a new anchor, in the evening of some day next week."""
    stall = StallFactory.create(merchant=MerchantFactory.create(owner=UserFactory.create()))
    anchor = AnchorFactory.create(owner=UserFactory.create())
    return agreed(stall, anchor, session(day=number % 7, hour=18))


def fit_engine() -> None:
    """Let the engine run once, so that scores can be shown."""
    recommendations.rematch_everybody()


def member(party: Any) -> User:
    """Somebody who acts for the merchant or anchor."""
    return Membership.objects.filter(**{type(party).__name__.lower(): party}).select_related("user")[0].user


@pytest.fixture(scope="session")
def compiled_words() -> None:
    """The Chinese words as they stand in the catalogue, compiled and loaded anew."""
    compile_translations(settings.LOCALE_PATHS)
    gettext_module._translations.clear()  # type: ignore[attr-defined]
    trans_real._translations.clear()
    trans_real._default = None


@pytest.fixture
def match(db: None) -> Match:
    return make_agreed()
