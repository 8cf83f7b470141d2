"""Generated requests to every operation by every role: no answer is 5xx, and each is what the schema says.

MATCHMAKER_TEST_REQUESTS requests in all; fewer than one for each role and operation means that each
operation is asked by one role.
"""

import math
from functools import cache
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import User
from jobs.models import Throttle
from jobs.services import enqueue
from matching.models import Block
from matching.tokens import make_suggestion_id
from matchmaker.wsgi import application
from tests.factories import UserFactory
from tests.fuzz.conftest import REQUESTS
from tests.matching.held import told
from tests.matching.market import proposed

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
]  # fmt: skip
ROLES = ("nobody", "merchant", "stranger", "anchor", "staff", "superuser")
GENERAL = settings(
    deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)  # fmt: skip


@pytest.fixture
def users(
    merchant_user: User, other_merchant_user: User, anchor_user: User, staff_user: User
) -> dict[str, Any]:
    root = UserFactory.create(is_staff=True, is_superuser=True)
    people = (None, merchant_user, other_merchant_user, anchor_user, staff_user, root)
    return dict(zip(ROLES, people, strict=True))


@pytest.fixture
def known(
    merchant_user: User, stall: Any, other_stall: Any, anchor: Any, other_anchor: Any
) -> dict[str, Any]:
    """Objects that exist, so that requests get further than to a 404."""
    job = enqueue(kind="matching.rematch", key="fuzz", args={}, requested_by=merchant_user)
    block = Block.objects.create(side="stall", merchant=other_stall.merchant, anchor=anchor)
    return {
        "stall_id": str(stall.public_id),
        "booking_id": str(told(stall, anchor).public_id),
        "match_id": str(proposed(stall, anchor).public_id),
        "suggestion_id": make_suggestion_id("stall", stall.public_id, other_anchor.public_id),
        "job_id": str(job.public_id),
        "block_id": str(block.public_id),
        "seq": 1,
        "code": "styles",
    }


@cache
def operations() -> list[Any]:
    """Every operation but the two that answer with the schema itself."""
    loaded = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", application)
    found = [result.ok() for result in loaded.get_all_operations()]
    return [operation for operation in found if not operation.path.endswith(("/schema/", "/docs/"))]


def share_of(role: str) -> tuple[list[Any], int]:
    """The operations that the role is to ask, and how often each."""
    everything = operations()
    if REQUESTS < len(everything) * len(ROLES):
        return everything[ROLES.index(role) :: len(ROLES)], math.ceil(REQUESTS / len(everything))
    return everything, math.ceil(REQUESTS / len(everything) / len(ROLES))


def ask(operation: Any, headers: dict[str, str], known: dict[str, Any], each: int, sent: list[str]) -> None:
    """Send so many generated requests, right ones and wrong ones, and look at every answer."""
    either = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @settings(GENERAL, max_examples=each)
    @given(case=either)
    def send(case: Any) -> None:
        sent.append(operation.path)
        if len(sent) % 5:  # the fifth keeps the numbers of objects that were made up
            case.path_parameters = {
                name: known.get(name, value) for name, value in (case.path_parameters or {}).items()
            }
        answer = case.call(headers=headers)
        case.validate_response(answer, checks=CHECKS)

    send()


@pytest.mark.django_db
@pytest.mark.usefixtures("kept_connection", "cheap_sign_in", "nothing_broken")
@pytest.mark.parametrize("role", ROLES)
def test_generated_requests_get_what_the_schema_says(api: Any, users: Any, known: Any, role: str) -> None:
    sent: list[str] = []
    asked, each = share_of(role)
    for operation in asked:
        Throttle.objects.all().delete()  # who is refused for asking too often is asked nothing more
        headers = {"Accept": "application/json", "Accept-Language": "en"}
        if users[role]:
            headers["X-Session-Token"] = api(users[role])._credentials["HTTP_X_SESSION_TOKEN"]
        ask(operation, headers, known, each, sent)
    print(f"{len(sent)} requests by {role}")
    # Operations without body and parameter have fewer different requests than they are to get: ten of eleven.
    is_whole = len(asked) == len(operations())
    assert len(sent) >= (REQUESTS / len(ROLES) * 10 / 11 if is_whole else len(asked))
