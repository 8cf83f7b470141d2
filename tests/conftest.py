"""The cast: a merchant and an anchor who fit each other, their likes as strangers, and one of the staff."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone, translation
from rest_framework.test import APIClient

from accounts.digests import digest_of, new_device_token
from accounts.models import Anchor, DeviceToken, Merchant, Stall, User
from accounts.selectors import forget_reference
from matching.snapshot.market import forget_market
from matchmaker.core import clock
from matchmaker.core.prepared import Prepared
from matchmaker.translations import compile_translations
from tests import scanner
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, UserFactory
from tests.restoring import restore_by_table

restore_by_table()

scanner.install()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what the scanner cost, for it has to stay next to nothing."""
    terminalreporter.write_line(f"scanner: {scanner.seconds:.2f} s of this process")


def pytest_configure(config: pytest.Config) -> None:
    """A fresh clone's tests speak the languages that the town does; once, before the workers start."""
    if not hasattr(config, "workerinput"):
        compile_translations(django_settings.LOCALE_PATHS)


@pytest.fixture(autouse=True)
def nothing_personal_leaks() -> Iterator[None]:
    """Fails the test in which something personal went where it may not be (tests/scanner.py)."""
    scanner.leaks.clear()
    yield
    found, scanner.leaks[:] = list(scanner.leaks), []
    assert not found, "\n".join(found)


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Whatever ran before, a test begins in English; what has to be Chinese asks for it."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def cold_caches() -> Iterator[None]:
    """Every test reads reference data and the market for itself."""
    forget_reference()
    forget_market()
    yield
    forget_market()


@pytest.fixture(autouse=True)
def clock_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The town's clock is this process's, which tests can turn; `clock_of_the_database` undoes it."""
    monkeypatch.setattr(clock, "_read", timezone.now)
    monkeypatch.setattr(clock, "sql_now", timezone.now)
    monkeypatch.setattr(Prepared, "keeps", False)


@pytest.fixture
def clock_of_the_database(clock_of_the_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The town's clock as in production."""
    monkeypatch.undo()


def _flush_append_only(self: Any, style: Any, tables: Sequence[str], **options: Any) -> list[str]:
    """Tests empty the tables by DELETE on SQLite, which the triggers of append-only tables refuse."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = cursor.fetchall()
    drop = [f"DROP TRIGGER {name}" for name, _sql in triggers]
    return [*drop, *_sql_flush(self, style, tables, **options), *(sql for _name, sql in triggers)]


if connection.vendor == "sqlite":
    _operations: Any = type(connection.ops)
    _sql_flush = _operations.sql_flush
    _operations.sql_flush = _flush_append_only


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    """Pages render without `collectstatic`, also under the settings of production (`--services`)."""
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": backend}
    # Else every test client looks at all static files of all packages first: two thirds of its time.
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True


@pytest.fixture
def api() -> Callable[[User | None], APIClient]:
    """A client with a real device token of that user; None is anonymous. Speaks English."""

    def make(user: User | None, **headers: Any) -> APIClient:
        client = APIClient()
        credentials = {"HTTP_ACCEPT_LANGUAGE": "en"} | headers
        if user is not None:
            token = new_device_token()
            DeviceToken.objects.create(
                user=user,
                digest=digest_of(token),
                session_key="test",
                expires_at=timezone.now() + timedelta(days=1),
                last_used_at=timezone.now(),
            )
            credentials["HTTP_X_SESSION_TOKEN"] = token
        client.credentials(**credentials)
        return client

    return make


@pytest.fixture
def merchant_user(db: None) -> User:
    return UserFactory.create()


@pytest.fixture
def merchant(merchant_user: User) -> Merchant:
    return MerchantFactory.create(owner=merchant_user)


@pytest.fixture
def stall(merchant: Merchant) -> Stall:
    return StallFactory.create(merchant=merchant)


@pytest.fixture
def other_merchant_user(db: None) -> User:
    return UserFactory.create()


@pytest.fixture
def other_stall(other_merchant_user: User) -> Stall:
    return StallFactory.create(merchant=MerchantFactory.create(owner=other_merchant_user))


@pytest.fixture
def anchor_user(db: None) -> User:
    return UserFactory.create()


@pytest.fixture
def anchor(anchor_user: User) -> Anchor:
    return AnchorFactory.create(owner=anchor_user)


@pytest.fixture
def other_anchor_user(db: None) -> User:
    return UserFactory.create()


@pytest.fixture
def other_anchor(other_anchor_user: User) -> Anchor:
    return AnchorFactory.create(owner=other_anchor_user)


@pytest.fixture
def staff_user(db: None) -> User:
    user: User = UserFactory.create(is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(
            codename__in=["decide_match", "propose_match", "view_match", "change_anchor"]
        )
    )
    return user
