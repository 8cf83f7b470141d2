"""`manage.py up` as a newcomer meets it: really started, really asked, really stopped."""

import contextlib
import json
import os
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from matchmaker.supervisor import die_with
from tests.isolation import SERVICES
from tests.services import free_port, wait_until
from tests.test_supervisor import members

REPOSITORY = Path(__file__).resolve().parent.parent
pytestmark = [
    pytest.mark.xdist_group("up"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
    pytest.mark.skipif(SERVICES, reason="the embedded default is what a newcomer gets"),
]


class Town:
    """One `up` in a process group of its own, with its own `var` and a free port."""

    def __init__(
        self,
        var: Path,
        *options: str,
        language: str = "C.UTF-8",
        port: int = 0,
        limit: Callable[[], None] = lambda: None,
    ) -> None:
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = var.with_suffix(f".{self.port}.log")
        env = {name: value for name, value in os.environ.items() if not name.startswith("LC_")}
        env |= {"MATCHMAKER_VAR_DIR": str(var), "LANG": language, "MATCHMAKER_BOOTSTRAP": "0"}
        command = [sys.executable, "manage.py", "up", "--port", str(self.port), *options]
        die_with_the_tests = die_with(os.getpid())

        def before() -> None:
            die_with_the_tests()
            limit()

        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=env,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=before,
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(self.address + path, headers=headers)  # noqa: S310 (http)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 (http)
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()

    def is_answering(self) -> bool:
        """A request that met a web process in its last moment is cut off: asked again."""
        with contextlib.suppress(OSError):
            return self.get("/healthz")[0] == 200
        return False

    def wait_for_card(self, seconds: float = 90) -> None:
        def printed() -> bool:
            assert self.process.poll() is None, self.said()
            return "Ctrl-C" in self.said()

        wait_until(printed, seconds)

    def children(self) -> dict[str, int]:
        """Role to pid of what the supervisor started."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {}
        for pid in map(int, listed):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            role = "compute" if "compute" in words else "default" if "default" in words else ""
            found[role or ("beat" if "beat" in words else "web")] = pid
        return found

    def stop(self, number: signal.Signals = signal.SIGINT) -> float:
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - started


@contextlib.contextmanager
def town(var: Path, *options: str, **more) -> Iterator[Town]:
    running = Town(var, *options, **more)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            groups = running.children().values()
            running.process.kill()
            running.process.wait()
            for group in groups:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)


def assert_one_line(finished: Town, *words: str) -> None:
    assert finished.process.wait(60) == 1, finished.said()
    assert "Traceback" not in finished.said()
    line = finished.said().strip().splitlines()[-1]
    for word in words:
        assert word in line


@pytest.mark.faults
def test_a_demo_town_from_nothing_then_at_once(tmp_path):
    var = tmp_path / "var"
    with town(var, "--stalls", "12", "--anchors", "40") as first:
        first.wait_for_card()
        card = first.said()
        assert re.search(rf"{first.address}/api/v1/docs/", card)
        assert re.search(rf"{first.address}/admin/", card)
        for role in ("merchant", "anchor", "staff"):
            assert re.search(rf"{role} +\+\d+ +\S+", card)
        curl = shlex.split(next(line for line in card.splitlines() if line.strip().startswith("curl ")))
        path, header = curl[2].removeprefix(first.address), curl[4]
        status, body = first.get(path, **dict([header.split(": ", 1)]))
        assert status == 200
        assert json.loads(body)["results"], "the curl line shows no suggestion"
        assert json.loads(first.get("/readyz")[1]) == {"status": "ok", "workers": "ok"}
        assert first.stop() < 10
        assert "Traceback" not in first.said()

    with town(var) as second:
        second.wait_for_card()
        assert "Loading" not in second.said()
        assert second.get(path, **dict([header.split(": ", 1)]))[0] == 200
        second.stop()


@pytest.mark.faults
def test_everything_ends_with_it_and_comes_back_when_it_dies(tmp_path):
    with town(tmp_path / "var", "--no-demo") as served:
        served.wait_for_card()
        children = served.children()
        assert set(children) == {"web", "compute", "default", "beat"}
        # Lists wait for people that ask, from the moment when the worker has read its queues.
        wait_until(lambda: os.getpriority(os.PRIO_PROCESS, children["compute"]) == 10, 30)
        assert {os.getpriority(os.PRIO_PROCESS, children[role]) for role in ("web", "default")} == {0}
        for role in ("web", "beat"):
            os.kill(children[role], signal.SIGKILL)
        wait_until(lambda: set(served.children()) == set(children), 20)
        wait_until(served.is_answering, 20)
        groups = [*children.values(), *served.children().values()]
        assert served.stop(signal.SIGTERM) < 10
        assert [pid for group in groups for pid in members(group)] == []


@pytest.mark.faults
def test_nothing_outlives_a_killed_up(tmp_path):
    with town(tmp_path / "var", "--no-demo") as served:
        served.wait_for_card()
        groups = list(served.children().values())
        served.process.kill()
        served.process.wait()
        wait_until(lambda: not [pid for group in groups for pid in members(group)], 10)


def test_a_taken_port(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with town(tmp_path / "var", port=port) as refused:
            assert_one_line(refused, f"127.0.0.1:{port}", "--port")
        with town(tmp_path / "var", port=port, language="zh_CN.UTF-8") as refused:
            assert_one_line(refused, "无法监听", f"127.0.0.1:{port}")
    assert not (tmp_path / "var" / "db.sqlite3").exists()


def test_a_full_disk(tmp_path):
    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    with town(tmp_path / "var", "--no-demo", limit=no_room) as refused:
        assert_one_line(refused, "No disk space")


def test_a_var_that_is_no_folder(tmp_path):
    (tmp_path / "var").write_text("in the way")
    with town(tmp_path / "var", "--no-demo") as refused:
        assert_one_line(refused, str(tmp_path / "var"))


@pytest.mark.faults
def test_a_half_loaded_demo_town_is_loaded_again(tmp_path):
    var = tmp_path / "var"
    with town(var, "--stalls", "200", "--anchors", "3000") as interrupted:
        wait_until(lambda: (var / "demo-town").exists(), 60)
        interrupted.process.kill()
    assert (var / "demo-town").read_text() == "loading"
    with town(var, "--stalls", "5", "--anchors", "10") as again:
        again.wait_for_card()
        assert "merchant" in again.said()
        again.stop()
    assert not (var / "demo-town").exists()


@pytest.mark.parametrize("missing", ["SECRET_KEY", "REDIS_URL", "MATCHMAKER_ALLOWED_HOSTS"])
def test_production_without_a_setting_does_not_start(tmp_path, missing):
    env = os.environ | {
        "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "SECRET_KEY": "x" * 64,
        "MATCHMAKER_ALLOWED_HOSTS": "town.example",
        "MATCHMAKER_VAR_DIR": str(tmp_path),
        "MATCHMAKER_BOOTSTRAP": "0",
    }
    del env[missing]
    command = [sys.executable, "manage.py", "up"]
    finished = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 1
    assert missing in finished.stderr
    assert len(finished.stderr.strip().splitlines()) == 1


@pytest.mark.faults
def test_a_disk_that_fills_up_while_the_town_is_loaded(tmp_path):
    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))

    with town(tmp_path / "var", "--stalls", "120", "--anchors", "1500", limit=no_room) as refused:
        # A worker, full as well, may have logged its own trouble before; the last line is for the reader.
        assert refused.process.wait(60) == 1
        assert "No disk space" in refused.said().strip().splitlines()[-1]
    assert (tmp_path / "var" / "demo-town").exists()
