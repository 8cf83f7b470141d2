"""Runs web, workers and beat as children: restarts what dies, and stops all of it in time."""

import ctypes
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

STOP_SECONDS = 7.0
FIRST_PAUSE = 0.5
# A worker that a job keeps ending is back within ten seconds, its own start included.
LONGEST_PAUSE = 5.0
# A child that lived this long was well: its next restart is quick again.
WELL_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """One process to keep alive, in a process group of its own."""

    name: str
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()
    # The first start may run this in a fork instead: it keeps what is imported already, a second saved.
    fork: Callable[[], None] | None = None
    process: "subprocess.Popen[bytes] | Fork | None" = None
    started_at: float = 0.0
    pause: float = FIRST_PAUSE
    restart_at: float = 0.0

    def start(self) -> None:
        """Start it; it dies with this process, even when this one is killed."""
        if self.fork is not None and self.process is None:
            self.process = Fork(self.fork)
        else:
            self.process = self._spawn()
        self.started_at = time.monotonic()
        self.restart_at = 0.0

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 (the command is ours)
            self.argv,
            env={**os.environ, **self.env},
            pass_fds=self.pass_fds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with(os.getpid()),
        )

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def plan_restart(self) -> float:
        """Seconds until the next try, longer each time it dies soon."""
        if time.monotonic() - self.started_at > WELL_SECONDS:
            self.pause = FIRST_PAUSE
        pause = self.pause
        self.restart_at = time.monotonic() + pause
        self.pause = min(self.pause * 2, LONGEST_PAUSE)
        return pause

    def kill(self) -> None:
        """Kill the whole group; also what a dead leader left behind."""
        if self.process is not None:
            _signal_group(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        pass


def die_with(parent: int, number: signal.Signals = signal.SIGKILL) -> Callable[[], None] | None:
    """What a child does before exec: ask the kernel for a signal when its parent ends (Linux only)."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it ended before the kernel was asked
            os._exit(1)

    return ask


class Fork:
    """A child that runs a function of this process; only while this process has no other thread."""

    def __init__(self, target: Callable[[], None]) -> None:
        ask = die_with(os.getpid())
        sys.stdout.flush()
        sys.stderr.flush()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _run_and_exit(target, ask)

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self) -> int:
        while self.poll() is None:
            time.sleep(0.01)
        return self.returncode or 0

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


def _run_and_exit(target: Callable[[], None], ask: Callable[[], None] | None) -> NoReturn:
    """The life of a fork, from its own session to its exit code."""
    code = 1
    try:
        os.setsid()
        if ask is not None:
            ask()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        target()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class Supervisor:
    """Keeps its children alive until it is told to stop."""

    def __init__(self, children: list[Child], tell: Callable[[str], None]) -> None:
        self.children = children
        self.tell = tell
        self.signals = 0
        self.failure = ""

    def give_up(self, reason: str) -> None:
        """Stop all, from another thread, for this reason."""
        self.failure = reason

    def run(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Start all and watch them until SIGINT or SIGTERM; then stop all within ten seconds."""
        previous = {
            number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            for child in self.children:
                child.start()
            meanwhile()
            while not self.signals and not self.failure:
                self.look_after()
                time.sleep(0.1)
        finally:
            self.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self.signals += 1

    def look_after(self) -> None:
        """One round: notice who died, start again whose pause is over."""
        now = time.monotonic()
        for child in self.children:
            if child.is_running():
                continue
            if not child.restart_at:
                code = child.process.returncode if child.process else None
                child.kill()
                self.tell(f"{child.name} ended ({code}); starting it again in {child.plan_restart():g} s")
            elif now >= child.restart_at:
                child.start()

    def stop(self) -> None:
        """Ask all to end, wait, then kill what is left; a second signal kills at once."""
        asked = self.signals
        for child in self.children:
            if child.process is not None and child.is_running():
                child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and self.signals <= asked:
            if not any(child.is_running() for child in self.children):
                break
            time.sleep(0.05)
        for child in self.children:
            child.kill()
