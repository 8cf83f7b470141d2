"""A real browser against a live server: Debian's chromium, or the one that CHROMIUM names."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="package")
def browser(django_db_setup: None) -> Iterator[Browser]:
    """One browser for all tests of this folder; its event loop ends with them."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium, and CI has to drive one")
        pytest.skip("no browser: install chromium, or name one in CHROMIUM")
    # What the migrations loaded, for tests that restore it; kept on the connection that made the database.
    loaded = getattr(connection, "_test_serialized_contents", None)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop runs in this thread. Django would refuse every query, and does give the tests
        # another connection than the one before.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        if loaded is not None:
            connection._test_serialized_contents = loaded
        # Without a sandbox: CI runs as root in a container.
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()
        connection.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console complained of: scripts that failed, files that the policy refused."""
    return []


@pytest.fixture
def open_page(browser: Browser, live_server: Any, complaints: list[str]) -> Iterator[Any]:
    """Open a page of a given width and language that notes complaints."""
    contexts = []

    def make(*, width: int, language: str = "zh-CN") -> Any:
        context = browser.new_context(
            base_url=live_server.url,
            locale=language,
            viewport={"width": width, "height": 900},
            is_mobile=width < 600,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
