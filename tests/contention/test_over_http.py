"""Two hundred hands at once over real HTTP: one gets the last booking, the others are told why not."""

import http.client
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from matching.models import Match
from matching.services.history import record_history
from tests.contention.scenarios import past, recount, stalls_of_one
from tests.matching.market import make_anchor, member_of, session

HANDS = 200
# Each of them holds a connection to the server, and the server one to the database, which has 100.
AT_ONCE = 64
TRIES = 6

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.contention,
]


def post(server, path, token):
    """Return the status and the code of the answer, as a client that tries again where none came."""
    headers = {"X-Session-Token": token, "Content-Type": "application/json", "Accept-Language": "en"}
    headers["Idempotency-Key"] = path
    for attempt in range(TRIES):
        connection = http.client.HTTPConnection(server, timeout=60)
        try:
            connection.request("POST", path, body="{}", headers=headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()).get("code", "")
        except ConnectionError:
            # The test's server lets few connections wait; whether the move was made is not known now.
            time.sleep(0.1 * 2**attempt)
        finally:
            connection.close()
    raise AssertionError("no answer")


def test_two_hundred_accept_the_last_booking_of_a_week(live_server, api):
    anchor, stalls = make_anchor(weekly_capacity=1), stalls_of_one(HANDS)
    hours = [session(day=n // 24, hour=n % 24, length=1) for n in range(HANDS)]
    pairs = list(zip(stalls, (hours[n % 168] for n in range(HANDS)), strict=True))
    matches = record_history(actor=None, matches=[past(stall, anchor, hour) for stall, hour in pairs])
    token = api(member_of(anchor))._credentials["HTTP_X_SESSION_TOKEN"]
    server = urlsplit(live_server.url).netloc
    paths = [f"/api/v1/matches/{match.public_id}/accept/" for match in matches]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = Counter(pool.map(lambda path: post(server, path, token), paths))
    # An hour that the winner took is a reason like the week that it filled.
    assert answers.pop((200, "")) == 1, answers
    assert set(answers) <= {(409, "capacity_full"), (409, "hour_taken")}, answers
    assert answers.total() == HANDS - 1
    assert Match.objects.filter(status="agreed").count() == 1
    recount(stalls, [anchor])
