"""Request bodies that are accepted as they are."""

from typing import Any

from tests.factories import credit_code


def merchant_body(**changes: Any) -> dict[str, Any]:
    return {
        "name": "广州五号服装有限公司",
        "credit_code": credit_code(700_000_001),
        "licence_expires_on": "2099-12-31",
        "contact_name": "陈小姐",
        "contact_phone": "13800138000",
    } | changes


def stall_body(**changes: Any) -> dict[str, Any]:
    return {
        "name": "花样年华",
        "zone": "a",
        "floor": 2,
        "number": "A12",
        "categories": ["dress", "skirt"],
        "styles": ["commuter"],
        "price_min_cents": 5900,
        "price_max_cents": 12900,
        "moq": 5,
        "stock_depth": 800,
        "restock_days": 3,
        "return_rate": "0.35",
        "commission_rate": 0.2,
        "slot_fee_cents": 0,
        "cooperation_modes": ["creator_broadcast"],
        "audience_gender": {"female": 0.9, "male": 0.1},
        "availability": {"mon": ["09:00-12:00", "20:00-02:00"]},
    } | changes


def anchor_body(**changes: Any) -> dict[str, Any]:
    return {
        "display_name": "小美",
        "real_name": "李晓美",
        "birth_date": "1996-05-20",
        "contact_phone": "13700137000",
        "region": "guangdong",
        "categories": ["dress"],
        "styles": ["commuter"],
        "languages": ["mandarin", "cantonese"],
        "platforms": [
            {"platform": "douyin", "handle": "xiaomei", "followers": 120_000, "average_viewers": 800},
            {"platform": "kuaishou", "followers": 30_000, "average_viewers": 900},
        ],
        "price_shares": [0.0] * 5 + [0.2, 0.5, 0.3] + [0.0] * 8,
        "audience_age": {"18_24": 0.4, "25_34": 0.6},
        "commission_rate": "0.1800",
    } | changes
