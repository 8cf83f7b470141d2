"""Every route × method × role of the API, in one table; a route that is not in it fails."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts.choices import TOWN_STAFF
from accounts.digests import digest_of
from accounts.models import ApiToken
from accounts.services.photos import keep_licence_photo
from jobs.models import Throttle
from jobs.services import enqueue
from matching.models import Block
from matching.tokens import make_suggestion_id
from tests.factories import UserFactory, photo
from tests.matching.held import told
from tests.matching.market import proposed

ROLES = ("nobody", "owner", "other merchant", "anchor", "other anchor", "staff", "bare staff", "town staff",
         "superuser", "bare machine")  # fmt: skip
PEOPLE = ROLES[1:9]
IN = "in"  # past every door: not 401, 403 or 404


def access(*inside: str, others: int, machine: int = 403, nobody: int | str = 401) -> dict[str, int | str]:
    """What each role gets: `inside` are let in, `others` of the people get that status."""
    people = {role: IN if role in inside else others for role in PEOPLE}
    return {"nobody": nobody, "bare machine": machine} | people


# Answers of sign-in follow the session, which these clients have none of (tests/accounts holds them).
NO_SESSION = dict.fromkeys(ROLES, 401)
# Part of a sign-in that is not finished: 409 for who has not begun one.
STEP = NO_SESSION | {"nobody": 409, "bare machine": 409}
OPEN = dict.fromkeys(ROLES, IN)
SIGNED_IN = access(*PEOPLE, others=403)
MERCHANTS = access("owner", "other merchant", others=404)
ANCHORS = access("anchor", "other anchor", others=404)
STALL_OWNER = access("owner", others=404)
OWNER_AND_ANCHOR = access("owner", "anchor", others=404)
READ_MATCH = access("owner", "anchor", "staff", "town staff", "superuser", others=404)
# Staff see the match and answer for nobody.
ANSWER = READ_MATCH | {"staff": 403, "town staff": 403, "superuser": 403}
DECIDE = READ_MATCH | {"owner": 403, "anchor": 403}
STAFF = access("staff", "town staff", "superuser", others=403)

TABLE: dict[str, dict[str, dict[str, int | str]]] = {
    "merchants/": {"POST": SIGNED_IN},
    "merchants/me/": {"GET": MERCHANTS, "PATCH": MERCHANTS},
    # The other merchant has none.
    "merchants/me/licence-photo/": {"GET": STALL_OWNER, "PUT": MERCHANTS, "DELETE": STALL_OWNER},
    "stalls/": {"GET": MERCHANTS, "POST": MERCHANTS},
    "stalls/import/": {"POST": MERCHANTS},
    "stalls/<uuid:stall_id>/": {"GET": STALL_OWNER, "PATCH": STALL_OWNER, "DELETE": STALL_OWNER},
    "stalls/<uuid:stall_id>/suggestions/": {"GET": STALL_OWNER},
    "anchors/": {"POST": SIGNED_IN},
    "anchors/import/": {"POST": STAFF},
    "anchors/me/": {"GET": ANCHORS, "PATCH": ANCHORS},
    "anchors/me/calendar/": {"GET": ANCHORS, "PUT": ANCHORS},
    "stalls/<uuid:stall_id>/calendar/": {"GET": STALL_OWNER, "PUT": STALL_OWNER},
    "anchors/me/suggestions/": {"GET": ANCHORS},
    "stalls/<uuid:stall_id>/tags/": {"GET": STALL_OWNER},
    "stalls/<uuid:stall_id>/tags/<slug:code>/": {"DELETE": STALL_OWNER},
    "anchors/me/tags/": {"GET": ANCHORS},
    "anchors/me/tags/<slug:code>/": {"DELETE": ANCHORS},
    "suggestions/impressions/": {"POST": SIGNED_IN},
    # The owner of this one has blocked the partner (tests/privacy lets others in).
    "suggestions/<str:suggestion_id>/profile/": {"GET": access(others=404)},
    "suggestions/<str:suggestion_id>/reaction/": {"PUT": STALL_OWNER, "DELETE": STALL_OWNER},
    "matches/": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "matches/<uuid:match_id>/": {"GET": READ_MATCH},
    "matches/<uuid:match_id>/events/": {"GET": READ_MATCH},
    # Its author, and staff who may erase notes.
    "matches/<uuid:match_id>/events/<int:seq>/note/": {"DELETE": DECIDE | {"owner": IN, "staff": 403}},
    **{
        f"matches/<uuid:match_id>/{action}/": {"POST": ANSWER}
        for action in ("accept", "counter", "decline", "withdraw")
    },
    "matches/<uuid:match_id>/cancel/": {"POST": READ_MATCH},
    **{
        f"matches/<uuid:match_id>/{action}/": {"POST": DECIDE}
        for action in ("approve", "reject", "complete", "fail")
    },
    "matches/<uuid:match_id>/terms/": {"GET": READ_MATCH},
    "terms/preview/": {"POST": SIGNED_IN},
    "blocks/": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "blocks/<uuid:block_id>/": {"DELETE": STALL_OWNER},
    "reasons/": {"GET": OPEN},
    "notifications/": {"GET": SIGNED_IN},
    "notifications/read/": {"POST": SIGNED_IN},
    "bookings/<uuid:booking_id>/outcome/": {"GET": READ_MATCH, "PUT": ANSWER},
    "bookings/<uuid:booking_id>/outcome/confirm/": {"POST": ANSWER},
    "bookings/<uuid:booking_id>/outcome/dispute/": {"POST": ANSWER},
    # The permission of its own is what this member of staff lacks.
    "bookings/<uuid:booking_id>/outcome/settle/": {"POST": DECIDE | {"staff": 403}},
    "outcomes/due/": {"GET": SIGNED_IN},
    "outcomes/template/": {"GET": SIGNED_IN},
    "outcomes/import/": {"POST": SIGNED_IN},
    "jobs/<uuid:job_id>/": {"GET": STALL_OWNER | {"town staff": IN, "superuser": IN}},
    "accounts/me/": {"GET": SIGNED_IN, "PATCH": SIGNED_IN},
    "accounts/me/consents/": {"GET": SIGNED_IN, "PUT": SIGNED_IN},
    "accounts/me/export/": {"GET": SIGNED_IN},
    "accounts/me/erase/": {
        "POST": SIGNED_IN | {"bare staff": 403, "staff": 403, "town staff": 403, "superuser": 403}
    },
    "devices/": {"GET": SIGNED_IN},
    "devices/<uuid:public_id>/": {"DELETE": STALL_OWNER},
    "tokens/": {"GET": SIGNED_IN, "POST": SIGNED_IN},
    "tokens/<uuid:public_id>/": {"DELETE": STALL_OWNER},
    **{f"{kind}/": {"GET": OPEN} for kind in ("categories", "styles", "zones", "regions", "languages")},
    "price-bins/": {"GET": OPEN},
    "holidays/": {"GET": OPEN},
    "schema/": {"GET": OPEN},
    "docs/": {"GET": OPEN},
    **{
        f"auth/{step}/": {"POST": OPEN}
        for step in ("signup", "phone/verify", "login", "code/request", "code/confirm")
    },
    "auth/phone/resend/": {"POST": STEP},
    "auth/session/": {"GET": NO_SESSION, "DELETE": OPEN},
    "auth/reauthenticate/": {"POST": NO_SESSION},
    "auth/phone/change/": {"POST": STEP},
    "auth/password/change/": {"POST": NO_SESSION},
}
# These look at the body before they look for a session.
BODIES = {
    "auth/reauthenticate/": {"password": "not-the-password"},
    "auth/phone/change/": {"phone": "13800138999"},
    "auth/password/change/": {"new_password": "a-long-enough-password-9"},
}
CASES = [(route, method) for route, methods in TABLE.items() for method in methods]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What a route does not declare: refused, but for what goes with GET and what tells the methods.
OTHER_CASES = [
    (route, method)
    for route, methods in TABLE.items()
    for method in ("HEAD", "OPTIONS", "TRACE", *METHODS)
    if method not in methods
]


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for entry in resolver.url_patterns:
        path = f"{prefix}{entry.pattern}"
        if isinstance(entry, URLPattern):
            callback: Any = entry.callback
            yield path, getattr(callback, "view_class", getattr(callback, "cls", None))
        else:
            yield from routes(entry, path)


def test_every_route_of_the_api_is_declared():
    found = {
        (path.removeprefix("api/v1/"), method)
        for path, view in routes(get_resolver())
        if path.startswith("api/v1/")
        for method in METHODS
        if hasattr(view, method.lower())
    }
    assert found == set(CASES)


@pytest.fixture
def clients(
    api: Callable[..., Any], merchant_user, other_merchant_user, anchor_user, other_anchor_user, staff_user
) -> dict[str, Any]:
    bare = "mmk_" + "b" * 43
    ApiToken.objects.create(
        user=merchant_user,
        name="bare",
        digest=digest_of(bare),
        prefix=bare[:12],
        scopes=[],
        expires_at=timezone.now() + timedelta(days=1),
    )
    bare_staff, town_staff = UserFactory.create_batch(2, is_staff=True)
    town_staff.groups.add(Group.objects.get(name=TOWN_STAFF))
    users = (merchant_user, other_merchant_user, anchor_user, other_anchor_user, staff_user, bare_staff,
             town_staff)  # fmt: skip
    root = UserFactory.create(is_staff=True, is_superuser=True)
    made = {role: api(user) for role, user in zip(PEOPLE, (*users, root), strict=True)}
    return made | {"nobody": api(None), "bare machine": api(None, HTTP_AUTHORIZATION=f"Bearer {bare}")}


@pytest.fixture
def ids(clients, merchant_user, stall, other_stall, anchor, other_anchor) -> dict[str, Any]:
    """What the routes are about: everything of the owner's."""
    job = enqueue(kind="matching.rematch", key="test", args={}, requested_by=merchant_user)
    block = Block.objects.create(side="stall", merchant=stall.merchant, anchor=other_anchor)
    keep_licence_photo(actor=merchant_user, merchant=stall.merchant, content=photo())
    return {
        "<uuid:stall_id>": stall.public_id,
        "<uuid:match_id>": proposed(stall, anchor, note="For the autumn").public_id,
        "<int:seq>": 1,
        "<slug:code>": "styles",
        "<uuid:booking_id>": told(stall, anchor).public_id,
        "<str:suggestion_id>": make_suggestion_id("stall", stall.public_id, other_anchor.public_id),
        "<uuid:job_id>": job.public_id,
        "<uuid:block_id>": block.public_id,
        "devices/<uuid:public_id>": f"devices/{merchant_user.devices.get().public_id}",
        "tokens/<uuid:public_id>": f"tokens/{merchant_user.api_tokens.get().public_id}",
    }


@pytest.mark.django_db
@pytest.mark.parametrize(("route", "method"), CASES)
def test_who_is_let_in(clients, ids, route, method):
    path = f"/api/v1/{route}"
    for name, value in ids.items():
        path = path.replace(name, str(value))
    # Who is let in goes last: a deletion must not hide from the others what they may not touch.
    expected = TABLE[route][method]
    for role in sorted(ROLES, key=lambda role: expected[role] == IN):
        Throttle.objects.all().delete()  # all of them come from one address
        body = BODIES.get(route, {}) if method in ("POST", "PUT", "PATCH") else None
        answer = getattr(clients[role], method.lower())(path, body)
        got = answer.status_code
        fits = got not in (401, 403, 404) if expected[role] == IN else got == expected[role]
        assert fits and got < 500, f"{role}: {expected[role]} expected, {got} given: {answer.content[:200]!r}"


def passes(route: str, role: str) -> bool | int:
    """Whether the door of the route, before any of its methods, lets the role in; else what it answers."""
    if route.startswith("auth/") or all(cells == OPEN for cells in TABLE[route].values()):
        return True
    door = SIGNED_IN if route != "anchors/import/" else STAFF
    return door[role] == IN or int(door[role])


@pytest.mark.django_db
@pytest.mark.parametrize("route", TABLE)
def test_methods_that_a_route_does_not_declare_let_nobody_in(clients, ids, route):
    path = f"/api/v1/{route}"
    for name, value in ids.items():
        path = path.replace(name, str(value))
    wrong = []
    for method in (method for where, method in OTHER_CASES if where == route):
        for role in ROLES:
            Throttle.objects.all().delete()
            got = clients[role].generic(method, path).status_code
            expected = passes(route, role)
            if expected is True:
                expected = 200 if method == "OPTIONS" else 405
            if method == "HEAD" and "GET" in TABLE[route]:
                asked = TABLE[route]["GET"][role]
                expected = 200 if asked == IN else int(asked)
            if got != expected:
                wrong.append(f"{method} by {role}: {got}, not {expected}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.django_db
@pytest.mark.parametrize("route", [route for route in TABLE if "<" in route])
def test_what_does_not_exist_is_not_there(clients, route):
    method = next(iter(TABLE[route]))
    path = f"/api/v1/{route}"
    for name in ("stall_id", "match_id", "booking_id", "job_id", "block_id", "public_id"):
        path = path.replace(f"<uuid:{name}>", str(uuid4()))
    path = path.replace("<str:suggestion_id>", make_suggestion_id("stall", uuid4(), uuid4()))
    path = path.replace("<int:seq>", "1")
    for role in PEOPLE:
        answer = getattr(clients[role], method.lower())(
            path, {} if method in ("POST", "PUT", "PATCH") else None
        )
        assert answer.status_code == 404, role
