"""A town of its own on a machine of its own folders: every process that production has, kept alive."""

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from urllib.parse import quote

from tests.chaos.processes import Keeper, Kept
from tests.chaos.proxy import Proxy
from tests.services import _postgres_binaries, _readable, _redis_binary, _unprivileged, free_port, wait_until

BASE_DIR = Path(__file__).resolve().parent.parent.parent
_CREATE_TABLES = """
from django.db import connection
from tests.chaos.inside.apps import TABLES
connection.cursor().execute(TABLES)
"""
CELERY = [sys.executable, "-m", "celery", "--quiet", "-A", "matchmaker.celery"]


@dataclass
class Cluster:
    """What runs, by name, and where the web answers."""

    folder: Path
    env: dict[str, str]
    port: int
    redis_port: int
    keeper: Keeper
    proxy: Proxy
    named: dict[str, Kept] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *arguments: str) -> None:
        """Run a command of `manage.py` to its end."""
        command = [sys.executable, str(BASE_DIR / "manage.py"), *arguments]
        done = subprocess.run(command, env=self.env, cwd=BASE_DIR, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def keep(self, name: str, argv: list[str], **options: object) -> Kept:
        """Start a process of this name and keep it alive."""
        kept = Kept(name, argv, self.folder, **options)  # type: ignore[arg-type]
        self.named[name] = self.keeper.add(kept)
        return kept

    def set_up_django(self) -> None:
        """Let this process see the database and the broker of the town."""
        os.environ.update(self.env)
        import django

        django.setup()

    def logs(self, most: int = 3000) -> str:
        """The ends of all logs, for who looks for a fault."""
        paths = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {p.name}\n{p.read_text(errors='replace')[-most:]}" for p in paths)


@contextlib.contextmanager
def cluster(*, stalls: int, anchors: int, lossy: str = "") -> Iterator[Cluster]:
    """The whole town, seeded and answering; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mm-chaos-", dir="/tmp"))  # noqa: S108
    keeper = Keeper()
    try:
        redis_port = free_port()
        proxy = Proxy(redis_port)
        proxy.start()
        town = Cluster(folder, {}, free_port(), redis_port, keeper, proxy)
        database = _start_postgres(town)
        _start_redis(town, redis_port)
        town.env = _environment(folder, database, proxy.port, lossy)
        town.manage("migrate", "--verbosity", "0")
        town.manage("shell", "--verbosity", "0", "--command", _CREATE_TABLES)
        town.manage("seed", "--stalls", str(stalls), "--anchors", str(anchors), "--progress", "none")
        _start_town(town, "tests.chaos.lossy" if lossy else "matchmaker.wsgi")
        keeper.start()
        yield town
    finally:
        keeper.end()
        proxy.end()
        rmtree(folder, ignore_errors=True)


def _environment(folder: Path, database: str, redis_port: int, lossy: str) -> dict[str, str]:
    (folder / "var").mkdir(exist_ok=True)
    return {
        **os.environ,
        "DATABASE_URL": database,
        "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "MATCHMAKER_VAR_DIR": str(folder / "var"),
        "MATCHMAKER_ALLOWED_HOSTS": "127.0.0.1",
        "MATCHMAKER_SSL_REDIRECT": "0",
        "MATCHMAKER_SMS_BACKEND": "gateway.Sms",
        "MATCHMAKER_STAFF_TOTP": "false",
        "MATCHMAKER_BOOTSTRAP": "0",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "DJANGO_SETTINGS_MODULE": "tests.chaos.inside.settings",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(BASE_DIR),
        "CHAOS_LOSSY": lossy,
    }


def _start_postgres(town: Cluster) -> str:
    folder = town.folder / "pg"
    folder.mkdir()
    town.folder.chmod(0o755)
    account = _unprivileged(folder)
    binaries = _readable(_postgres_binaries(), folder, account)
    initdb = [
        str(binaries / "initdb"),
        "-D",
        str(folder / "data"),
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
    ]
    subprocess.run(
        [*initdb, "--locale=C", "--no-sync"], check=True, capture_output=True, cwd=folder, **account
    )  # type: ignore[call-overload]
    server = [
        str(binaries / "postgres"),
        "-D",
        str(folder / "data"),
        "-k",
        str(folder),
        "-c",
        "listen_addresses=",
    ]
    # A killed server loses nothing that the kernel has: only a machine that loses power needs fsync.
    server += ["-c", "max_connections=120", "-c", "fsync=off"]
    town.keep("postgres", server, account=account)
    wait_until(lambda: b"ready to accept connections" in (town.folder / "postgres.log").read_bytes(), 30)
    return f"postgres://postgres@{quote(str(folder), safe='')}/postgres"


def _start_redis(town: Cluster, port: int) -> None:
    server = [_redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(town.folder)]
    town.keep("redis", [*server, "--save", "", "--appendonly", "no"])


def _start_town(town: Cluster, wsgi: str) -> None:
    env, place = town.env, f"127.0.0.1:{town.port}"
    web = [sys.executable, "-m", "gunicorn", wsgi, "--bind", place, "--worker-class", "gthread"]
    town.keep("web", [*web, "--workers", "2", "--threads", "4", "--no-control-socket"], env=env)
    worker = [*CELERY, "worker", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    compute = ["-Q", "compute", "-n", "compute@%h", "--pool", "threads", "--concurrency", "2"]
    town.keep("compute", [*worker, *compute], env=env)
    default = ["-Q", "default", "-n", "default@%h", "--pool", "prefork", "--concurrency", "4"]
    town.keep("default", [*worker, *default], env=env)
    beat = [
        *CELERY,
        "beat",
        "--pidfile",
        "",
        "--schedule",
        str(town.folder / "beat"),
        "--loglevel",
        "WARNING",
    ]
    town.keep("beat", beat, env=env)
