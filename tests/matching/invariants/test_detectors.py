"""Every detector finds nothing in a sound town, and what it is there for in a spoiled one."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from matching.invariants import DETECTORS, What
from matching.selectors.violations import EVENT_TEXTS
from matching.services.invariants import check_some
from tests.matching.invariants.seeds import SEEDS
from tests.matching.invariants.spoiling import undone
from tests.matching.invariants.town import do_all_work, make_town
from tests.matching.market import agreed, make_anchor, make_stall, session

pytestmark = pytest.mark.django_db
NUMBERS = [detector.number for detector in DETECTORS]


def check(number):
    (result,) = check_some(numbers=[number])
    return result


def test_the_invariants_are_those_that_can_be_checked():
    assert NUMBERS == [*range(1, 17)]


def test_everything_that_can_be_reported_is_seeded():
    seeded = [what for of_number in SEEDS.values() for what in of_number]
    assert sorted(seeded) == sorted([*set(What) - {What.DETECTOR_FAILED}, *EVENT_TEXTS])


def test_a_sound_town_has_no_violation_and_everything_was_looked_at():
    make_town()
    for result in check_some():
        assert (result["violations"], result["found"]) == (0, []), result
        assert result["examined"] > 0, result


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_seeded_is_found(number, monkeypatch):
    town = make_town()
    assert SEEDS[number]
    for what, seed in SEEDS[number].items():
        with undone(), monkeypatch.context() as patch:
            seed(town, patch)
            result = check(number)
            found = {violation["what"]: violation["ids"] for violation in result["found"]}
            assert what in found, (what, result)
            assert What.DETECTOR_FAILED not in found and found[what], (what, result)
    assert check(number)["violations"] == 0


def test_a_detector_asks_as_often_for_many_rows_as_for_few():
    def costs():
        found = {}
        for number in NUMBERS:
            with CaptureQueriesContext(
                connection,
            ) as captured:
                check(number)
            found[number] = len(captured)
        return found

    make_town()
    few = costs()
    for day in range(6):
        agreed(make_stall(), make_anchor(), session(day))
    do_all_work()
    many = costs()
    # 8 asks for so many first pages; each costs the same (tests/matching/test_suggestions.py).
    assert {n: c for n, c in many.items() if n != 8} == {n: c for n, c in few.items() if n != 8}
