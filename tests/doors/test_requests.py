"""What a request cannot talk us into: another host, site or method, or a file that is not public."""

import ast
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.db import models
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import DeviceToken, User
from accounts.services import access
from tests.accounts.conftest import AUTH, PASSWORD, PHONE
from tests.factories import UserFactory
from tests.test_architecture import MODULES

pytestmark = pytest.mark.django_db
ELSEWHERE = [
    "https://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example", "\\\\evil.example",
    "javascript:alert(1)", "http:evil.example", "https:///evil.example", "/%09/evil.example\n",
    "https://testserver@evil.example/", "data:text/html,x", "\x00//evil.example",
]  # fmt: skip
UPWARDS = ["../", "..%2f", "%2e%2e/", "..\\", "....//", "%252e%252e/", "..%c0%af", "./../"]


@pytest.fixture
def lin(db: None) -> User:
    return User.objects.create_superuser(PHONE, PASSWORD, name="Lin")


def is_ours(location: str) -> bool:
    return location.startswith("/") and not location.startswith(("//", "/\\"))


class TestHost:
    """The Host header."""

    @pytest.mark.parametrize(
        "host", ["evil.example", "testserver.evil.example", "evil.example:80@testserver", "", "a b", "[::1"]
    )
    @pytest.mark.parametrize("path", ["/admin/login/", "/api/v1/categories/", "/", "/admin"])
    def test_a_host_that_is_not_ours_is_refused(
        self, client: Client, settings: Any, host: str, path: str
    ) -> None:
        settings.ALLOWED_HOSTS = ["town.example"]
        answer = client.get(path, headers={"host": host})
        assert answer.status_code == 400 and "evil" not in answer.get("Location", "")
        assert client.get(path, headers={"host": "town.example"}).status_code != 400

    def test_what_a_proxy_might_say_of_the_host_is_not_believed(self, client: Client) -> None:
        headers = {
            "x-forwarded-host": "evil.example",
            "x-host": "evil.example",
            "forwarded": "host=evil.example",
        }
        for path in ("/admin/login/", "/", "/admin", "/api/v1/docs/", "/api/v1/schema/"):
            answer = client.get(path, headers=headers)
            assert "evil" not in answer.content.decode() + answer.get("Location", ""), path


class TestRedirects:
    """Addresses that a link to us may carry."""

    @pytest.mark.parametrize("url", ELSEWHERE)
    def test_signing_in_leads_to_no_other_site(self, lin: User, url: str) -> None:
        client = Client()
        body = {"username": PHONE, "password": PASSWORD, "next": url}
        answer = client.post("/admin/login/", body, query_params={"next": url})
        assert answer.status_code == 302 and is_ours(answer["Location"]), answer["Location"]
        out = client.post("/admin/logout/", {"next": url}, query_params={"next": url})
        assert is_ours(out.get("Location", "/"))

    def test_without_an_address_it_leads_to_the_first_page(self, lin: User) -> None:
        answer = Client().post("/admin/login/", {"username": PHONE, "password": PASSWORD})
        assert answer["Location"] == "/admin/"

    @pytest.mark.parametrize(
        "path",
        ["//evil.example/admin", "/admin//evil.example", "///evil.example", "/api/v1//evil.example/stalls"],
    )
    def test_adding_a_slash_leads_to_no_other_site(self, client: Client, path: str) -> None:
        for method in ("get", "post"):
            answer = getattr(client, method)(path)
            assert is_ours(answer.get("Location", "/")), answer["Location"]


class TestForgery:
    """Requests that another site makes a browser send."""

    @pytest.fixture
    def browser(self, lin: User) -> Client:
        client = Client(enforce_csrf_checks=True)
        client.force_login(lin, backend="django.contrib.auth.backends.ModelBackend")
        return client

    @pytest.mark.parametrize(
        "path", ["/admin/login/", "/admin/logout/", "/admin/password_change/", "/admin/second-factor/",
                 "/admin/second-factor/codes/", "/admin/accounts/user/add/", "/admin/matching/match/"],
    )  # fmt: skip
    def test_a_form_without_our_token_is_refused(self, browser: Client, path: str) -> None:
        assert browser.post(path, {"action": "approve", "username": PHONE}).status_code == 403

    def test_our_token_from_another_origin_is_refused(self, browser: Client) -> None:
        browser.get("/admin/password_change/")
        token = browser.cookies[django_settings.CSRF_COOKIE_NAME].value
        body = {"csrfmiddlewaretoken": token, "action": "block"}
        for origin in ("https://evil.example", "null", "http://testserver.evil.example"):
            answer = browser.post("/admin/accounts/user/", body, headers={"origin": origin})
            assert answer.status_code == 403, origin
        answer = browser.post(
            "/admin/accounts/user/", body, secure=True, headers={"referer": "https://evil.example/"}
        )
        assert answer.status_code == 403
        assert (
            browser.post("/admin/accounts/user/", body, headers={"origin": "http://testserver"}).status_code
            != 403
        )

    def test_no_page_that_is_only_looked_at_changes_anything(self, browser: Client) -> None:
        for path in ("/admin/logout/", "/admin/second-factor/?leave=1", "/admin/accounts/user/?action=block"):
            browser.get(path)
        assert "_auth_user_id" in browser.session

    def test_the_api_knows_no_cookie_that_another_site_could_ride_on(self, browser: Client) -> None:
        for path in ("tokens/", "auth/password/change/", "stalls/", "merchants/"):
            answer = browser.post(f"/api/v1/{path}", {}, content_type="application/json")
            assert answer.status_code in {400, 401}, path
        login = APIClient().post(AUTH + "login/", {"phone": PHONE, "password": PASSWORD})
        assert login.status_code == 200 and not login.cookies
        assert "Access-Control-Allow-Origin" not in login

    def test_a_form_of_another_site_is_no_body_of_the_api(self) -> None:
        for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
            answer = APIClient().post(AUTH + "login/", b"phone=1", content_type=kind)
            assert answer.status_code == 415, kind


class TestMethods:
    """Asking for one method by another."""

    OVERRIDES = (
        {"headers": {"x-http-method-override": "DELETE"}},
        {"headers": {"x-http-method": "DELETE"}},
        {"headers": {"x-method-override": "DELETE"}},
        {"query_params": {"_method": "DELETE"}},
    )

    @pytest.mark.parametrize("override", OVERRIDES)
    def test_no_header_or_field_makes_another_method(self, api: Any, override: dict[str, Any]) -> None:
        user = UserFactory.create()
        client = api(user)
        row = DeviceToken.objects.get(user=user)
        for method in ("get", "post", "put", "patch"):
            answer = getattr(client, method)(f"/api/v1/devices/{row.public_id}/", **override)
            assert answer.status_code == 405, method
        row.refresh_from_db()
        assert row.revoked_at is None

    @pytest.mark.parametrize("path", ["/api/v1/stalls/", "/admin/login/", "/static/matching/admin.css"])
    def test_a_request_is_never_echoed(self, client: Client, path: str) -> None:
        answer = client.trace(path, headers={"cookie": "secret=1", "x-session-token": "secret"})
        assert answer.status_code in {400, 401, 403, 404, 405}
        assert b"secret" not in b"".join(answer)


class TestFiles:
    """What the web processes serve."""

    SECRETS = ("secret_key", "manage.py", "matchmaker/settings.py", "db.sqlite3", "sms.log", "etc/passwd")

    @pytest.mark.parametrize(
        "up", ["../", "..%2f", "%2e%2e/", "..\\", "....//", "%252e%252e/", "..%c0%af", "./../"]
    )
    @pytest.mark.parametrize("base", ["/static/", "/static/matching/", "/media/", "/"])
    def test_no_path_leads_out_of_the_public_folder(self, client: Client, base: str, up: str) -> None:
        for depth in (1, 3, 8):
            for name in self.SECRETS:
                answer = client.get(f"{base}{up * depth}{name}")
                assert answer.status_code in {400, 404}, answer.request["PATH_INFO"]

    @pytest.mark.parametrize(
        "path", ["/static/", "/static/matching/", "/media/", "/var/", "/.git/config", "/.env"]
    )
    def test_no_folder_is_listed_and_no_dot_file_served(self, client: Client, path: str) -> None:
        assert client.get(path).status_code == 404

    def test_no_row_has_a_file(self) -> None:
        """Pictures are rows, drawn anew (docs/decisions/0010); a file would have none of what they have."""
        fields = [field for model in apps.get_models() for field in model._meta.get_fields()]
        assert [field for field in fields if isinstance(field, models.FileField)] == []

    def test_a_form_with_a_file_is_taken_by_the_imports_only(self, api: Any) -> None:
        client = api(UserFactory.create())
        for path in ("merchants/", "stalls/", "tokens/", "matches/", "blocks/"):
            answer = client.post(f"/api/v1/{path}", {"name": "x"}, format="multipart")
            assert answer.status_code in {404, 415}, path


REACHES_OUT = {
    "urllib.request",
    "http.client",
    "requests",
    "httpx",
    "aiohttp",
    "urllib3",
    "ftplib",
    "smtplib",
    "socket",
}


def test_no_code_of_ours_fetches_an_address() -> None:
    """So nobody can make us fetch one of theirs. `up` asks its own address whether it answers."""
    found = set()
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(Path(path).read_text())):
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
            else:
                continue
            if any(f"{said}.".startswith(f"{way}.") for said in names for way in REACHES_OUT):
                found.add(name)
    # The watchdog speaks to the service manager, over the machine's own socket.
    assert found <= {"matchmaker.management.commands.up", "matchmaker.watchdog"}


def test_a_session_of_one_user_is_no_use_to_another(api: Any) -> None:
    owner, stranger = UserFactory.create(), UserFactory.create()
    access.open_device(user=owner, session_key="s", device_name="")
    row = DeviceToken.objects.get(user=owner)
    assert api(stranger).delete(f"/api/v1/devices/{row.public_id}/").status_code == 404
