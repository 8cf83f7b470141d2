"""The slope of the memory tells a leak from what jobs hold for a moment."""

from itertools import cycle

import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.memory import EVERY_SECONDS, Memory
from tests.isolation import SERVICES

pytestmark = pytest.mark.skipif(SERVICES, reason="asks neither a database nor a broker: once is enough")


def told(town: Cluster, *, minutes: float, leak_per_hour: float) -> dict[str, float]:
    """What is told of a worker of 300 MB that leaks so much, while its jobs hold up to 80 MB more."""
    memory = Memory(town)
    times = [reading * EVERY_SECONDS for reading in range(int(minutes * 60 / EVERY_SECONDS))]
    for at, job in zip(times, cycle([0, 80, 30, 60, 5, 20]), strict=False):
        memory.seen.append((at, {"compute": int(1024 * (300 * (1 + leak_per_hour * at / 3600) + job))}))
    return memory.told().get("compute", {})


@pytest.fixture
def town(tmp_path) -> Cluster:
    return Cluster(tmp_path, {}, 0, 0, None, None)  # type: ignore[arg-type]  # nothing of it runs


@pytest.mark.parametrize("leak", [0.0, 0.05, 0.5])
def test_a_leak_is_seen_below_the_jobs(town, leak):
    found = told(town, minutes=20, leak_per_hour=leak)
    assert found["percent_per_hour"] == pytest.approx(100 * leak, rel=0.15, abs=0.01)
    assert found["standard_error"] < 0.5


def test_a_few_minutes_show_a_size_and_no_slope(town):
    assert set(told(town, minutes=4, leak_per_hour=0.0)) == {"mb"}
    assert told(town, minutes=0, leak_per_hour=0.0) == {}
