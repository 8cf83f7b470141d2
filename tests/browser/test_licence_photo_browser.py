"""Staff see the photo of a licence while they verify its merchant, at a desk and on a phone."""

from pathlib import Path
from typing import Any

import pytest

from accounts.models import Merchant, User
from accounts.services.photos import keep_licence_photo
from tests.admin.conftest import compiled_words  # noqa: F401 (a fixture)
from tests.browser.test_admin_browser import is_no_wider_than, sign_in, town_staff  # noqa: F401 (a fixture)
from tests.factories import MerchantFactory, UserFactory, photo

pytestmark = [
    pytest.mark.browser,
    pytest.mark.serial,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
DRAWN = "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"


@pytest.mark.parametrize("width", [1280, 390])
def test_staff_verify_by_what_they_see(
    open_page: Any,
    complaints: list[str],
    town_staff: User,  # noqa: F811
    compiled_words: None,  # noqa: F811
    tmp_path: Path,
    width: int,
) -> None:
    merchant: Merchant = MerchantFactory.create(verification="pending", verified_until=None)
    keep_licence_photo(actor=UserFactory.create(), merchant=merchant, content=photo(1200, 900))
    page = open_page(width=width)
    sign_in(page)

    def sees_it(name: str) -> None:
        picture = page.locator(".licence-photo img")
        picture.scroll_into_view_if_needed()
        assert picture.evaluate(DRAWN) == [1200, 900]
        page.screenshot(path=tmp_path / f"{width}-{name}.png", full_page=True)
        assert is_no_wider_than(page, width)

    page.goto(f"/admin/accounts/merchant/{merchant.pk}/change/")
    sees_it("1-merchant")
    page.click("button[value=verify]")
    page.wait_for_selector("input[name=confirmed]")
    sees_it("2-confirm")
    with page.context.expect_page() as whole:
        page.click(".licence-photo")
    assert whole.value.locator("img").evaluate(DRAWN) == [1200, 900]
    page.click("input[name=confirmed]")
    page.wait_for_selector(".messagelist .success")
    merchant.refresh_from_db()
    assert merchant.verification == "verified" and complaints == []
