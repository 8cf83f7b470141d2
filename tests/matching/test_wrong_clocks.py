"""Processes whose clocks are an hour wrong beside one that is right: the same ends for the same matches."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from matching.models import Match, MatchEvent
from matchmaker.core import clock
from tests.matching.market import agreed, make_anchor, make_stall, member_of, proposed, session
from tests.services import test_database_environment

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.usefixtures("clock_of_the_database"),
]
# A worker's tick and a web process's acceptance, in a process of its own that believes in another hour.
PROCESS = """
import datetime, sys
import django, time_machine
django.setup()
from accounts.models import User
from matching.models import Match
from matching.services.matches import accept_match, keep_deadlines
from matchmaker.core.errors import Conflict
hours, match, actor = float(sys.argv[1]), *map(int, sys.argv[2:])
with time_machine.travel(datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)):
    try:
        accept_match(actor=User.objects.get(pk=actor), match=Match.objects.get(pk=match))
    except Conflict as refusal:
        print(refusal.code)
    print(keep_deadlines())
"""


def act_an_hour_off(hours, match):
    arguments = [sys.executable, "-c", PROCESS, str(hours), str(match.pk), str(member_of(match.anchor).pk)]
    environment = {
        **os.environ,
        **test_database_environment(),
        "DJANGO_SETTINGS_MODULE": "matchmaker.settings",
    }
    run = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_same_outcome_when_one_clock_is_an_hour_wrong(hours):
    due, answered, untouched = (proposed(make_stall(), make_anchor()) for _ in range(3))
    waiting = agreed(make_stall(), make_anchor(), session(day=2))
    now, half = clock.now(), timedelta(minutes=30)
    Match.objects.filter(pk=due.pk).update(deadline_at=now - half)
    Match.objects.filter(pk__in=[answered.pk, untouched.pk]).update(deadline_at=now + half)
    Match.objects.filter(pk=waiting.pk).update(agreed_at=now - timedelta(hours=23, minutes=30))
    assert "{'expired': 1, 'escalated': 0}" in act_an_hour_off(hours, answered)
    assert dict(Match.objects.values_list("pk", "status")) == {
        due.pk: "expired",
        answered.pk: "agreed",
        untouched.pk: "proposed",
        waiting.pk: "agreed",
    }
    for event in MatchEvent.objects.filter(match__in=[due, answered], seq=2):
        assert abs(event.at - clock.now()) < timedelta(minutes=5), "events tell the town's time"
    assert "wrong_state" in act_an_hour_off(hours, due), "and nobody is late or early a second time"
