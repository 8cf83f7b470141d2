"""What the tests of the doors share: the admin's clients and cheap hashes."""

import pytest
from django.test import Client

from tests.accounts.conftest import cheap_passwords, login, signed_in, sms, user  # noqa: F401 (fixtures)
from tests.admin.conftest import client_of, staff, town_staff  # noqa: F401 (fixtures)


@pytest.fixture
def client() -> Client:
    """A browser that nobody signed in with, speaking English."""
    return Client(headers={"accept-language": "en"})
