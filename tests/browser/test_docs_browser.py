"""The API's own page in a real browser: every endpoint, offline, under the content security policy."""

from typing import Any

import pytest

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.browser]


@pytest.mark.parametrize("width", [1300, 390])
def test_swagger_shows_every_endpoint(open_page: Any, complaints: list[str], width: int) -> None:
    page = open_page(width=width)
    outside: list[str] = []
    page.on(
        "request", lambda request: outside.append(request.url) if "localhost" not in request.url else None
    )
    page.goto("/")
    page.wait_for_selector(".opblock")
    addresses = page.locator(".opblock-summary-path").all_inner_texts()
    assert len(addresses) >= 30
    assert any("suggestions" in address for address in addresses)
    assert complaints == []
    assert [url for url in outside if not url.startswith("data:")] == []
