"""What every answer tells a browser: nothing inside a page runs without the nonce of that one answer."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import get_resolver

from accounts.models import User
from tests.admin.conftest import fit_engine
from tests.admin.test_pages import furnish
from tests.factories import UserFactory

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = "/api/v1/docs/"
HANDLER = re.compile(r"on[a-z]+")


class Inside(HTMLParser):
    """Notes what a policy without `unsafe-inline` refuses, unless it carries the nonce."""

    def __init__(self, nonce: str) -> None:
        super().__init__()
        self.nonce, self.bare = nonce, list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_inside = tag == "style" or (tag == "script" and "src" not in given)
        # Data for scripts is no script.
        if is_inside and given.get("type") != "application/json" and given.get("nonce") != self.nonce:
            self.bare.append(self.get_starttag_text() or tag)
        for name, value in given.items():
            runs = HANDLER.fullmatch(name) or (value or "").strip().lower().startswith("javascript:")
            if name == "style" or runs:
                self.bare.append(f"{tag} {name}")


def directives(response: Any) -> dict[str, list[str]]:
    parts = [part.split() for part in response["Content-Security-Policy"].split(";") if part.strip()]
    return {name: values for name, *values in parts}


def nonce_of(response: Any) -> str:
    found = re.findall(r"'nonce-([^']+)'", response["Content-Security-Policy"])
    return found[0] if found else ""


def check_page(response: Any, url: str) -> None:
    found = directives(response)
    assert found["default-src"] == ["'none'"] and found["base-uri"] == ["'none'"], url
    assert found["frame-ancestors"] == ["'none'"] and found["form-action"] == ["'self'"], url
    assert "unsafe" not in response["Content-Security-Policy"], url
    assert not any("http" in value or value == "*" for values in found.values() for value in values), url
    inside = Inside(nonce_of(response))
    inside.feed(response.content.decode())
    assert inside.bare == [], url


def test_a_script_style_or_handler_inside_a_page_would_be_noticed() -> None:
    for html in (
        "<script>1</script>",
        "<style>a{}</style>",
        '<script nonce="x">1</script>',
        '<p style="color:red">',
        '<a onclick="x()">',
        '<a href=" JavaScript:x()">',
    ):
        inside = Inside("the-nonce")
        inside.feed(html)
        assert len(inside.bare) == 1, html
    inside = Inside("the-nonce")
    inside.feed('<script nonce="the-nonce">1</script><script src="/x.js"></script>')
    assert inside.bare == []


@pytest.mark.django_db
def test_no_page_of_the_admin_runs_what_stands_inside_it(client_of: Callable[..., Client]) -> None:
    furnish(0)
    fit_engine()
    client = client_of(UserFactory.create(is_staff=True, is_superuser=True))
    pages = ["/admin/", "/admin/password_change/", "/admin/password_change/done/"]
    for model in admin.site._registry:
        at = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        row = model._default_manager.first()
        pages += [at] if row is None else [at, f"{at}{row.pk}/change/", f"{at}{row.pk}/history/"]
        pages += [f"{at}add/"] if "accounts/user" in at or "matching/match/" in at else []
    for url in pages:
        response = client.get(url)
        assert response.status_code == 200, url
        check_page(response, url)
    assert len(pages) > 60


@pytest.mark.django_db
def test_pages_for_everybody_and_refusals_keep_the_policy(client: Client, staff: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    for response, status in (
        (client.get(DOCS), 200),
        (client.get("/admin/login/"), 200),
        (client.get("/nowhere"), 404),
        (client.get("/nowhere", headers={"host": "evil.example"}), 400),
        (strict.post("/admin/login/", {"username": "x"}), 403),
        (staff.get("/admin/accounts/user/add/"), 403),
        (staff.post("/admin/logout/"), 200),
    ):
        assert response.status_code == status
        assert response["Content-Type"].startswith("text/html")
        check_page(response, response.wsgi_request.path)


@pytest.mark.django_db
def test_a_nonce_counts_for_one_answer_only(client: Client) -> None:
    first, second = client.get(DOCS), client.get(DOCS)
    assert f'<style nonce="{nonce_of(first)}">' in first.content.decode()
    assert nonce_of(first) and nonce_of(first) != nonce_of(second)
    assert len(nonce_of(first)) >= 22


@pytest.mark.django_db
@pytest.mark.parametrize(
    "url", ["/admin/login/", DOCS, "/api/v1/categories/", "/api/v1/stalls/", "/nowhere", "/healthz",
            "/static/matching/admin.css", "/api/v1/schema/"],
)  # fmt: skip
def test_every_answer_has_the_headers(client: Client, url: str) -> None:
    response = client.get(url)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]
    assert directives(response)["frame-ancestors"] == ["'none'"]


@pytest.mark.django_db
def test_transport_security_is_said_over_tls_only(client: Client, settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    assert "Strict-Transport-Security" not in client.get("/admin/login/")
    said = client.get("/admin/login/", secure=True)["Strict-Transport-Security"]
    assert said.startswith("max-age=31536000; includeSubDomains")


def test_no_page_is_outside_these_tests() -> None:
    """HTML comes from the admin and the page of the API; a new mount has to be walked above too."""
    mounts = {str(entry.pattern) for entry in get_resolver().url_patterns}
    assert mounts == {"", "healthz", "readyz", "metrics", "admin/", "api/v1/"}


PRODUCTION = {
    "DATABASE_URL": "postgres://town:pass@db.example:5433/town",
    "REDIS_URL": "redis://redis.example:6379/3",
    "SECRET_KEY": "Zq7-nothing-known-9f2c4d8e1b6a0357-Zq7-nothing-known",
    "MATCHMAKER_ALLOWED_HOSTS": "town.example",
    "MATCHMAKER_SMS_BACKEND": "gateway.Sms",
}


def manage(var: Path, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    own = ("MATCHMAKER_", "DATABASE_URL", "REDIS_URL", "SECRET_KEY")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    clean |= {"MATCHMAKER_BOOTSTRAP": "0", "MATCHMAKER_VAR_DIR": str(var)} | env
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=clean, text=True, capture_output=True, check=False)


@pytest.mark.serial
def test_the_deployment_checks_are_clean_and_notice_what_is_left_open(tmp_path: Path) -> None:
    check = ("check", "--deploy", "--fail-level", "WARNING")
    clean = manage(tmp_path, PRODUCTION, *check)
    assert clean.returncode == 0, clean.stderr
    open_doors = {
        "MATCHMAKER_ALLOWED_HOSTS": "*",
        "MATCHMAKER_SECURE_COOKIES": "false",
        "MATCHMAKER_SSL_REDIRECT": "false",
        "MATCHMAKER_HSTS_SECONDS": "0",
        "MATCHMAKER_STAFF_TOTP": "false",
        "SECRET_KEY": "short",
    }
    found = manage(tmp_path, PRODUCTION | open_doors, *check)
    assert found.returncode != 0
    for id_ in ("matchmaker.W003", "matchmaker.W004", "security.W004", "security.W008", "security.W009",
                "security.W012", "security.W016"):  # fmt: skip
        assert id_ in found.stderr, id_


@pytest.mark.serial
@pytest.mark.parametrize("name", ["SECRET_KEY", "MATCHMAKER_ALLOWED_HOSTS", "REDIS_URL"])
def test_production_has_no_default_for_what_must_be_secret_or_its_own(tmp_path: Path, name: str) -> None:
    refused = manage(tmp_path, {key: value for key, value in PRODUCTION.items() if key != name}, "check")
    assert refused.returncode != 0 and name in refused.stderr
    assert not (tmp_path / "secret_key").exists()


def test_cookies_in_production(tmp_path: Path) -> None:
    cookies = ("NAME", "SECURE", "HTTPONLY", "SAMESITE", "PATH", "DOMAIN")
    names = [f"{kind}_COOKIE_{name}" for kind in ("SESSION", "CSRF") for name in cookies]
    reads = "import json; from django.conf import settings as s; "
    code = f"{reads}print(json.dumps([getattr(s, n) for n in {names}]))"
    answer = manage(tmp_path, PRODUCTION, "shell", "-v0", "-c", code)
    assert answer.returncode == 0, answer.stderr
    found = dict(zip(names, json.loads(answer.stdout.splitlines()[-1]), strict=True))
    closed = {"SECURE": True, "HTTPONLY": True, "SAMESITE": "Lax", "PATH": "/", "DOMAIN": None}
    # The prefix binds a cookie to this very host, over TLS: a sister site cannot plant one.
    of_both = {
        f"{kind}_COOKIE_{name}": value
        for kind, cookie in (("SESSION", "sessionid"), ("CSRF", "csrftoken"))
        for name, value in (closed | {"NAME": f"__Host-{cookie}"}).items()
    }
    assert found == of_both


@pytest.mark.django_db
def test_the_cookies_of_a_sign_in_are_closed_to_scripts(client: Client) -> None:
    staff = User.objects.create_superuser("+8613800138000", "a-long-enough-password-7")
    response = client.post("/admin/login/", {"username": staff.phone, "password": "a-long-enough-password-7"})
    assert response.status_code == 302
    for morsel in response.cookies.values():
        assert morsel["httponly"] and morsel["samesite"] == "Lax" and not morsel["domain"], morsel.key
