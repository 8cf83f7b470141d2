"""Requests that are wrong as requests: addresses, methods, headers, bodies, cursors."""

import json

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from accounts.models import ApiToken, Stall
from matchmaker.pages import PIECE, WholeBody
from tests.api.bodies import anchor_body, stall_body
from tests.factories import MerchantFactory, StallFactory

pytestmark = pytest.mark.django_db
STALLS = "/api/v1/stalls/"


def is_problem(answer, status: int, code: str, *fields: str) -> bool:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (body["code"], list(body["fields"])) == (code, list(fields))
    assert body["detail"] and all(body["fields"].values())
    return True


# --- addresses and methods --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["nope/", "stalls/1/", "stalls/%00/", "stalls/%ff/", "matches/x/accept/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_address_that_leads_nowhere_is_a_problem_in_the_askers_language(api, path, method):
    assert is_problem(getattr(api(None), method)(f"/api/v1/{path}"), 404, "no_such_address")
    chinese = getattr(api(None, HTTP_ACCEPT_LANGUAGE="zh-CN"), method)(f"/api/v1/{path}")
    assert chinese.json()["detail"] != api(None).get("/api/v1/nope/").json()["detail"]


def test_pages_outside_the_api_keep_their_404(api):
    assert api(None).get("/nope/")["Content-Type"].startswith("text/html")


def test_a_mistake_of_ours_is_a_problem_too(api, merchant_user, monkeypatch):
    monkeypatch.setattr("accounts.api.merchants.acting_merchant", lambda request: 1 / 0)
    client = api(merchant_user)
    client.raise_request_exception = False

    answer = client.get("/api/v1/merchants/me/")

    assert is_problem(answer, 500, "server_error")
    assert "division" not in answer.content.decode()


def test_a_strange_host_is_a_problem(api, merchant_user, settings):
    settings.ALLOWED_HOSTS = ["town.example"]
    assert is_problem(api(merchant_user).get(STALLS, HTTP_HOST="evil.example"), 400, "bad_request")


@pytest.mark.parametrize("method", ["get", "post", "patch"])
def test_a_missing_slash_is_added_without_losing_method_and_body(api, merchant_user, method):
    answer = getattr(api(merchant_user), method)("/api/v1/stalls?a=1")

    assert (answer.status_code, answer["Location"]) == (308, "/api/v1/stalls/?a=1")


@pytest.mark.parametrize(
    "path", ["stalls/", "matches/", "tokens/", "merchants/", "auth/login/", "categories/"]
)
def test_options_names_the_methods_and_nothing_of_the_inside(api, merchant_user, path):
    answer = api(merchant_user).options(f"/api/v1/{path}")

    assert answer.status_code == 200
    assert answer.json() == {"allow": answer["Allow"].split(", "), "schema": "/api/v1/schema/"}


@pytest.mark.parametrize("path", ["stalls/", "schema/", "categories/"])
def test_a_method_that_is_none_is_a_problem_in_json(api, merchant_user, path):
    assert is_problem(api(merchant_user).delete(f"/api/v1/{path}"), 405, "method_not_allowed")


# --- headers ----------------------------------------------------------------------------------------


def test_the_header_at_fault_is_named(api, merchant_user, merchant, stall):
    client, own = api(merchant_user), f"{STALLS}{stall.public_id}/"

    assert is_problem(client.get(STALLS, HTTP_X_PARTY="' OR 1=1"), 400, "invalid_party", "X-Party")
    assert is_problem(client.patch(own, {"moq": 1}), 428, "if_match_required", "If-Match")
    assert is_problem(client.patch(own, {}, HTTP_IF_MATCH='"v9"'), 412, "changed_meanwhile", "If-Match")
    assert is_problem(client.post(STALLS, "a=1", content_type="text/plain"), 415, "unsupported_media_type",
                      "Content-Type")  # fmt: skip
    assert is_problem(client.get(STALLS, HTTP_ACCEPT="text/html"), 406, "not_acceptable", "Accept")
    assert is_problem(client.post(STALLS, {}, HTTP_IDEMPOTENCY_KEY="x" * 129), 400, "invalid_input",
                      "Idempotency-Key")  # fmt: skip

    MerchantFactory.create(owner=merchant_user)
    assert is_problem(client.get(STALLS), 400, "party_ambiguous", "X-Party")


def test_no_cache_on_the_way_keeps_what_is_one_partys(api, merchant_user, merchant):
    client = api(merchant_user)
    for path in ("merchants/me/", "stalls/", "accounts/me/", "nope/"):
        assert client.get(f"/api/v1/{path}")["Cache-Control"] == "private, no-store"
    assert "public" in client.get("/api/v1/categories/")["Cache-Control"]
    assert not client.get("/healthz")["Cache-Control"].startswith("private, no-store")


# --- bodies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ('{"a": 1,', "invalid_json", "body"),
        ("gb: 花".encode("gb18030"), "invalid_json", "body"),
        (json.dumps(stall_body()).encode("utf-16"), "invalid_json", "body"),
        ('{"floor": %s}' % ("9" * 5000), "invalid_json", "body"),
        ('{"name": %s}' % ("[" * 300 + "]" * 300), "too_deep", "name"),
        (json.dumps({f"pric_min_cent{n}": 1 for n in range(10_000)}), "too_many_keys", "body"),
        ('{"\\ud800": 1, "\\ud800": 2}', "duplicate_key", "?"),
        ('{"\\ud800": 1}', "bad_text", "body"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", [{}, {"HTTP_IDEMPOTENCY_KEY": "k"}])
def test_a_body_that_is_no_decent_json_names_what_is_wrong(
    api, merchant_user, merchant, body, code, field, key
):
    client = api(merchant_user)
    assert is_problem(client.post(STALLS, body, content_type="application/json", **key), 400, code, field)
    assert not Stall.objects.exists()


def test_json_with_a_byte_order_mark_is_read(api, merchant_user, merchant):
    body = json.dumps(stall_body()).encode("utf-8-sig")
    assert api(merchant_user).post(STALLS, body, content_type="application/json").status_code == 201


@pytest.mark.parametrize("value", [10**30, -(10**30), 10**4000])
def test_a_key_does_not_turn_a_large_number_into_a_failure(api, merchant_user, merchant, value):
    body = '{"floor": %s}' % ("1" + "0" * 4000 if value == 10**4000 else value)
    answer = api(merchant_user).post(STALLS, body, content_type="application/json", HTTP_IDEMPOTENCY_KEY="k")

    assert answer.status_code == 400
    assert "-5 to 99" in answer.json()["fields"]["floor"][0]


def test_one_key_and_body_for_two_parties_is_two_requests(api, merchant_user, merchant):
    other = MerchantFactory.create(owner=merchant_user)
    client = api(merchant_user)
    first = client.post(STALLS, stall_body(), HTTP_X_PARTY=str(merchant.public_id), HTTP_IDEMPOTENCY_KEY="k")
    second = client.post(STALLS, stall_body(), HTTP_X_PARTY=str(other.public_id), HTTP_IDEMPOTENCY_KEY="k")

    assert first.status_code == 201
    assert is_problem(second, 422, "idempotency_key_reused")


def test_a_body_without_length_is_asked_for_one(api, merchant_user):
    answer = api(merchant_user).generic(
        "POST", STALLS, b"", CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked"
    )
    assert is_problem(answer, 411, "length_required", "Content-Length")


def test_what_a_view_left_unread_is_read_so_that_the_answer_arrives():
    def refuse(request: HttpRequest) -> HttpResponse:
        request.read(10)
        return HttpResponse(status=401)

    request = RequestFactory().post("/", b"x" * (3 * PIECE), content_type="text/csv")

    assert WholeBody(refuse)(request).status_code == 401
    assert request.read(1) == b""


# --- cursors and pages ------------------------------------------------------------------------------

LISTS = ["stalls/", "matches/", "devices/", "tokens/"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("cursor", ["x", "cD1hYmM=", "cD01", "bz05OTk5", "\x00", "☃", "A" * 300, "'--"])
def test_a_cursor_of_somebody_elses_making_is_named(api, merchant_user, merchant, path, cursor):
    answer = api(merchant_user).get(f"/api/v1/{path}", {"cursor": cursor})

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == ["cursor"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("name", "value"), [("page_size", "0"), ("page_size", "-1"), ("page_size", "101"), ("page_size", "x"),
                        ("page_size", ""), ("pagesize", "5"), ("nonsense", "1")],
)  # fmt: skip
def test_a_wrong_parameter_of_a_list_is_named(api, merchant_user, merchant, path, name, value):
    answer = api(merchant_user).get(f"/api/v1/{path}", {name: value})

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [name]


def test_a_cursor_holds_no_key_and_leads_there_and_back(api, merchant_user, merchant):
    stalls = StallFactory.create_batch(5, merchant=merchant)
    client, address, seen = api(merchant_user), f"{STALLS}?page_size=2", []
    while address:
        page = client.get(address).json()
        seen.append([row["id"] for row in page["results"]])
        back, address = page["previous"], page["next"]

    assert sum(seen, []) == [str(stall.public_id) for stall in reversed(stalls)]
    assert [row["id"] for row in client.get(back).json()["results"]] == seen[-2]
    cursor = back.partition("cursor=")[2].partition("&")[0]
    assert is_problem(client.get("/api/v1/devices/", {"cursor": cursor}), 400, "bad_cursor", "cursor")


# --- values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", ["1e999999999", "1e99999999999999999", "-1e999999999", "1e-999999999"])
def test_a_number_that_would_fill_the_memory_is_refused(api, merchant_user, merchant, rate):
    for name, value in {"commission_rate": rate, "audience_gender": {"female": rate}}.items():
        answer = api(merchant_user).post(STALLS, stall_body(**{name: value}))
        assert answer.status_code == 400
        assert "such as 0.20" in str(answer.json()["fields"])


def test_minus_nothing_is_nothing(api, merchant_user, merchant):
    answer = api(merchant_user).post(STALLS, stall_body(commission_rate="-0"))
    assert answer.json()["commission_rate"] == "0.0000"


@pytest.mark.parametrize("number", ["\u200bA12", "A\u200d12", "A12\ufe0f", "\u3164", "\u00ad"])
def test_no_invisible_mark_makes_a_second_stall_of_one_place(api, merchant_user, merchant, number):
    answer = api(merchant_user).post(STALLS, stall_body(number=number))

    assert is_problem(answer, 400, "invalid_input", "number")


@pytest.mark.parametrize("name", ["\u200b", "花\u200b样", "\u202eabc", "\u3164", "a\u2028b"])
def test_no_name_is_invisible(api, merchant_user, merchant, name):
    client = api(merchant_user)
    assert is_problem(client.post(STALLS, stall_body(name=name)), 400, "invalid_input", "name")
    assert is_problem(client.patch("/api/v1/accounts/me/", {"name": name}), 400, "invalid_input", "name")


@pytest.mark.parametrize(
    "name", ["花样13800138000", "花样 １３８-0013-8000", "v1.2.3.4.5.6.7", "微信 138 0013 8000"]
)
def test_no_name_on_a_card_is_a_phone_number(api, merchant_user, merchant, anchor_user, name):
    stall = api(merchant_user).post(STALLS, stall_body(name=name))
    anchor = api(anchor_user).post("/api/v1/anchors/", anchor_body(display_name=name), format="json")

    assert is_problem(stall, 400, "invalid_input", "name")
    assert is_problem(anchor, 400, "invalid_input", "display_name")


@pytest.mark.parametrize("name", ["5号服装城 1988", "A12-3 店", "Stall 123456"])
def test_a_number_that_nobody_can_call_is_a_name(api, merchant_user, merchant, name):
    assert api(merchant_user).post(STALLS, stall_body(name=name)).status_code == 201


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"]
)
def test_the_ends_of_the_calendar_are_refused(api, merchant_user, moment):
    body = {"name": "till", "scopes": ["profile:read"], "expires_at": moment}
    answer = api(merchant_user).post("/api/v1/tokens/", body, format="json")

    assert is_problem(answer, 400, "invalid_input", "expires_at")
    assert not ApiToken.objects.exists()


def test_a_wrong_word_is_answered_with_the_right_ones(api, merchant_user):
    body = {"name": "till", "scopes": ["all"], "expires_at": "2026-12-01T00:00:00Z"}
    answer = api(merchant_user).post("/api/v1/tokens/", body, format="json")

    assert "profile:read" in answer.json()["fields"]["scopes.0"][0]


def test_a_week_number_is_no_date(api, merchant_user):
    body = {"name": "x", "credit_code": "1", "licence_expires_on": "2099-W01-1"}
    fields = api(merchant_user).post("/api/v1/merchants/", body).json()["fields"]

    assert "YYYY-MM-DD" in fields["licence_expires_on"][0]


def test_an_exception_of_the_calendar_is_within_two_years(api, anchor_user, anchor):
    body = {"weekly": {}, "exceptions": [{"on": "2062-10-01", "hours": []}]}
    answer = api(anchor_user).put("/api/v1/anchors/me/calendar/", body, format="json", HTTP_IF_MATCH="*")

    assert is_problem(answer, 400, "invalid_input", "exceptions.0.on")
    assert not anchor.exceptions.exists()
