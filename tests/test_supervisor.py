"""What `up` starts is kept alive, and none of it outlives `up`."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from matchmaker.supervisor import FIRST_PAUSE, LONGEST_PAUSE, STOP_SECONDS, Child, Fork, Supervisor, die_with
from tests.isolation import SERVICES
from tests.services import wait_until

pytestmark = pytest.mark.skipif(SERVICES, reason="asks neither a database nor a broker: once is enough")

# Each child writes its pid to a line of the journal, then does what its role says.
ROLES = {
    "good": "time.sleep(600)",
    "stubborn": """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        time.sleep(600)""",
    "dying": "sys.exit(3)",
}


def script(role: str, journal: Path) -> list[str]:
    head = "import os, signal, subprocess, sys, time\n"
    write = f"open({str(journal)!r}, 'a').write(f'{{os.getpid()}} {role}\\n')\n"
    return [sys.executable, "-c", head + write + textwrap.dedent(ROLES[role]).strip()]


def pids(journal: Path, role: str) -> list[int]:
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [int(line.split()[0]) for line in lines if line.endswith(f" {role}")]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def members(group: int) -> list[int]:
    """The living processes of a group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _parent, its_group = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z" and int(its_group) == group:
            found.append(int(entry.name))
    return found


@pytest.fixture
def supervise(tmp_path: Path):
    """Starts a supervisor in a process of its own; it is gone at the end, whatever the test did."""
    journal = tmp_path / "journal"
    started = []

    def start(*roles: str) -> tuple[subprocess.Popen, Path]:
        commands = json.dumps([[role, script(role, journal)] for role in roles])
        code = (
            "import json, sys\nfrom matchmaker.supervisor import Child, Supervisor\n"
            "children = [Child(name, argv) for name, argv in json.loads(sys.argv[1])]\n"
            "Supervisor(children, print).run()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, commands],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with(os.getpid()),
        )
        started.append(process)
        wait_until(lambda: all(pids(journal, role) for role in roles))
        time.sleep(0.2)  # the role's own first lines
        return process, journal

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
    for pid in [int(line.split()[0]) for line in journal.read_text().splitlines()]:
        for member in members(pid):  # what a killed supervisor's child left in its group
            os.kill(member, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_even_a_child_that_will_not(supervise, number):
    process, journal = supervise("good", "stubborn")
    group = pids(journal, "stubborn")[0]
    assert len(members(group)) == 2
    started = time.monotonic()
    process.send_signal(number)
    assert process.wait(15) == 0
    assert time.monotonic() - started < 10
    assert not is_alive(pids(journal, "good")[0])
    assert members(group) == []


def test_well_behaved_children_stop_at_once(supervise):
    process, _journal = supervise("good")
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait(15)
    assert time.monotonic() - started < STOP_SECONDS - 1


def test_a_second_signal_does_not_wait(supervise):
    process, _journal = supervise("stubborn")
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.wait(15)
    assert time.monotonic() - started < STOP_SECONDS - 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
def test_children_die_with_a_killed_supervisor(supervise):
    process, journal = supervise("good", "stubborn")
    process.kill()
    process.wait()
    for role in ("good", "stubborn"):
        pid = pids(journal, role)[0]
        wait_until(lambda pid=pid: not is_alive(pid), 5)


def test_a_killed_child_comes_back(supervise):
    _process, journal = supervise("good")
    os.kill(pids(journal, "good")[0], signal.SIGKILL)
    wait_until(lambda: len(pids(journal, "good")) == 2, 5)
    assert is_alive(pids(journal, "good")[1])


def test_a_child_that_dies_at_once_is_tried_less_and_less_often(supervise):
    _process, journal = supervise("dying", "good")
    time.sleep(3)
    # Started at 0, 0.5, 1.5 and 3.5 seconds; without a growing pause there would be thirty.
    assert 2 <= len(pids(journal, "dying")) <= 4
    assert len(pids(journal, "good")) == 1


def test_the_pause_grows_to_a_bound_and_is_forgotten_after_a_good_while(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("matchmaker.supervisor.time.monotonic", lambda: clock[0])
    child = Child("web", ["true"], started_at=clock[0])
    pauses = [child.plan_restart() for _ in range(9)]
    assert pauses[:3] == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]
    assert pauses[-1] == LONGEST_PAUSE
    clock[0] += 3600
    assert child.plan_restart() == FIRST_PAUSE


def test_says_who_ended_and_how(tmp_path):
    said = []
    supervisor = Supervisor([Child("beat", script("dying", tmp_path / "journal"))], said.append)
    supervisor.children[0].start()
    supervisor.children[0].process.wait()
    supervisor.look_after()
    assert said == ["beat ended (3); starting it again in 0.5 s"]
    supervisor.stop()


def test_a_fork_comes_back_as_a_new_process(tmp_path):
    journal = tmp_path / "journal"
    said = []
    child = Child("web", script("good", journal), fork=lambda: journal.write_text("0 forked\n"))
    supervisor = Supervisor([child], said.append)
    child.start()
    assert child.process.wait() == 0
    assert journal.read_text() == "0 forked\n"
    wait_until(lambda: supervisor.look_after() or pids(journal, "good"), 5)
    assert said == ["web ended (0); starting it again in 0.5 s"]
    supervisor.stop()


@pytest.mark.parametrize("ending", ["raise SystemExit(7)", "raise ValueError('broken')"])
def test_a_forks_exit_code_is_told(ending, capfd):
    fork = Fork(lambda: exec(ending))  # noqa: S102 (the two lines above)
    assert fork.wait() == (7 if "7" in ending else 1)
    assert ("broken" in capfd.readouterr().err) == ("broken" in ending)
