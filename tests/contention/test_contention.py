"""Two to 64 hands at one barrier: exactly one gets the last of anything, on SQLite and PostgreSQL alike.

`MATCHMAKER_TEST_ROUNDS` says how many rounds of each (CI: 200; the long run: 10,000).
"""

import os
import random
import time

import pytest
from django.db import connection, transaction

from matching.models import Match, MatchEvent, WeekLoad
from matching.services.matches import approve_match
from matchmaker.core.errors import Conflict
from tests.contention.arena import arena, contenders
from tests.contention.scenarios import SCENARIOS, past, record_history
from tests.matching.market import make_anchor, make_staff, make_stall, session

ROUNDS = int(os.environ.get("MATCHMAKER_TEST_ROUNDS", "20"))
SEED = int(os.environ.get("MATCHMAKER_TEST_SEED", "621"))

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.contention,
    # As in production: queries are kept written, and the clock is read inside them.
    pytest.mark.usefixtures("clock_of_the_database"),
]


@pytest.mark.parametrize("name", SCENARIOS)
def test_exactly_one_wins(name):
    rng = random.Random(f"{SEED}:{name}")  # noqa: S311 (seeded rounds, no secret)
    met = 0
    with arena() as place:
        for number in range(ROUNDS):
            played = SCENARIOS[name](rng, contenders(number, rng))
            played.check(place.meet(played.calls))
            met += len(played.calls)
    assert met >= 2 * ROUNDS


# --- controls: the same races without the guard ----------------------------------------------------


def test_without_the_conditional_update_a_week_is_overbooked():
    """Read, compare, save: what `_take_week` would be, had it been written as one writes it first."""
    load = WeekLoad.objects.create(side="anchor", party_id=1, week_on="2026-11-30", used=0, capacity=1000)

    def take_the_last():
        row = WeekLoad.objects.get(pk=load.pk)
        time.sleep(0.001)
        if row.used >= 1:
            raise Conflict(code="capacity_full")
        WeekLoad.objects.filter(pk=load.pk).update(used=row.used + 1)

    overbooked = 0
    with arena() as place:
        for _ in range(20):
            WeekLoad.objects.filter(pk=load.pk).update(used=0)
            overbooked += place.meet([take_the_last] * 8)["ok"] > 1
    assert overbooked, "the barrier makes no race: the test above would show nothing"


def test_without_the_guarded_update_a_match_is_approved_twice(monkeypatch):
    """The services as they are, but for a `move` that checks before it writes instead of while it writes.

    SQLite begins every transaction with the lock that writers share, so there the transaction alone would
    do; the race is shown with that lock taken away as well.
    """

    def unguarded(instance, *, sources, guard=None, **changes):
        current = type(instance).objects.get(pk=instance.pk)
        time.sleep(0.002)
        if current.status not in sources:
            raise Conflict(code="wrong_state")
        type(instance).objects.filter(pk=instance.pk).update(**changes)
        instance.refresh_from_db()

    monkeypatch.setattr("matching.services.matches.moving.move", unguarded)
    monkeypatch.setattr("matching.services.matches.deciding.announce", lambda *_: None)
    if connection.vendor == "sqlite":
        for module in ("deciding", "moving"):
            monkeypatch.setattr(f"matching.services.matches.{module}.transaction", _NoTransaction)
    # Their numbers and links would collide: the unique (match, seq) is a second guard behind the first.
    monkeypatch.setattr("matching.services.matches.moving.record_event", lambda *_, **__: None)
    staff, twice = make_staff(), 0
    with arena() as place:
        for _ in range(10):
            [match] = record_history(
                actor=None, matches=[past(make_stall(), make_anchor(), session(), "accept")]
            )
            calls = [lambda m=match: approve_match(actor=staff, match=m)] * 4
            twice += place.meet(calls)["ok"] > 1
    assert twice, "without the guard nobody approved twice: the barrier makes no race"


class _NoTransaction:
    """Stands for django.db.transaction where every statement commits by itself."""

    class atomic:  # noqa: N801 (the name it stands for)
        def __enter__(self):
            return self

        def __exit__(self, *_error):
            return False


def test_the_number_of_an_event_is_a_second_guard():
    """Even a move without guard cannot write two events of one number."""
    [match] = record_history(actor=None, matches=[past(make_stall(), make_anchor(), session())])
    first = MatchEvent.objects.get(match=match)
    with pytest.raises(Exception, match="(?i)unique"), transaction.atomic():
        MatchEvent.objects.create(
            match=match, seq=first.seq, action="accept", to_status="agreed", actor_role="anchor", at=first.at
        )
    assert Match.objects.get().status == "proposed"
