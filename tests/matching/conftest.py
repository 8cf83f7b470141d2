"""What the tests of matches share."""

import pytest
import time_machine


@pytest.fixture
def time_machine_at():
    """A context in which the clock stands at a given moment."""
    return lambda moment: time_machine.travel(moment, tick=False)
