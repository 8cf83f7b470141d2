"""Reference data: what the migration loads is what the files say, named in both languages."""

import json
import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from accounts.models import Category, Language, ReasonCode, Reference, Region, Style, Zone
from seeds.generate.ranges import by_department, categories, tiers

migration = import_module("accounts.migrations.0002_reference_data")
FOLDER = Path(migration.FOLDER)
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("model", "count"),
    [(Category, 60), (Style, 20), (Zone, 6), (Region, 34), (Language, 22), (ReasonCode, 47)],
)
def test_every_code_is_loaded_with_two_names(model: type[Reference], count: int) -> None:
    rows = list(model.objects.all())  # type: ignore[attr-defined]
    assert len(rows) == count
    assert len({row.name_zh for row in rows}) == len({row.name_en for row in rows}) >= count - 10
    for row in rows:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", row.code)
        assert re.search(r"[\u4e00-\u9fff]", row.name_zh)
        assert row.name_en.isascii()


def test_parents_are_known() -> None:
    departments = {row["code"] for row in json.loads((FOLDER / "departments.json").read_text("utf-8"))}
    areas = {row["code"] for row in json.loads((FOLDER / "areas.json").read_text("utf-8"))}
    assert set(Category.objects.values_list("department", flat=True)) == departments == set(by_department())
    assert set(Region.objects.values_list("area", flat=True)) == areas


def test_loading_again_corrects_names_and_adds_nothing() -> None:
    Zone.objects.filter(code="a").update(name_zh="另一个名字")
    migration.load_reference_data(apps, SimpleNamespace(connection=connection))
    assert Zone.objects.get(code="a").name_zh == "A区"
    assert Zone.objects.count() == 6


def test_every_category_has_its_ranges_and_tiers_are_everybody() -> None:
    assert set(categories()) == set(Category.objects.values_list("code", flat=True))
    for row in categories().values():
        for low, high in (row.retail_cny, row.commission_pct, row.return_pct, row.restock_days):
            assert 0 < low <= high
    assert sum(tier.share for tier in tiers()) == pytest.approx(1)
