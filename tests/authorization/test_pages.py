"""Everything outside the API and the admin's models × method × role; a page that is not here fails."""

from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from accounts.models import User
from tests.api.test_routes import routes
from tests.authorization.town import People

pytestmark = pytest.mark.django_db
METHODS = ("get", "head", "post", "put", "patch", "delete")
READ_AND_POST = METHODS[:3]
ROLES = ("nobody", "merchant", "anchor", "staff with nothing", "superuser")
OUTSIDERS = ROLES[:3]


def all_alike(status: int) -> dict[str, int]:
    return dict.fromkeys(ROLES, status)


def staff(status: int, others: int = 302) -> dict[str, int]:
    return {role: others if role in OUTSIDERS else status for role in ROLES}


# What reads only: every other method is refused by its name.
PROBE = {method: all_alike(200 if method in ("get", "head") else 405) for method in METHODS}
SIGNED_IN_STAFF = dict.fromkeys(METHODS, staff(200))


def only(status: int, *methods: str) -> dict[str, dict[str, int]]:
    """The methods that staff get `status` for; the others do not exist for them."""
    return {method: staff(status if method in methods else 405) for method in METHODS}


TABLE: dict[str, dict[str, dict[str, int]]] = {
    "": {**dict.fromkeys(METHODS, all_alike(302))},
    "healthz": PROBE,
    "readyz": PROBE,
    "metrics": PROBE,
    "static/admin/css/base.css": {method: all_alike(200) for method in ("get", "head")},
    # A number of nobody's, and no address of the disk's.
    "static/../matchmaker/settings.py": {method: all_alike(404) for method in METHODS},
    "media/": {method: all_alike(404) for method in METHODS},
    "admin/": SIGNED_IN_STAFF,
    "admin/login/": {"get": staff(302, 200), "head": all_alike(200), "post": all_alike(200)},
    # POST signs out, which tests/accounts and tests/admin hold.
    "admin/logout/": {"get": staff(405), "head": staff(405)},
    "admin/password_change/": only(200, "get", "head", "post", "put"),
    "admin/password_change/done/": only(200, "get", "head"),
    # Where no code is asked for; with one, tests/doors.
    "admin/second-factor/": {
        method: all_alike(302 if method in READ_AND_POST else 405) for method in METHODS
    },
    "admin/second-factor/codes/": only(302, *READ_AND_POST),
    "admin/autocomplete/": only(403, "get", "head"),
    "admin/jsi18n/": only(200, "get", "head"),
    "admin/matching/": dict.fromkeys(METHODS, staff(404) | {"superuser": 200}),
    "admin/r/1/1/": dict.fromkeys(METHODS, staff(404)),
    "admin/nothing/": dict.fromkeys(METHODS, staff(404)),
}
# The addresses above by the pattern that answers them.
PATTERNS = {
    "admin/matching/": "admin/^(?P<app_label>jobs|accounts|notifications|matching|auth)/$",
    "admin/r/1/1/": "admin/r/<path:content_type_id>/<path:object_id>/",
    "admin/nothing/": "admin/(?P<url>.*)$",
}


def test_every_page_is_declared() -> None:
    found = {path for path, _view in routes(get_resolver()) if not path.startswith("api/v1/")}
    models = {path for path in found if path.startswith("admin/") and path.count("/") > 2}
    declared = {PATTERNS.get(path, path) for path in TABLE}
    declared -= {path for path in TABLE if path.startswith(("static/", "media/"))}
    assert found - models - declared == set()
    assert declared - found == set()


@pytest.mark.parametrize("path", TABLE)
def test_who_gets_which_page(
    path: str, merchant_user: User, merchant: Any, anchor_user: User, anchor: Any
) -> None:
    people = People(merchant_user, anchor_user)
    clients: dict[str, Client] = {role: getattr(people, role) for role in (*OUTSIDERS, "superuser")}
    clients["staff with nothing"] = people.staff_with(())
    got = {
        method: {role: getattr(clients[role], method)(f"/{path}").status_code for role in ROLES}
        for method in TABLE[path]
    }
    assert got == TABLE[path]


def test_figures_are_for_who_has_the_token_or_is_here(settings: Any) -> None:
    far = Client(REMOTE_ADDR="203.0.113.5")
    assert far.get("/metrics").status_code == 403
    assert Client(headers={"x-forwarded-for": "127.0.0.1"}).get("/metrics").status_code == 403
    settings.METRICS_TOKEN = "a-token-of-the-monitor"
    assert Client().get("/metrics").status_code == 403
    assert far.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 403
    assert far.get("/metrics", headers={"authorization": "Bearer a-token-of-the-monitor"}).status_code == 200
