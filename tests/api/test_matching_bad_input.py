"""What no client should send: every endpoint of matching answers 4xx, names the field, and keeps nothing."""

import itertools
import json

import pytest

from matching.models import Block, Impression, Match, Reaction
from matching.tokens import make_suggestion_id
from tests.matching.market import proposed

pytestmark = pytest.mark.django_db
NASTY = (
    None, True, 0, -1, 2**63, 2**200, 1e400, 0.1, "", "\x00", "\ud800", "a" * 5000, "☃", "' OR 1=1 --",
    [], [[]], [None], {}, {"a": 1}, {"": {}},
)  # fmt: skip
TERMS = {"commission_rate": "0.2", "cooperation_mode": "creator_broadcast"}
# A basement, and digits of another script: unusual, not wrong.
FINE = {("floor", "-1"), ("floor", "٣٤"), ("page_size", "٣٤")}
SESSION = {"starts_at": "2099-01-01T20:00:00+08:00", "ends_at": "2099-01-01T22:00:00+08:00"}


def raw(value):
    """JSON as a careless client writes it: NaN and Infinity, half of a surrogate pair."""
    return json.dumps(value)


def bodies(shape):
    """Each field of `shape` in turn replaced by each nasty value, the whole body too."""
    yield from NASTY
    for name, value in itertools.product(shape, NASTY):
        yield shape | {name: value}


@pytest.fixture
def targets(stall, anchor, other_anchor):
    match = proposed(stall, other_anchor)
    suggestion = make_suggestion_id("stall", stall.public_id, anchor.public_id)
    terms = TERMS | {"sessions": [SESSION]}
    pair = {"stall": str(stall.public_id), "anchor": str(anchor.public_id)}
    shown = {"id": suggestion, "rank": 0, "score": 5}
    return [
        ("post", "/api/v1/matches/", pair | {"terms": terms, "side": "stall", "note": "x"}),
        ("put", f"/api/v1/suggestions/{suggestion}/reaction/", {"kind": "liek"}),
        (
            "post",
            "/api/v1/suggestions/impressions/",
            {"list_id": str(match.public_id), "suggestions": [shown]},
        ),
        ("post", f"/api/v1/matches/{match.public_id}/accept/", {"terms_digest": "x", "note": "x"}),
        ("post", f"/api/v1/matches/{match.public_id}/decline/", {"note": 5, "reason": "x"}),
        ("post", "/api/v1/terms/preview/", pair | {"terms": terms, "side": "stall"}),
        ("post", "/api/v1/blocks/", pair),
    ]


def test_nasty_bodies(api, merchant_user, targets):
    client = api(merchant_user)
    client.raise_request_exception = False
    for method, url, shape in targets:
        for body in bodies(shape):
            answer = getattr(client, method)(url, raw(body), content_type="application/json")
            assert 400 <= answer.status_code < 500, (method, url, body, answer.content[:300])
            assert answer["Content-Type"].startswith("application/problem+json"), (url, body)
    assert Match.objects.count() == 1 and not Reaction.objects.exists() and not Impression.objects.exists()
    assert not Block.objects.exists()


def test_nasty_terms_and_sessions(api, merchant_user, targets):
    client = api(merchant_user)
    client.raise_request_exception = False
    _method, url, shape = targets[0]
    terms = shape["terms"]
    for body in bodies(terms | {"slot_fee_cents": 0}):
        answer = client.post(url, raw(shape | {"terms": body}), content_type="application/json")
        assert answer.status_code == 400 and answer.json()["fields"], (body, answer.content[:300])
    for session in bodies(SESSION | {"mode": "mixed", "places": 3}):
        body = shape | {"terms": terms | {"sessions": [session]}}
        answer = client.post(url, raw(body), content_type="application/json")
        assert answer.status_code == 400 and answer.json()["fields"], (session, answer.content[:300])
    assert Match.objects.count() == 1


@pytest.mark.parametrize(
    "name", ["category", "floor", "commission_min", "exclude", "cursor", "page_size", "zone", "\x00"]
)
def test_nasty_queries_of_suggestions(api, anchor_user, anchor, name):
    client = api(anchor_user)
    client.raise_request_exception = False
    for value in ("\x00", "\ufffe", "a" * 3000, "-1", "1e999", "NaN", "٣٤", "[]", "{}", "%", "' OR 1=1 --"):
        answer = client.get("/api/v1/anchors/me/suggestions/", {name: value})
        expected = 200 if (name, value) in FINE else 400
        assert answer.status_code == expected, (name, value, answer.content[:300])


@pytest.mark.parametrize("name", ["status", "stall", "cursor", "page_size", "side"])
def test_nasty_queries_of_matches(api, anchor_user, anchor, name):
    client = api(anchor_user)
    client.raise_request_exception = False
    for value in ("\x00", "\ufffe", "a" * 3000, "-1", "1e999", "NaN", "٣٤", "[]", "%", "' OR 1=1 --"):
        answer = client.get("/api/v1/matches/", {name: value})
        assert answer.status_code == 400, (name, value, answer.content[:300])


@pytest.mark.parametrize("text", ["%00", "%F0%9F", "a" * 2000, "..", "%2e%2e", "'", "☃"])
def test_nasty_suggestion_ids(api, merchant_user, text):
    client = api(merchant_user)
    client.raise_request_exception = False
    assert client.put(f"/api/v1/suggestions/{text}/reaction/", {"kind": "like"}).status_code == 404
