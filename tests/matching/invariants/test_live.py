"""The detectors beside those who write: a town at work is no violation."""

import threading

import pytest
from django.db import connection

from matching.models import MatchEvent
from matching.services import matches as moves
from matching.services.invariants import check_some
from tests.matching.invariants.town import do_all_work, make_town
from tests.matching.market import make_anchor, make_stall, member_of, proposed, session

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.serial,
]
ROUNDS = 12
# Those that compare rows which a move changes together.
MOVING = (1, 2, 3, 4, 5, 6, 7, 8, 11)


def found_in(results):
    return {result["number"]: result["found"] for result in results if result["violations"]}


def test_every_detector_reads_in_a_transaction_of_its_own():
    make_town()
    assert found_in(check_some()) == {}
    assert not connection.in_atomic_block


def test_moves_in_the_midst_of_a_check_are_no_violations():
    make_town()
    stall, anchor = make_stall(weekly_capacity=50), make_anchor(weekly_capacity=50)
    do_all_work()
    failures = []

    def work():
        try:
            for day in range(ROUNDS):
                match = proposed(stall, anchor, session(day % 7))
                match = moves.accept_match(actor=member_of(anchor), match=match)
                moves.withdraw_match(actor=member_of(stall), match=match)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    checked = 0
    while thread.is_alive() or not checked:
        assert found_in(check_some(numbers=MOVING)) == {}
        checked += 1
    thread.join()
    assert not failures
    assert MatchEvent.objects.filter(match__stall=stall).count() == 3 * ROUNDS
    assert found_in(check_some(numbers=MOVING)) == {}
