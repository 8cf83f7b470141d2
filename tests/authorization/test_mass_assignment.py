"""Whatever a client may not set is refused by its name, on top of a body that is right, and changes nothing.

For every route that takes a body: all fields of the models behind it, all names in its answers, and what
attackers try first. At the end the body is sent without them, and accepted.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction
from django.db.models import Model

from accounts.models import Anchor, ApiToken, Membership, Merchant, Stall, User
from accounts.services.consents import TEXT_VERSION
from jobs.models import Throttle
from matching.models import Block, Booking, Impression, Match, Outcome, Reaction, Terms
from matching.services.matches import approve_match
from matching.services.outcomes import record_outcome
from matching.tokens import make_suggestion_id
from notifications.models import Notice
from tests.accounts.conftest import PASSWORD, PHONE, STRANGER
from tests.api.bodies import anchor_body, merchant_body, stall_body
from tests.authorization.openapi import answered, body_routes, writable
from tests.factories import UserFactory
from tests.matching.held import FIGURES, bookings_in, held, settler
from tests.matching.market import agreed, make_anchor, make_staff, member_of, monday, proposed, session

pytestmark = pytest.mark.django_db
# Each of these alone, at every depth.
DANGEROUS = {
    "id", "public_id", "version", "archived_at", "status", "score", "role", "verified", "verification",
    "owner", "is_staff", "is_superuser", "agreed_at",
}  # fmt: skip
# These beside the fields of the models and the answers, all in one body, every one of which is named.
OTHERS = {
    "pk", "created_at", "updated_at", "state", "verified_until", "user", "actor", "merchant", "membership",
    "memberships", "is_active", "groups", "user_permissions", "password", "approved_at", "approved_by",
    "awaiting", "digest", "scopes", "anchor_id", "stall_id", "merchant_id", "__class__", "__proto__",
}  # fmt: skip
TERMS = {"commission_rate": "0.18", "cooperation_mode": "creator_broadcast"}
# Whose fields a client could think of, by the beginning of the route.
BEHIND: dict[str, tuple[type[Model], ...]] = {
    "accounts/": (User, Membership),
    "anchors/": (Anchor, Membership),
    "auth/": (User, Membership),
    "blocks/": (Block,),
    "bookings/": (Outcome, Booking),
    "matches/": (Match, Terms, Booking),
    "merchants/": (Merchant, Membership),
    "notifications/": (Notice,),
    "stalls/": (Stall, Merchant),
    "suggestions/": (Reaction, Impression),
    "terms/": (Terms, Match),
    "tokens/": (ApiToken, User),
}


def wanted(day: int) -> dict[str, Any]:
    begins = session(day=day)
    return TERMS | {"sessions": [{n: getattr(begins, n).isoformat() for n in ("starts_at", "ends_at")}]}


@pytest.fixture
def town(merchant_user: Any, stall: Any, anchor_user: Any, anchor: Any, other_anchor: Any) -> dict[str, Any]:
    """What the bodies and routes are about, everything in the state in which its move is possible."""
    Stall.objects.filter(pk=stall.pk).update(weekly_capacity=10)
    stall.refresh_from_db()
    open_match = proposed(stall, anchor, session(day=0))
    agreed_match = agreed(stall, make_anchor(), session(day=1))
    told_of = held(stall, make_anchor(), session(day=2))
    approved = approve_match(actor=make_staff(), match=agreed(stall, make_anchor(), session(day=5)))
    [booking] = bookings_in(told_of)
    recorded = held(stall, make_anchor(), session(day=3))
    [outcome] = bookings_in(recorded)
    record_outcome(actor=merchant_user, booking=outcome, figures=FIGURES)
    return {
        "open": open_match, "agreed": agreed_match, "held": told_of, "approved": approved,
        "booking": booking, "outcome": outcome,
        "other side": member_of(recorded.anchor), "stall": stall, "anchor": anchor,
        "other anchor": other_anchor,
        "suggestion": make_suggestion_id("stall", stall.public_id, other_anchor.public_id),
    }  # fmt: skip


Write = tuple[str, str, Any, dict[str, Any]]


def writes(town: dict[str, Any], fixture: Callable[[str], Any]) -> dict[tuple[str, str], Write]:
    """For every route with a body: who sends it, the address, and a body that is right."""
    merchant, anchor = fixture("merchant_user"), fixture("anchor_user")
    staff, newcomer, root = fixture("staff_user"), UserFactory.create(), settler()
    pair = {"stall": str(town["stall"].public_id), "anchor": str(town["other anchor"].public_id)}
    calendar = {"weekly": {"mon": ["09:00-12:00"]}, "exceptions": []}
    shown = {"id": town["suggestion"], "rank": 1, "score": 50}

    def stall_at(part: str) -> str:
        return f"stalls/{town['stall'].public_id}/{part}"

    def on(match: str, move: str, user: Any, body: dict[str, Any]) -> dict[tuple[str, str], Any]:
        url = f"matches/{town[match].public_id}/{move}/"
        return {("post", f"matches/{{match_id}}/{move}/"): (user, url, body)}

    def about(booking: str, move: str, user: Any, body: dict[str, Any]) -> dict[tuple[str, str], Any]:
        method, path = ("post" if move else "put"), f"outcome/{move}"
        url = f"bookings/{town[booking].public_id}/{path}"
        return {(method, f"bookings/{{booking_id}}/{path}"): (user, url, body)}

    plain = {
        ("patch", "accounts/me/"): (merchant, {"name": "New"}),
        ("put", "accounts/me/consents/"): (
            merchant, {"purpose": "personalisation", "is_given": False, "text_version": TEXT_VERSION},
        ),
        ("post", "accounts/me/erase/"): (newcomer, {"confirmation": "erase me"}),
        ("post", "anchors/"): (newcomer, anchor_body()),
        ("patch", "anchors/me/"): (anchor, {"bio": "New"}),
        ("put", "anchors/me/calendar/"): (anchor, calendar),
        ("post", "blocks/"): (merchant, {"anchor": pair["anchor"]}),
        ("post", "matches/"): (merchant, pair | {"terms": wanted(4), "side": "stall", "note": ""}),
        ("post", "merchants/"): (newcomer, merchant_body()),
        ("patch", "merchants/me/"): (merchant, {"contact_name": "New"}),
        ("post", "notifications/read/"): (anchor, {"ids": []}),
        ("post", "stalls/"): (merchant, stall_body()),
        ("post", "suggestions/impressions/"): (merchant, {"list_id": None, "suggestions": [shown]}),
        ("post", "terms/preview/"): (merchant, pair | {"terms": wanted(4), "side": "stall"}),
        ("post", "tokens/"): (
            merchant, {"name": "t", "scopes": ["profile:read"], "expires_at": monday(3).isoformat()},
        ),
        ("post", "auth/signup/"): (None, {"phone": STRANGER, "password": PASSWORD, "name": "Li"}),
        ("post", "auth/login/"): (None, {"phone": PHONE, "password": PASSWORD}),
        ("post", "auth/code/request/"): (None, {"phone": PHONE}),
    }  # fmt: skip
    return {
        **{(method, route): (user, route, body) for (method, route), (user, body) in plain.items()},
        ("patch", "stalls/{stall_id}/"): (merchant, stall_at(""), {"moq": 6}),
        ("put", "stalls/{stall_id}/calendar/"): (merchant, stall_at("calendar/"), calendar),
        ("put", "suggestions/{suggestion_id}/reaction/"): (
            merchant, f"suggestions/{town['suggestion']}/reaction/", {"kind": "like"},
        ),
        **on("open", "accept", anchor, {"note": ""}),
        **on("open", "counter", anchor, {"terms": wanted(5)}),
        **on("open", "decline", anchor, {"reason_code": "decline_other"}),
        **on("open", "withdraw", merchant, {"reason_code": "withdraw_other"}),
        **on("approved", "cancel", merchant, {"reason_code": "cancel_other"}),
        **on("agreed", "approve", staff, {"note": ""}),
        **on("agreed", "reject", staff, {"reason_code": "reject_other"}),
        **on("held", "complete", staff, {"note": ""}),
        **on("held", "fail", staff, {"reason_code": "fail_other"}),
        **about("booking", "", merchant, dict(FIGURES)),
        **about("outcome", "confirm/", town["other side"], {"note": ""}),
        **about("outcome", "dispute/", town["other side"], {"reason_code": "dispute_other"}),
        **about("outcome", "settle/", root, {"note": ""}),
    }  # fmt: skip


# Steps of a sign-in: their body needs a session that is half open, and is looked at first.
STEPS = {
    ("post", "auth/code/confirm/"): {"code": "123456"},
    ("post", "auth/password/change/"): {"current_password": PASSWORD, "new_password": "another-1-please"},
    ("post", "auth/phone/change/"): {"phone": STRANGER},
    ("post", "auth/phone/verify/"): {"code": "123456"},
    ("post", "auth/reauthenticate/"): {"password": PASSWORD},
}  # fmt: skip


def everything() -> dict[str, list[dict[str, Any]]]:
    """Every row of the town but the counts of tries."""
    labels = ("accounts", "jobs", "matching", "notifications")
    models = [m for m in apps.get_models() if m._meta.app_label in labels and m is not Throttle]
    return {m._meta.label: list(m._base_manager.order_by("pk").values()) for m in models}


def forbidden(route: str, operation: dict[str, Any]) -> list[str]:
    [models] = [models for start, models in BEHIND.items() if route.startswith(start)]
    fields = {field.name for model in models for field in model._meta.get_fields()}
    return sorted((DANGEROUS | OTHERS | fields | answered(operation)) - writable(operation))


def nested(body: dict[str, Any], name: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The body with `name` in it, and in every object within it; and where the refusal has to point."""
    if name not in body:
        yield body | {name: "1"}, name
    for key, value in body.items():
        if isinstance(value, dict) and key not in ("weekly", "availability") and "audience" not in key:
            for inner, where in nested(value, name):
                yield body | {key: inner}, f"{key}.{where}"
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for inner, where in nested(value[0], name):
                yield body | {key: [inner, *value[1:]]}, f"{key}.0.{where}"


def test_every_route_with_a_body_is_here(town: Any, request: pytest.FixtureRequest) -> None:
    assert set(writes(town, request.getfixturevalue)) | set(STEPS) == set(body_routes())


def test_no_field_of_ours_can_be_set(
    api: Any, town: Any, request: pytest.FixtureRequest, settings: Any
) -> None:
    settings.AUTH_ANSWER_SECONDS = 0
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    User.objects.create_user(PHONE, PASSWORD)
    wrong, count = [], 0
    for (method, route), (user, url, body) in writes(town, request.getfixturevalue).items():
        may_be_versioned = method == "patch" or route.endswith("calendar/")
        client = api(user, **({"HTTP_IF_MATCH": "*"} if may_be_versioned else {}))
        send = getattr(client, method)
        send(f"/api/v1/{url}", {"?": 1})  # the first request of a token marks when it was used
        before = everything()
        names = forbidden(route, body_routes()[method, route])
        answer = send(f"/api/v1/{url}", body | dict.fromkeys(names, "1"))
        count += len(names)
        if answer.status_code != 400 or not set(names) <= set(answer.json()["fields"]):
            wrong.append(f"{method} {route} with {names}: {answer.content[:200]!r}")
        for name in DANGEROUS.intersection(names):
            for sent, where in nested(body, name):
                Throttle.objects.all().delete()
                answer = send(f"/api/v1/{url}", sent)
                count += 1
                if answer.status_code != 400 or where not in answer.json()["fields"]:
                    wrong.append(f"{method} {route} with {where}: {answer.content[:200]!r}")
        if everything() != before:
            wrong.append(f"{method} {route} changed something")
        Throttle.objects.all().delete()
        with transaction.atomic():
            answer = send(f"/api/v1/{url}", body)
            transaction.set_rollback(True)
        if answer.status_code >= 300:
            wrong.append(f"{method} {route} refuses a body that is right: {answer.content[:300]!r}")
    print(f"{count} fields too many")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("method", "route"), STEPS)
def test_no_step_of_a_sign_in_takes_more_than_it_says(
    api: Any, merchant_user: Any, method: str, route: str
) -> None:
    before = everything()
    names = forbidden(route, body_routes()[method, route])
    for name in names:
        answer = api(None).post(f"/api/v1/{route}", STEPS[method, route] | {name: "1"})
        assert answer.status_code == 400 and name in answer.json()["fields"], (name, answer.content)
    assert len(names) > 30 and everything() == before
