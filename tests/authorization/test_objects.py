"""Objects of others, named in address, body, query, header or key; and objects that are gone."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Anchor, Erasure, Merchant, Stall
from accounts.services.erasure import erase, request_erasure
from jobs.models import IdempotencyKey, Throttle
from matching.models import Block, Match, Reaction
from matching.tokens import make_suggestion_id
from tests.api.bodies import stall_body
from tests.api.test_routes import OPEN, PEOPLE, TABLE, clients, ids
from tests.authorization.test_mass_assignment import everything, wanted
from tests.matching.market import proposed

__all__ = ["clients", "ids"]  # fixtures
pytestmark = pytest.mark.django_db
BODIED = ("POST", "PUT", "PATCH")


def send(client: Any, method: str, path: str, body: Any = None, **headers: Any) -> Any:
    Throttle.objects.all().delete()
    return getattr(client, method.lower())(
        f"/api/v1/{path}", body if body is not None or method not in BODIED else {}, **headers
    )


def routes_of(part: str) -> list[tuple[str, str]]:
    return [(route, method) for route, methods in TABLE.items() if part in route for method in methods]


# --- what is gone -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("route", "method"), routes_of("<uuid:stall_id>"))
def test_an_archived_stall_is_only_read_and_only_by_its_owner(
    clients: Any, stall: Stall, route: str, method: str
) -> None:
    Stall.objects.filter(pk=stall.pk).update(archived_at=timezone.now())
    path = route.replace("<uuid:stall_id>", str(stall.public_id)).replace("<slug:code>", "styles")
    before = everything_but_devices()
    # Archiving twice is harmless; every other write comes too late.
    for_owner = {"GET": 200, "DELETE": 409 if "tags" in route else 204}.get(method, 409)
    for role in PEOPLE:
        answer = send(clients[role], method, path, HTTP_IF_MATCH="*")
        assert answer.status_code == (for_owner if role == "owner" else 404), (role, answer.content)
    assert everything_but_devices() == before


@pytest.mark.parametrize(
    ("route", "method"), [pair for pair in routes_of("/me/") if not pair[0].startswith("accounts/")]
)
def test_an_archived_party_acts_no_more(
    clients: Any, merchant: Merchant, anchor: Anchor, route: str, method: str
) -> None:
    for party in (merchant, anchor):
        type(party).objects.filter(pk=party.pk).update(archived_at=timezone.now())
    role = "owner" if route.startswith("merchants/") else "anchor"
    answer = send(clients[role], method, route.replace("<slug:code>", "styles"), HTTP_IF_MATCH="*")
    assert answer.status_code == 404, answer.content


@pytest.mark.parametrize("gone", ["stall", "anchor", "merchant"])
def test_nobody_proposes_to_what_is_gone(
    clients: Any, stall: Stall, anchor: Anchor, merchant: Merchant, gone: str
) -> None:
    party = {"stall": stall, "anchor": anchor, "merchant": merchant}[gone]
    type(party)._default_manager.filter(pk=party.pk).update(archived_at=timezone.now())
    pair = {"stall": str(stall.public_id), "anchor": str(anchor.public_id), "terms": wanted(0)}
    for role, side in (("owner", "stall"), ("anchor", "anchor"), ("staff", None)):
        body = pair | ({"side": side} if side else {})
        for path in ("matches/", "terms/preview/"):
            answer = send(clients[role], "POST", path, body)
            assert answer.status_code in (403, 404, 409), (role, path, answer.content)
    assert not Match.objects.exists()


def test_a_blocked_user_gets_no_answer_anywhere(clients: Any, ids: Any, merchant_user: Any) -> None:
    merchant_user.is_active = False
    merchant_user.save(update_fields=["is_active"])
    for route, methods in TABLE.items():
        if route.startswith("auth/"):
            continue
        path = route
        for name, value in ids.items():
            path = path.replace(name, str(value))
        for method in (method for method in methods if methods[method] != OPEN):
            assert send(clients["owner"], method, path).status_code == 401, (method, route)


def test_who_is_erased_is_nobody_to_everybody(
    clients: Any, ids: Any, merchant: Merchant, merchant_user: Any
) -> None:
    name = "欧阳昆仑"
    Merchant.objects.filter(pk=merchant.pk).update(contact_name=name, contact_phone="+8613700001111")
    private = [str(merchant_user.phone), name, "13700001111", merchant.credit_code]
    request_erasure(actor=merchant_user, user=merchant_user)
    for is_done in (False, True):
        if is_done:
            erase(erasure_id=Erasure.objects.get().pk)
        for route, methods in TABLE.items():
            path = route
            for name, value in ids.items():
                path = path.replace(name, str(value))
            for method in (m for m in methods if not route.startswith("auth/") and methods[m] != OPEN):
                assert send(clients["owner"], method, path).status_code == 401, (method, route)
                if method != "GET" or not is_done:
                    continue
                for role in PEOPLE[1:]:
                    answer = send(clients[role], method, path)
                    assert answer.status_code < 500, (method, route, role)
                    text = b"".join(answer).decode("utf-8", "replace")
                    assert not [word for word in private if word and word in text], (route, role)


# --- what is somebody else's ------------------------------------------------------------------------


def everything_but_devices() -> dict[str, Any]:
    """Every row but those that say when a token was used last."""
    return {label: rows for label, rows in everything().items() if "Token" not in label}


BODIES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "matches/ with their stall": lambda o: o["pair"] | {"terms": wanted(0), "side": "stall"},
    "matches/ without a side": lambda o: o["pair"] | {"terms": wanted(0)},
    "matches/ with their suggestion": lambda o: {"suggestion": o["suggestion"], "terms": wanted(0)},
    "terms/preview/ with their stall": lambda o: o["pair"] | {"terms": wanted(0), "side": "stall"},
    "suggestions/impressions/ of theirs": lambda o: {
        "list_id": None, "suggestions": [{"id": o["suggestion"], "rank": 1, "score": 1}],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("role", ["other merchant", "other anchor", "bare staff"])
def test_ids_of_others_in_bodies_are_as_if_they_were_not_there(
    clients: Any, stall: Stall, other_stall: Stall, anchor: Anchor, other_anchor: Anchor, name: str, role: str
) -> None:
    about = {
        "pair": {"stall": str(stall.public_id), "anchor": str(anchor.public_id)},
        "suggestion": make_suggestion_id("stall", stall.public_id, anchor.public_id),
    }
    before = everything_but_devices()
    answer = send(clients[role], "POST", name.partition(" ")[0], BODIES[name](about))
    assert answer.status_code in (403, 404), answer.content
    assert everything_but_devices() == before


def test_a_suggestion_id_with_other_hands_in_it_is_none(clients: Any, stall: Stall, anchor: Anchor) -> None:
    good = make_suggestion_id("stall", stall.public_id, anchor.public_id)
    other_end = "A" if good[-1] != "A" else "B"
    for bad in (good[:-1], good[:-1] + other_end, good[::-1], good + "A", good.lower()):
        answer = send(clients["owner"], "PUT", f"suggestions/{bad}/reaction/", {"kind": "like"})
        assert answer.status_code == 404, bad
        body = {"suggestion": bad, "terms": wanted(0)}
        assert send(clients["owner"], "POST", "matches/", body).status_code in (400, 404), bad
    assert not Match.objects.exists() and not Reaction.objects.exists()


@pytest.mark.parametrize("name", ["stall", "anchor"])
@pytest.mark.parametrize("role", ["other merchant", "other anchor", "bare staff"])
def test_lists_asked_for_others_are_empty(
    clients: Any, stall: Stall, other_stall: Stall, anchor: Anchor, other_anchor: Anchor, name: str, role: str
) -> None:
    proposed(stall, anchor)
    Block.objects.create(side="stall", merchant=stall.merchant, anchor=other_anchor)
    theirs = {"stall": stall, "anchor": anchor}[name].public_id
    answer = send(clients[role], "GET", "matches/", {name: str(theirs)})
    assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert send(clients[role], "GET", "blocks/").json()["results"] == []
    assert send(clients[role], "GET", "notifications/").json()["results"] == []


PARTY_ROUTES = ["merchants/me/", "stalls/", "anchors/me/", "anchors/me/calendar/", "anchors/me/suggestions/"]


@pytest.mark.parametrize("path", PARTY_ROUTES)
@pytest.mark.parametrize("role", ["other merchant", "other anchor", "staff", "bare staff"])
def test_nobody_acts_for_a_party_of_others_by_naming_it(
    clients: Any, stall: Stall, other_stall: Stall, anchor: Anchor, other_anchor: Anchor, path: str, role: str
) -> None:
    for party in (stall.merchant.public_id, anchor.public_id, uuid4()):
        answer = send(clients[role], "GET", path, HTTP_X_PARTY=str(party))
        assert answer.status_code == 404, answer.content
    answer = send(clients[role], "POST", "stalls/", stall_body(), HTTP_X_PARTY=str(stall.merchant.public_id))
    assert answer.status_code == 404 and Stall.objects.count() == 2


def test_a_key_of_others_replays_nothing(clients: Any, merchant: Merchant, other_stall: Stall) -> None:
    first = send(clients["owner"], "POST", "stalls/", stall_body(), HTTP_IDEMPOTENCY_KEY="k")
    second = send(
        clients["other merchant"], "POST", "stalls/", stall_body(number="A13"), HTTP_IDEMPOTENCY_KEY="k"
    )
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"] and "Idempotency-Replayed" not in second
    for role in ("other anchor", "staff", "bare machine", "nobody"):
        answer = send(clients[role], "POST", "stalls/", stall_body(), HTTP_IDEMPOTENCY_KEY="k")
        assert answer.status_code in (401, 403, 404) and b"A12" not in answer.content, role
    assert IdempotencyKey.objects.count() == 2


def test_a_replay_is_refused_to_who_may_no_longer_act(
    clients: Any, stall: Stall, merchant_user: Any, anchor: Anchor
) -> None:
    """The answer that was kept holds what its asker could see then."""
    sent = stall_body()
    assert send(clients["owner"], "POST", "stalls/", sent, HTTP_IDEMPOTENCY_KEY="k").status_code == 201
    merchant_user.is_active = False
    merchant_user.save(update_fields=["is_active"])
    assert send(clients["owner"], "POST", "stalls/", sent, HTTP_IDEMPOTENCY_KEY="k").status_code == 401
