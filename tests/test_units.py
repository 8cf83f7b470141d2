"""The service units start again whatever ends, and start what the code expects."""

from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.isolation import SERVICES

pytestmark = pytest.mark.skipif(SERVICES, reason="asks neither a database nor a broker: once is enough")
UNITS = sorted((Path(__file__).resolve().parent.parent / "docs" / "systemd").glob("*.service"))


def read(path: Path) -> ConfigParser:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path)
    return unit


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_whatever_ends_is_started_again_for_ever(path: Path) -> None:
    unit = read(path)
    assert unit["Service"]["Restart"] == "always"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0", "or systemd gives up after five quick ends"
    assert int(unit["Service"]["RestartSec"]) <= 5


def test_the_worker_is_watched_and_has_a_name_of_its_own() -> None:
    (path,) = [path for path in UNITS if "worker" in path.name]
    service = read(path)["Service"]
    assert int(service["WatchdogSec"]) > 60 and service["NotifyAccess"] == "main"
    assert "-n %i@%%h" in service["ExecStart"] and "--pool threads" in service["ExecStart"]
