"""A bounded run of every fault loses nothing; builds that are wrong on purpose are found out."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.chaos.cluster import BASE_DIR
from tests.chaos.faults import FAULTS
from tests.isolation import SERVICES

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(SERVICES, reason="starts servers of its own: once is enough"),
]


def report(*options: str) -> dict[str, Any]:
    """What one run says; the harness starts servers of its own."""
    command = [sys.executable, "-m", "tests.chaos", *options]
    env = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr[-8000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1)
    return found


def test_nothing_is_lost_whatever_is_killed() -> None:
    found = report("--minutes", "1", "--deliveries", "200")
    assert found["ok"], json.dumps(found, indent=1, ensure_ascii=False)
    assert set(found["faults"]) == set(FAULTS) and not found["faults_that_failed"]
    assert found["faults"]["delivered_again"]["done"] > 100
    assert found["deliveries"]["effects"] == 200 and found["deliveries"]["deliveries"] == 1000
    assert found["journal"]["acknowledged"] > 50
    told = " ".join(found["journal"]["answers"])
    for move in ("register", "edit", "propose", "accept", "approve", "cancel", "record", "confirm"):
        assert f"{move} 20" in told, told
    assert found["requests"]["503_without_retry_after"] == 0


def test_a_build_that_loses_on_purpose_is_found_out() -> None:
    options = ("--minutes", "0.25", "--no-faults", "--clients", "4", "--pause", "0.05", "--quiet", "15")
    lossy = "forgets,repeats,misfiles,ages,drops,doubles,hushes"
    found = report(*options, "--deliveries", "30", "--lossy", lossy)
    told = json.dumps(found, indent=1, ensure_ascii=False)
    assert not found["ok"]
    for kind in ("lost", "double"):
        assert found["journal"][kind]["count"], told
    for kind in ("stall", "match", "notice"):
        assert any(line.startswith(kind) for line in found["journal"]["lost"]["first"]), told
    assert found["journal"]["undone"]["count"], told
    for kind in ("without_effect", "with_more"):
        assert found["deliveries"][kind], told
