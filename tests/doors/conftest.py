"""What the tests of the doors share: the admin's clients and cheap hashes."""

from tests.accounts.conftest import cheap_passwords, login, signed_in, sms, user  # noqa: F401 (fixtures)
from tests.admin.conftest import client_of, staff, town_staff  # noqa: F401 (fixtures)
