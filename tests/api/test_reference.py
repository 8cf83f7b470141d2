"""Reference data: what codes there are, for everybody."""

import pytest

from accounts.models import Category, Holiday, ReasonCode
from accounts.selectors import forget_reference
from matchmaker.core.weeks import town_today

pytestmark = pytest.mark.django_db
KINDS = ("categories", "styles", "zones", "regions", "languages")


@pytest.mark.parametrize("kind", KINDS)
def test_everybody_reads_the_codes_in_both_languages(api, kind):
    answer = api(None).get(f"/api/v1/{kind}/")

    assert answer.status_code == 200
    rows = answer.json()
    assert len(rows) >= 6
    assert all(row["code"] and row["name_zh"] and row["name_en"] for row in rows)
    assert all(row["name"] == row["name_en"] for row in rows)
    chinese = api(None, HTTP_ACCEPT_LANGUAGE="zh-hans").get(f"/api/v1/{kind}/").json()
    assert all(row["name"] == row["name_zh"] for row in chinese)


def test_categories_know_their_department_and_regions_their_area(api):
    parents = {row["code"]: row["parent"] for row in api(None).get("/api/v1/categories/").json()}

    assert parents["dress"] == "women"
    assert all(row["parent"] for row in api(None).get("/api/v1/regions/").json())


def test_what_is_retired_is_no_longer_offered(api):
    Category.objects.filter(code="dress").update(is_retired=True)
    forget_reference()

    assert "dress" not in {row["code"] for row in api(None).get("/api/v1/categories/").json()}


def test_answers_are_cached_and_know_their_etag(api, django_assert_num_queries):
    client = api(None)
    first = client.get("/api/v1/zones/")
    with django_assert_num_queries(0):
        again = client.get("/api/v1/zones/", HTTP_IF_NONE_MATCH=first["ETag"])

    assert (again.status_code, again.content) == (304, b"")
    assert "max-age" in first["Cache-Control"]
    assert "Accept-Language" in first["Vary"]


def test_a_token_that_lapsed_does_not_close_public_data(api):
    assert api(None, HTTP_X_SESSION_TOKEN="old").get("/api/v1/zones/").status_code == 200


def test_nothing_can_be_written(api, staff_user):
    for method in ("post", "put", "patch", "delete"):
        assert getattr(api(staff_user), method)("/api/v1/zones/", {}).status_code == 405


def test_price_bins_are_sixteen_and_join(api):
    bins = api(None).get("/api/v1/price-bins/").json()

    assert len(bins) == 16
    assert all(left["high_cents"] == right["low_cents"] for left, right in zip(bins, bins[1:], strict=False))


# --- reasons ---------------------------------------------------------------------------------------


def test_everybody_reads_the_reasons_in_both_languages(api):
    rows = api(None).get("/api/v1/reasons/").json()

    assert {row["purpose"] for row in rows} >= {
        "decline", "withdraw", "cancel", "dispute", "reject", "fail", "forbid",
    }  # fmt: skip
    assert all(row["code"] and row["name_zh"] and row["name"] == row["name_en"] for row in rows)
    chinese = api(None, HTTP_ACCEPT_LANGUAGE="zh-hans").get("/api/v1/reasons/").json()
    assert all(row["name"] == row["name_zh"] for row in chinese)


def test_reasons_are_asked_for_by_purpose(api, django_assert_num_queries):
    with django_assert_num_queries(1):
        rows = api(None).get("/api/v1/reasons/?purpose=cancel").json()

    assert rows and {row["purpose"] for row in rows} == {"cancel"}
    assert rows == [row for row in api(None).get("/api/v1/reasons/").json() if row["purpose"] == "cancel"]


def test_a_retired_reason_is_no_longer_offered(api):
    ReasonCode.objects.filter(code="cancel_other").update(is_retired=True)

    assert "cancel_other" not in {row["code"] for row in api(None).get("/api/v1/reasons/").json()}


@pytest.mark.parametrize("query", ["purpose=nope", "purpose=", "purpose=%00", "purpose=cancel&porpoise=1"])
def test_a_wrong_question_for_reasons_is_named(api, query):
    answer = api(None).get(f"/api/v1/reasons/?{query}")

    assert answer.status_code == 400
    (messages,) = answer.json()["fields"].values()
    assert "cancel" in messages[0] or "parameter" in messages[0]


def test_reasons_know_their_etag(api):
    first = api(None).get("/api/v1/reasons/")

    assert api(None).get("/api/v1/reasons/", HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304
    assert "Accept-Language" in first["Vary"]


def test_holidays_are_read_by_everybody_with_their_hours(api):
    year = town_today().year
    old, new = f"{year - 1}-12-31", f"{year}-10-01"
    Holiday.objects.create(on=new, name_zh="国庆节", name_en="National Day", hours="0" * 22 + "11")
    Holiday.objects.create(on=f"{year + 1}-01-01", name_zh="元旦", name_en="New Year")
    Holiday.objects.create(on=old, name_zh="旧", name_en="Old")

    answer = api(None).get("/api/v1/holidays/")

    assert answer.json() == [
        {"on": new, "name": "National Day", "name_zh": "国庆节", "name_en": "National Day",
         "hours": ["22:00-24:00"]},
        {"on": f"{year + 1}-01-01", "name": "New Year", "name_zh": "元旦", "name_en": "New Year",
         "hours": []},
    ]  # fmt: skip
    assert api(None, HTTP_ACCEPT_LANGUAGE="zh-hans").get("/api/v1/holidays/").json()[0]["name"] == "国庆节"
    assert api(None).get("/api/v1/holidays/", HTTP_IF_NONE_MATCH=answer["ETag"]).status_code == 304
    Holiday.objects.filter(on=new).delete()
    assert api(None).get("/api/v1/holidays/", HTTP_IF_NONE_MATCH=answer["ETag"]).status_code == 200


def test_holidays_cost_one_query(api, django_assert_num_queries):
    client = api(None)
    with django_assert_num_queries(1):
        assert client.get("/api/v1/holidays/").json() == []
