"""Lists as CSV: the filtered rows, in the asker's language, and no cell that is a formula."""

import csv
import io
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts.models import User
from matching.models import Match
from matching.services.roots import close_day
from matchmaker.core.text import quote_cell
from tests.admin.conftest import make_agreed
from tests.factories import MerchantFactory, StallFactory

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "  =1",
    "＝1",
    "\u00a0=1",
    "＠x",
    "＋1",
    "－1",
]


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_is_quoted(cell: str) -> None:
    assert quote_cell(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "A-1", "a=b", "广州", "1", "18%", " text", -5, None])
def test_what_is_no_formula_stays(cell: Any) -> None:
    assert quote_cell(cell) == cell


def rows_of(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200 and response["Content-Type"] == "text/csv"
    assert "attachment" in response["Content-Disposition"]
    text = response.content.decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))


@pytest.mark.django_db
def test_an_export_holds_the_filtered_rows_quoted(staff: Client, town_staff: User) -> None:
    MerchantFactory.create(name="=HYPERLINK(1)", verification="pending", verified_until=None)
    MerchantFactory.create(name="广州", verification="verified")
    rows = rows_of(staff.get("/admin/accounts/merchant/export/", {"verification": "pending"}))
    assert [row["name"] for row in rows] == ["'=HYPERLINK(1)"]
    assert rows[0]["verification"] == "waiting for verification"
    assert "contact phone" not in rows[0]
    entry = LogEntry.objects.get()
    assert (entry.user, entry.change_message) == (town_staff, "Rows exported: 1.")


@pytest.mark.django_db
def test_the_queue_is_exported_with_its_terms(staff: Client) -> None:
    match = make_agreed()
    rows = rows_of(staff.get("/admin/matching/match/export/"))
    assert len(rows) == 1
    assert rows[0]["stall"] == match.stall.name and rows[0]["commission rate"] == "18%"
    assert rows[0]["sessions"].endswith("18:00–20:00, exclusive session")


@pytest.mark.django_db
def test_an_export_costs_the_same_for_any_number_of_rows(
    staff: Client, django_assert_max_num_queries: Any
) -> None:
    for url, make in (
        ("/admin/accounts/stall/export/", StallFactory.create),
        ("/admin/matching/match/export/", lambda: make_agreed(Match.objects.count())),
    ):
        counts = []
        for _round in range(2):
            make()
            make()
            staff.get(url)
            with django_assert_max_num_queries(30) as captured:
                assert staff.get(url).status_code == 200
            counts.append(len(captured))
        assert counts[0] == counts[1], url


@pytest.mark.django_db
def test_without_the_permission_there_is_no_export(client_of: Any, staff_user: Any) -> None:
    assert client_of(staff_user).get("/admin/accounts/merchant/export/").status_code == 403
    assert client_of(None).get("/admin/accounts/merchant/export/").status_code == 302


def test_daily_roots_can_be_taken_away_to_be_kept_elsewhere(staff: Client) -> None:
    make_agreed()
    [root] = close_day()
    rows = list(
        csv.reader(io.StringIO(staff.get("/admin/matching/dailyroot/export/").content.decode("utf-8-sig")))
    )
    assert rows == [["day", "root", "chains"], [root.on.isoformat(), root.root, "1"]]
