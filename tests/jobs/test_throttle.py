"""Exact limits."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from jobs.throttle import TooManyRequests, check_rate

pytestmark = pytest.mark.django_db


def test_the_limit_is_exact_and_ends_with_its_window() -> None:
    start = timezone.now().replace(minute=0, second=1, microsecond=0)
    with time_machine.travel(start, tick=False):
        for _ in range(3):
            check_rate("login:x", limit=3, per_seconds=60)
        with pytest.raises(TooManyRequests) as refusal:
            check_rate("login:x", limit=3, per_seconds=60)
        check_rate("login:y", limit=3, per_seconds=60)
    assert 0 < int(refusal.value.headers["Retry-After"]) <= 60
    with time_machine.travel(start + timedelta(seconds=61), tick=False):
        check_rate("login:x", limit=3, per_seconds=60)


def test_a_cost_that_does_not_fit_is_not_counted() -> None:
    check_rate("k", limit=5, per_seconds=3600, cost=4)
    with pytest.raises(TooManyRequests):
        check_rate("k", limit=5, per_seconds=3600, cost=2)
    check_rate("k", limit=5, per_seconds=3600, cost=1)
