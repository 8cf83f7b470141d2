"""Every field of a profile × every nasty value, in Chinese: stored, or refused by its name."""

import json
import re
from typing import Any

import pytest

from tests.api.bodies import anchor_body, merchant_body, stall_body
from tests.factories import id_number

pytestmark = pytest.mark.django_db
NASTY = (
    None, True, -1, 2**63, 2**200, 1e400, 1e-300, -0.0, 0.1, "", "\x00", "\ud800", "\u202e", "\u200b",
    "a" * 5000, "1e999999999", "2026-01-01", "٢٠", [], [[]], [None], [1] * 500, {"a": 1}, {"": {}},
    [{"platform": "douyin", "followers": 5}] * 2, {"mon": ["00:00-24:00"] * 25},
)  # fmt: skip
CHINESE = re.compile("[一-龥]")
ANCHOR = anchor_body(
    id_number=id_number(1), guardian_consent_on=None, bio="", audience_gender={}, audience_city_tier={},
    is_commission_floor=False, slot_fee_cents=0, moq_max=None, stock_depth_min=None, restock_days_max=None,
    return_rate_max=None, cooperation_modes=["creator_broadcast"], weekly_capacity=3, availability={},
    is_on_site=True, is_personalised=True,
)  # fmt: skip
CALENDAR = {"weekly": {"mon": ["09:00-12:00"]}, "exceptions": [{"on": "2026-12-01", "hours": []}]}


def check(answer: Any, sent: Any, *names: str) -> None:
    assert answer.status_code < 500, (sent, answer.content[:300])
    if answer.status_code < 400:
        return
    assert answer["Content-Type"] == "application/problem+json"
    fields = answer.json()["fields"]
    assert fields, (sent, answer.content)
    if answer.status_code == 400:
        # A price that is right by itself may be wrong beside the other one, a date beside the ID number.
        assert {name.split(".")[0] for name in fields} & {*names, "price_min_cents", "birth_date"}, (
            sent,
            fields,
        )
    for message in sum(fields.values(), []):
        assert CHINESE.search(message), (sent, message)


@pytest.mark.parametrize(
    ("path", "body"),
    [("merchants/", merchant_body()), ("stalls/", stall_body(description="")), ("anchors/", ANCHOR)],
    ids=["merchant", "stall", "anchor"],
)
def test_nasty_values_of_new_profiles(api, merchant_user, merchant, path, body):
    client = api(merchant_user, HTTP_ACCEPT_LANGUAGE="zh-CN", HTTP_X_PARTY=str(merchant.public_id))
    client.raise_request_exception = False
    for name in (*body, "verification", "\u202e"):
        for value in NASTY:
            sent = json.dumps(body | {name: value})
            answer = client.post(f"/api/v1/{path}", sent, content_type="application/json")
            check(answer, (name, value), name, "body")


@pytest.mark.parametrize(("path", "body"), [("merchants/me/", merchant_body()), ("anchors/me/", ANCHOR)])
def test_nasty_values_of_edits(api, merchant_user, merchant, anchor, path, body):
    anchor.memberships.create(user=merchant_user, role="owner")
    client = api(merchant_user, HTTP_ACCEPT_LANGUAGE="zh-CN", HTTP_IF_MATCH="*")
    client.raise_request_exception = False
    for name in body:
        for value in NASTY:
            answer = client.patch(
                f"/api/v1/{path}", json.dumps({name: value}), content_type="application/json"
            )
            check(answer, (name, value), name)


def test_nasty_values_of_calendars(api, anchor_user, anchor):
    client = api(anchor_user, HTTP_ACCEPT_LANGUAGE="zh-CN", HTTP_IF_MATCH="*")
    client.raise_request_exception = False
    bodies = [CALENDAR | {name: value} for name in (*CALENDAR, "x") for value in NASTY]
    bodies += [CALENDAR | {"weekly": {"mon": value}} for value in NASTY]
    bodies += [CALENDAR | {"weekly": {"mon": [value]}} for value in NASTY]
    bodies += [CALENDAR | {"exceptions": [value]} for value in NASTY]
    for key in ("on", "hours"):
        bodies += [CALENDAR | {"exceptions": [{"on": "2026-12-01", "hours": []} | {key: v}]} for v in NASTY]
    for body in bodies:
        answer = client.put("/api/v1/anchors/me/calendar/", json.dumps(body), content_type="application/json")
        check(answer, body, "weekly", "exceptions", "x", "body")
