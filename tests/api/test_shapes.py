"""The schema says of requests what the checks accept: one list of fields, not two."""

import pytest
from rest_framework.serializers import Serializer

from accounts.api.serializers import AnchorSerializer, CalendarSerializer, MerchantSerializer, StallSerializer
from accounts.validation import ANCHOR_FORM, CALENDAR_FORM, MERCHANT_FORM, STALL_FORM
from accounts.validation.fields import Form

PAIRS = [
    (MerchantSerializer, MERCHANT_FORM),
    (StallSerializer, STALL_FORM),
    (AnchorSerializer, ANCHOR_FORM),
    (CalendarSerializer, CALENDAR_FORM),
]


@pytest.mark.parametrize(("serializer", "form"), PAIRS)
def test_schema_and_checks_know_the_same_fields(serializer: type[Serializer], form: Form):
    fields = {name: field for name, field in serializer().fields.items() if not field.read_only}

    assert set(fields) == set(form.fields)
    assert {name for name, field in fields.items() if field.required} == {
        name for name, field in form.fields.items() if field.required
    }
    assert {name for name, field in fields.items() if field.allow_null} == {
        name for name, field in form.fields.items() if field.nullable
    }


@pytest.mark.django_db
def test_the_schema_is_whole(api):
    answer = api(None).get("/api/v1/schema/", HTTP_ACCEPT="application/json")

    assert answer.status_code == 200
    schema = answer.json()
    paths = {
        "merchants/": {"post"}, "merchants/me/": {"get", "patch"}, "stalls/": {"get", "post"},
        "stalls/{stall_id}/": {"get", "patch", "delete"}, "stalls/import/": {"post"},
        "anchors/": {"post"},
        "anchors/me/": {"get", "patch"}, "anchors/me/calendar/": {"get", "put"}, "anchors/import/": {"post"},
        "categories/": {"get"}, "styles/": {"get"}, "zones/": {"get"}, "regions/": {"get"},
        "languages/": {"get"},
    }  # fmt: skip
    for path, methods in paths.items():
        operations = schema["paths"][f"/api/v1/{path}"]
        assert set(operations) - {"parameters"} == methods
        for operation in operations.values():
            assert operation["responses"]["400"]["content"].keys() == {"application/problem+json"}
    for name in ("StallRequest", "PatchedStallRequest", "AnchorRequest", "MerchantRequest"):
        assert schema["components"]["schemas"][name]["additionalProperties"] is False
    assert "required" not in schema["components"]["schemas"]["PatchedStallRequest"]


@pytest.mark.django_db
def test_swagger_is_served_without_the_internet(api):
    page = api(None).get("/api/v1/docs/").content.decode()

    assert "https://" not in page.replace("https://www.w3.org", "")
