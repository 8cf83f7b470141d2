"""Every page and action of the admin × method × role, as tests/authorization/table.py declares them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction
from django.http import HttpResponse
from django.template.response import SimpleTemplateResponse
from django.test import Client
from django.urls import get_resolver

from accounts.models import User
from tests.api.test_routes import routes
from tests.authorization.table import (
    ACTIONS,
    ANY_STAFF,
    MODELS,
    NOBODY,
    PAGES,
    SUPERUSER,
    codes,
)  # fmt: skip
from tests.authorization.town import People, furnish_everything, models_of_the_admin, row_of

pytestmark = pytest.mark.django_db
IN, TO_SIGN_IN, REFUSED, NO_METHOD = "in", "to sign in", "refused", "no such method"
OUTSIDERS = ("nobody", "merchant", "anchor")
SHARED = {
    "r/<path:content_type_id>/<path:object_id>/",
    "", "login/", "logout/", "password_change/", "password_change/done/", "autocomplete/", "jsi18n/",
    "second-factor/", "second-factor/codes/",
    "^(?P<app_label>jobs|accounts|notifications|matching|auth)/$", "(?P<url>.*)$",
}  # fmt: skip


@pytest.fixture(autouse=True)
def pages_are_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is let in is decided before; that every page can be drawn is for tests/admin to say."""
    monkeypatch.setattr(SimpleTemplateResponse, "rendered_content", "")


@pytest.fixture
def people(merchant_user: User, merchant: Any, anchor_user: User, anchor: Any) -> People:
    return People(merchant_user, anchor_user)


def got(response: HttpResponse) -> str:
    if response.status_code == 302 and response["Location"].startswith("/admin/login/"):
        return TO_SIGN_IN
    kinds = {403: REFUSED, 405: NO_METHOD}
    return kinds.get(response.status_code, IN if response.status_code in (200, 302) else str(response))


def staff_and_what_they_get(people: People, openers: frozenset[str]) -> Iterator[tuple[str, Client, str]]:
    """Staff with nothing, with each opener and nothing else, with everything but the openers; superusers."""
    special = openers & (SUPERUSER | ANY_STAFF)
    everybody = IN if special == ANY_STAFF else REFUSED
    yield "staff with nothing", people.staff_with(()), everybody
    for one in sorted(openers - special):
        yield f"staff with {one}", people.staff_with({one}), IN
    yield "staff with all the rest", people.staff_without(openers - special), everybody
    yield "superuser", people.superuser, IN if openers else REFUSED


def cells_of(people: People, openers: frozenset[str]) -> Iterator[tuple[str, Client, str]]:
    for name in OUTSIDERS:
        yield name, getattr(people, name), TO_SIGN_IN
    yield from staff_and_what_they_get(people, openers)


def address(route: str, model: str, jobs: dict[str, Any]) -> str:
    """The address of a route for the row that `furnish_everything` made."""
    row = row_of(models_of_the_admin()[model])
    if "/^([^/]+)/history/" in route:
        record = row.history.latest()
        return f"/admin/{model}/{row.pk}/history/{record.pk}/"
    path = route
    for name in ("<path:object_id>", "<int:pk>", "<int:user_id>"):
        path = path.replace(name, str(row.pk))
    booking = row_of(models_of_the_admin()["matching/booking"])
    path = path.replace("<int:booking_id>", str(booking.pk))
    prefix, has_job, _rest = path.partition("<uuid:public_id>/")
    return f"/admin/{prefix}{jobs[prefix]}/" if has_job else f"/admin/{path}"


def test_every_page_of_the_admin_is_declared() -> None:
    found = {
        path.removeprefix("admin/") for path, _view in routes(get_resolver()) if path.startswith("admin/")
    }
    assert found - SHARED == set(PAGES)
    assert set(models_of_the_admin()) == set(MODELS)


def test_every_action_of_the_admin_is_declared() -> None:
    found = {}
    for model, model_admin in admin.site._registry.items():
        names = {name for _function, name, _description in model_admin._get_base_actions()}
        found[f"{model._meta.app_label}/{model._meta.model_name}"] = names
    declared = {model: set(actions) for model, actions in ACTIONS.items()}
    # Django offers it on every list to who may delete, which is nobody where it is not declared.
    assert {model: names - {"delete_selected"} for model, names in found.items()} == {
        model: names - {"delete_selected"} for model, names in declared.items()
    }


def test_who_gets_which_page_of_the_admin(people: People) -> None:
    jobs = furnish_everything()
    wrong, count = [], 0
    for route, page in PAGES.items():
        url = address(route, "/".join(route.split("/")[:2]), jobs)
        for method, openers in (("get", page.get), ("post", page.post)):
            for role, client, expected in cells_of(people, openers if openers is not None else NOBODY):
                with transaction.atomic():
                    answer = got(getattr(client, method)(url))
                    transaction.set_rollback(True)
                count += 1
                if openers is None and answer == NO_METHOD:
                    continue
                if answer != expected:
                    wrong.append(f"{method} {route} by {role}: {answer}, not {expected}")
    print(f"{count} cells of the admin's pages")
    assert not wrong, "\n".join(wrong)


def acted(client: Client, model: str, action: str) -> str:
    """What came of ticking the row of `model` and asking for `action`."""
    row = row_of(models_of_the_admin()[model])
    rows = type(row)._default_manager.filter(pk=row.pk).values()
    before = list(rows)
    with transaction.atomic():
        response = client.post(
            f"/admin/{model}/", {"action": action, "_selected_action": [row.pk], "index": "0"}
        )
        unchanged = list(rows.all()) == before
        transaction.set_rollback(True)
    if got(response) != IN:
        return got(response)
    told = [str(message) for message in response.wsgi_request._messages._queued_messages]
    is_list_again = response.status_code == 200 and "cl" in (getattr(response, "context_data", None) or {})
    if told == ["No action selected."] or (is_list_again and not told):
        return REFUSED if unchanged else "refused, but the row changed"
    return IN


def test_who_may_do_what_to_ticked_rows(people: People) -> None:
    furnish_everything()
    wrong, count = [], 0
    for model in MODELS:
        look = codes("jobs/job" if model == "jobs/deadletter" else model, "view")
        for action, openers in (
            ACTIONS[model] | {"delete_selected": ACTIONS[model].get("delete_selected", NOBODY)}
        ).items():
            cells = [(role, getattr(people, role), TO_SIGN_IN) for role in OUTSIDERS]
            cells += [
                ("staff who look", people.staff_with(look), REFUSED),
                *(
                    (f"staff with {one}", people.staff_with(look | {one}), IN)
                    for one in sorted(openers - SUPERUSER)
                ),
                ("staff with all the rest", people.staff_without(openers - SUPERUSER), REFUSED),
                ("superuser", people.superuser, IN if openers else REFUSED),
            ]
            for role, client, expected in cells:
                answer = acted(client, model, action)
                count += 1
                if answer != expected:
                    wrong.append(f"{action} of {model} by {role}: {answer}, not {expected}")
    print(f"{count} cells of the admin's actions")
    assert not wrong, "\n".join(wrong)
