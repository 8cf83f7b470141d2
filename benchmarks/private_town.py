"""A town of its own for a benchmark: a temporary folder, real processes, everything stopped at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.services import free_port, private_postgres, private_redis, running, wait_until

ROOT = Path(__file__).resolve().parent.parent
_MINE = ("DATABASE_URL", "REDIS_URL", "MATCHMAKER_SQLITE_PATH", "MATCHMAKER_VAR_DIR", "SECRET_KEY")


@dataclass(frozen=True)
class Town:
    """Where a town lives: what its processes find in their environment, and its folder."""

    environment: dict[str, str]
    folder: Path

    def manage(self, *arguments: str) -> float:
        """Run one command of `manage.py` to its end; return the seconds it took."""
        start = time.perf_counter()
        subprocess.run(  # noqa: S603 (the command is ours)
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=self.environment,
            cwd=ROOT,
            check=True,
            stdout=sys.stderr,
        )
        return time.perf_counter() - start

    def seed(self, stalls: int, anchors: int) -> float:
        """Prepare the database and load an invented town; return the seconds of the loading."""
        self.manage("migrate", "--verbosity", "0")
        size = ("--stalls", str(stalls), "--anchors", str(anchors), "--progress", "none")
        return self.manage("seed", *size)

    @contextlib.contextmanager
    def up(self) -> Iterator[tuple[str, int]]:
        """Serve as `manage.py up` does; yields the address and the supervisor's process id."""
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        command = [sys.executable, str(ROOT / "manage.py"), "up", "--no-demo", "--port", str(port)]
        options = {"cwd": ROOT, "env": self.environment, "stdout": sys.stderr, "stderr": sys.stderr}
        with running(command, signal.SIGINT, **options) as process:
            wait_until(lambda: _answers(f"{address}/healthz"), 90)
            yield address, process.pid

    def set_up_django(self) -> None:
        """Open the same database in this process."""
        for name in _MINE:
            os.environ.pop(name, None)
        os.environ.update(self.environment)
        import django

        django.setup()

    def database_mb(self) -> float:
        """What the database takes; Django has to be set up."""
        from django.conf import settings
        from django.db import connection

        with connection.cursor() as cursor:
            if settings.EMBEDDED:
                return sum(path.stat().st_size for path in self.folder.glob("db.sqlite3*")) / 2**20
            cursor.execute("SELECT pg_database_size(current_database())")
            return float(cursor.fetchone()[0]) / 2**20


def add_town_options(parser: ArgumentParser, *, stalls: int, anchors: int) -> None:
    """The size of the town, and where its database and broker are."""
    parser.add_argument("--stalls", type=int, default=stalls)
    parser.add_argument("--anchors", type=int, default=anchors)
    parser.add_argument("--services", action="store_true", help="on a private PostgreSQL and Redis")
    parser.add_argument("--database-url", help="an empty PostgreSQL database to use instead")
    parser.add_argument("--redis-url", help="the Redis that goes with it")


@contextlib.contextmanager
def private_town(options: Namespace) -> Iterator[Town]:
    """An empty town for this run alone; its folder and its servers are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="matchmaker-bench-"))
    environment = {name: value for name, value in os.environ.items() if name not in _MINE}
    environment |= {"MATCHMAKER_VAR_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "matchmaker.settings"}
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        database, redis = options.database_url, options.redis_url
        if options.services:
            database = stack.enter_context(private_postgres())
            redis = stack.enter_context(private_redis())
        if database:
            environment |= {
                "DATABASE_URL": database,
                "REDIS_URL": redis or "",
                "SECRET_KEY": "only-for-this-run-" + "x" * 50,
                "MATCHMAKER_ALLOWED_HOSTS": "127.0.0.1",
                "MATCHMAKER_SSL_REDIRECT": "0",
            }
        yield Town(environment, folder)


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError, urllib.error.URLError):
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 (our own http address)
            return True
    return False


# --- memory ---------------------------------------------------------------------------------------------


def rss_mb(supervisor: int) -> dict[str, list[int]]:
    """Present and peak MB of every process of `up`, by what it does (Linux)."""
    return {
        f"{_role(pid, supervisor)} {pid}": [_status(pid, "VmRSS") // 1024, _status(pid, "VmHWM") // 1024]
        for pid in _tree(supervisor)
    }


def peak_mb(supervisor: int, role: str) -> int:
    """The largest peak of the processes with this role."""
    return max(_status(pid, "VmHWM") // 1024 for pid in _tree(supervisor) if _role(pid, supervisor) == role)


def cpu_seconds(supervisor: int, role: str) -> float:
    """What the processes with this role have computed so far; on a shared machine steadier than a clock."""
    own = [_stat(pid) for pid in _tree(supervisor) if _role(pid, supervisor) == role]
    return sum(int(stat[11]) + int(stat[12]) for stat in own) / os.sysconf("SC_CLK_TCK")


def cpu_of_all(root: int) -> float:
    """What a process and those it started have computed so far."""
    stats = [_stat(pid) for pid in _tree(root)]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            children.setdefault(int(_stat(int(path.name))[1]), []).append(int(path.name))
    found = [root]
    for pid in found:
        found += sorted(children.get(pid, []))
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/pid/stat from the third on: state, parent, …, [11] user and [12] system ticks."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def _role(pid: int, supervisor: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    for sign, role in (("compute@", "compute"), ("default@", "default"), (" beat ", "beat")):
        if sign in words:
            return role
    return "up" if pid == supervisor else "web"


def _status(pid: int, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0
