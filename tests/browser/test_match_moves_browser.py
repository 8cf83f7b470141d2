"""Staff bring two sides together and call an approved match off, at a desk and on a phone."""

from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from matching.choices import MatchStatus
from matching.models import Match, MatchEvent
from matching.services.matches import approve_match
from tests.admin.conftest import compiled_words, make_agreed  # noqa: F401 (a fixture)
from tests.browser.test_admin_browser import is_no_wider_than, sign_in, town_staff  # noqa: F401 (a fixture)
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, UserFactory
from tests.matching.market import make_staff, session

pytestmark = [
    pytest.mark.browser,
    pytest.mark.serial,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


def choose(page: Any, number: int, name: str) -> None:
    """Search and take an entry of a field that completes what is typed."""
    page.locator(".select2-selection").nth(number).click()
    page.fill(".select2-search__field", name)
    page.click(f".select2-results__option:has-text('{name}')")


@pytest.mark.parametrize("width", [1280, 390])
def test_staff_propose_a_match_to_both_sides(
    open_page: Any,
    complaints: list[str],
    town_staff: User,  # noqa: F811
    compiled_words: None,  # noqa: F811
    tmp_path: Path,
    width: int,
) -> None:
    stall = StallFactory.create(name="锦云裳", merchant=MerchantFactory.create(owner=UserFactory.create()))
    anchor = AnchorFactory.create(display_name="小满", owner=UserFactory.create())
    page = open_page(width=width)
    sign_in(page)
    page.goto("/admin/matching/match/add/")
    assert is_no_wider_than(page, width)
    choose(page, 0, stall.name)
    choose(page, 1, anchor.display_name)
    page.fill("[name=commission_percent]", "120")
    page.fill("[name=sessions-0-on]", f"{session(2).starts_at:%Y-%m-%d}")
    page.evaluate("document.querySelector('#content-main form').noValidate = true")
    page.click("input[type=submit]")
    page.wait_for_selector(".errorlist")
    page.screenshot(path=tmp_path / f"{width}-refused.png", full_page=True)
    assert page.input_value("[name=sessions-0-on]"), "what was typed is kept"
    page.fill("[name=commission_percent]", "18.5")
    page.click("input[type=submit]")
    page.wait_for_selector(".match-page")
    page.screenshot(path=tmp_path / f"{width}-proposed.png", full_page=True)
    match = Match.objects.get()
    assert (match.stall, match.anchor, match.awaiting) == (stall, anchor, "both")
    assert complaints == []


def test_the_calendar_of_the_date_opens(open_page: Any, complaints: list[str], town_staff: User) -> None:  # noqa: F811
    page = open_page(width=1280)
    sign_in(page)
    page.goto("/admin/matching/match/add/")
    page.locator(".date-icon").first.click()
    page.wait_for_selector(".calendarbox")
    page.locator(".calendarbox td a").first.click()
    assert page.input_value("[name=sessions-0-on]").startswith("20")
    assert complaints == []


def test_staff_call_an_approved_match_off(
    open_page: Any,
    complaints: list[str],
    town_staff: User,  # noqa: F811
    compiled_words: None,  # noqa: F811
) -> None:
    match = approve_match(actor=make_staff(), match=make_agreed())
    page = open_page(width=390)
    sign_in(page)
    page.goto(f"/admin/matching/match/{match.pk}/change/")
    page.click("button[value=cancel]")
    page.wait_for_selector("input[name=confirmed]")
    page.select_option("select[name=reason_code]", "cancel_illness")
    page.click("input[name=confirmed]")
    page.wait_for_selector(".messagelist .success")
    match.refresh_from_db()
    assert match.status == MatchStatus.CANCELLED
    assert MatchEvent.objects.get(match=match, action="cancel").actor_id == town_staff.pk
    assert complaints == []
