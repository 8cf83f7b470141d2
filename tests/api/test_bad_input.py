"""The bad input that a town sends every week: refused by name, told what would be right, nothing kept."""

import json
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.conf import settings

from accounts.models import Anchor, ImportedFile, Membership, Merchant, Stall
from jobs.models import IdempotencyKey, Job
from matchmaker.core.weeks import town_today
from tests.api.bodies import anchor_body, merchant_body, stall_body
from tests.factories import credit_code

pytestmark = pytest.mark.django_db
HEADER = "店名,分区,楼层,档口号,品类,最低价,最高价,佣金\n"
ROW = "花样年华,A区,2,A12,连衣裙,59,129,20%\n"
KEPT = (Merchant, Stall, Anchor, ImportedFile, Job, IdempotencyKey, Merchant.history.model)


def years_ago(years: int) -> date:
    today = town_today()
    try:
        return today.replace(year=today.year - years)
    except ValueError:
        return today.replace(year=today.year - years, day=28)


def broken_gb18030() -> bytes:
    return (HEADER + ROW).encode("gb18030") + b"\xff\xff,A,2,A13,dress,59,129,20%\n"


def wrong_check_character() -> str:
    code = credit_code(700_000_001)
    return code[:17] + ("0" if code[17] != "0" else "1")


# what is sent: (path, body, status, field, what would be right in English, in Chinese)
CASES: dict[str, tuple[str, Callable[[], Any], int, str, str, str]] = {
    "wrong check digit": (
        "merchants/", lambda: merchant_body(credit_code=wrong_check_character()), 400, "credit_code",
        f"should be {credit_code(700_000_001)[17]}", credit_code(700_000_001)[17],
    ),
    "expired licence": (
        "merchants/", lambda: merchant_body(licence_expires_on="2020-06-30"), 400, "licence_expires_on",
        "a licence in force", "2020-06-30",
    ),
    "shares that sum to 1.2": (
        "stalls/", lambda: stall_body(audience_age={"18_24": 0.6, "25_34": 0.6}), 400, "audience_age",
        "must sum to 1; they sum to 1.2", "1.2",
    ),
    "price band upside down": (
        "stalls/", lambda: stall_body(price_min_cents=12900, price_max_cents=5900), 400, "price_min_cents",
        "the other way round", "129",
    ),
    "15-year-old": (
        "anchors/", lambda: anchor_body(birth_date=years_ago(15).isoformat()), 400, "birth_date",
        "at least 16", "16",
    ),
    "16-year-old without consent": (
        "anchors/", lambda: anchor_body(birth_date=years_ago(16).isoformat()), 400, "guardian_consent_on",
        "the guardian must consent", "16",
    ),
    "NUL": (
        "stalls/", lambda: stall_body(name="花样\x00年华"), 400, "name", "(NUL", "NUL",
    ),
    "NaN": (
        "stalls/", lambda: stall_body(commission_rate=float("nan")), 400, "commission_rate",
        "Give a finite number", "NaN",
    ),
    "10 MB of JSON": (
        "stalls/", lambda: stall_body(description="x" * 10 * 2**20), 413, "body",
        f"at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024} KB", "256 KB",
    ),
    "10 MB of CSV": (
        "stalls/import/", lambda: HEADER.encode() + ROW.encode() * (10 * 2**20 // len(ROW.encode())), 413,
        "body", f"at most {settings.IMPORT_MAX_BYTES // 1024} KB", "5120 KB",
    ),
    "GB18030 with a broken row": (
        "stalls/import/", broken_gb18030, 400, "rows.3.name", "type it again", "GB18030",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_bad_input_is_named_told_and_not_kept(api, merchant_user, merchant, case, language):
    path, body, status, field, in_english, in_chinese = CASES[case]
    before = [model.objects.count() for model in KEPT]
    sent = body()
    kind = "text/csv" if isinstance(sent, bytes) else "application/json"
    client = api(merchant_user, HTTP_ACCEPT_LANGUAGE=language)
    # json.dumps writes NaN as careless clients do.
    data = sent if isinstance(sent, bytes) else json.dumps(sent)

    answer = client.post(
        f"/api/v1/{path}", data, content_type=kind, HTTP_IDEMPOTENCY_KEY=f"{case}-{language}"
    )

    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert list(answer.json()["fields"]) == [field]
    [message] = answer.json()["fields"][field]
    if language == "en":
        assert in_english in message
    else:
        assert re.search("[一-龥]", message), f"not in Chinese: {message}"
        assert in_chinese in message
    assert [model.objects.count() for model in KEPT] == before
    assert Membership.objects.filter(user=merchant_user).count() == 1
