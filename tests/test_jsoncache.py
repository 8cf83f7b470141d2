"""What lies in the cache is JSON: a pickle that somebody put there runs nothing."""

import os
import pickle
from typing import Any

import pytest

from matchmaker.jsoncache import JSONSerializer
from tests.test_configuration import PRODUCTION, settings_under


class Bomb:
    """A pickle that runs a command when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("false",)


@pytest.mark.parametrize("value", [0, 7, -3, True, None, 1.5, "名", [1, "x"], {"a": [None]}])
def test_values_come_back(value: Any) -> None:
    stored = JSONSerializer().dumps(value)
    found = JSONSerializer().loads(str(stored).encode())
    assert (found, type(found)) == (value, type(value))


def test_a_whole_number_stays_bare_so_that_redis_can_count() -> None:
    assert JSONSerializer().dumps(7) == 7


def test_a_pickle_is_refused() -> None:
    with pytest.raises(ValueError):
        JSONSerializer().loads(pickle.dumps(Bomb()))


def test_production_uses_it_and_bounds_every_wait(tmp_path: Any) -> None:
    found = settings_under(PRODUCTION, tmp_path, "CACHES", "PUBLISH_TIMEOUT_SECONDS")
    options = found["CACHES"]["default"]["OPTIONS"]
    assert options["serializer"] == f"{JSONSerializer.__module__}.JSONSerializer"
    assert (
        max(options["socket_timeout"], options["socket_connect_timeout"], found["PUBLISH_TIMEOUT_SECONDS"])
        < 1
    )
