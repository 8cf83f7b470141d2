"""A process that is kept alive as a service manager would, and can be killed, frozen and kept down."""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from matchmaker.supervisor import die_with

RESTART_SECONDS = 0.5


@dataclass
class Kept:
    """One process in a group of its own; `Keeper` starts it again whenever it has ended."""

    name: str
    argv: list[str]
    folder: Path
    env: dict[str, str] | None = None
    account: dict[str, object] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    not_before: float = 0.0
    starts: int = 0

    @property
    def pid(self) -> int:
        """Its number; 0 while it does not run."""
        return self.process.pid if self.process and self.process.poll() is None else 0

    def start(self) -> None:
        """Start it, its output added to its log."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                env=self.env,
                cwd=self.folder if self.account else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with(os.getpid(), signal.SIGKILL),
                **self.account,  # type: ignore[call-overload]
            )
        self.starts += 1

    def kill(self, *, down: float = RESTART_SECONDS) -> None:
        """Kill -9 it and all of its group, and keep it down for a while."""
        self.not_before = time.monotonic() + down
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its group."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return

    def children(self) -> list[int]:
        """The numbers of its own children."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(word) for word in path.read_text().split()] if self.pid and path.exists() else []


class Keeper(threading.Thread):
    """Starts again what has ended, until it is told to stop; then ends all of it."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="keeper")
        self.kept: list[Kept] = []
        self._over = threading.Event()

    def add(self, kept: Kept) -> Kept:
        """Start it and keep it."""
        kept.start()
        self.kept.append(kept)
        return kept

    def run(self) -> None:
        while not self._over.wait(0.1):
            for kept in self.kept:
                if not kept.pid and time.monotonic() >= kept.not_before and not self._over.is_set():
                    kept.not_before = time.monotonic() + RESTART_SECONDS
                    kept.start()

    def end(self) -> None:
        """Stop keeping, and kill everything that was started, last first."""
        self._over.set()
        if self.is_alive():
            self.join()
        for kept in reversed(self.kept):
            kept.signal(signal.SIGCONT)
            kept.kill()
