"""Staff sign in and approve a match from the queue, at a desk and on a phone."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group

from accounts.choices import TOWN_STAFF
from accounts.models import User
from matching.choices import MatchStatus
from matching.models import Match, MatchEvent
from tests.admin.conftest import compiled_words, fit_engine, make_agreed  # noqa: F401 (a fixture)
from tests.factories import PASSWORD, UserFactory

pytestmark = [
    pytest.mark.browser,
    pytest.mark.serial,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


@pytest.fixture
def town_staff(db: None) -> User:
    user: User = UserFactory.create(is_staff=True, name="林运营", phone="+8613800138000")
    user.set_password(PASSWORD)
    user.save()
    user.groups.add(Group.objects.get(name=TOWN_STAFF))
    return user


def sign_in(page: Any) -> None:
    page.goto("/admin/")
    page.fill("input[name=username]", "13800138000")
    page.fill("input[name=password]", PASSWORD)
    page.click("input[type=submit]")
    page.wait_for_selector(".board")


def is_no_wider_than(page: Any, width: int) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth") <= width)


@pytest.mark.parametrize("width", [1280, 390])
def test_staff_approve_a_match_from_the_queue(
    open_page: Any,
    complaints: list[str],
    town_staff: User,
    compiled_words: None,  # noqa: F811
    tmp_path: Path,
    width: int,
) -> None:
    first, second = make_agreed(0), make_agreed(1)
    fit_engine()
    page = open_page(width=width)

    def keep(name: str) -> None:
        page.screenshot(path=tmp_path / f"{width}-{name}.png", full_page=True)

    sign_in(page)
    keep("1-board")
    assert page.inner_text(".tile:first-child strong") == "2"

    page.click(".tile:first-child")
    page.wait_for_selector("#result_list")
    keep("2-queue")
    assert page.locator("#result_list tbody tr").count() == 2
    assert "佣金率 18%" in page.inner_text("#result_list")
    assert is_no_wider_than(page, width)

    page.click(f"a.pair:has-text('{first.anchor.display_name}')")
    page.wait_for_selector(".match-page")
    keep("3-match")
    assert is_no_wider_than(page, width)

    page.click("button[value=approve]")
    page.wait_for_selector("input[name=confirmed]")
    page.fill("textarea[name=note]", "已电话核实。")
    keep("4-confirm")
    page.click("input[name=confirmed]")
    page.wait_for_selector(".messagelist .success")
    keep("5-after")

    states = dict(Match.objects.values_list("pk", "status"))
    assert states == {first.pk: MatchStatus.APPROVED, second.pk: MatchStatus.AGREED}
    event = MatchEvent.objects.get(match=first, action="approve")
    assert (event.actor_id, event.note and event.note.text) == (town_staff.pk, "已电话核实。")
    assert complaints == []


def test_staff_choose_in_the_list_and_reject(
    open_page: Any,
    complaints: list[str],
    town_staff: User,
    compiled_words: None,  # noqa: F811
) -> None:
    match = make_agreed(0)
    page = open_page(width=1280, language="en-US")
    sign_in(page)
    page.goto("/admin/matching/match/")
    page.check("#result_list .action-select")
    page.select_option("select[name=action]", "reject")
    page.click("button[name=index]")
    page.wait_for_selector("input[name=confirmed]")
    page.select_option("select[name=reason_code]", "reject_terms_unfair")
    page.click("input[name=confirmed]")
    page.wait_for_selector(".messagelist .success")
    match.refresh_from_db()
    assert match.status == MatchStatus.REJECTED
    assert complaints == []
