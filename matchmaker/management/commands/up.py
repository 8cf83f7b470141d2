"""`manage.py up`: from a fresh clone to a served town, in one command."""

import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, call_command
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import translation

from matchmaker.bootstrap import explain_os_error, no_space_line, say
from matchmaker.core.files import write_whole
from matchmaker.serve import Web
from matchmaker.supervisor import Child, Supervisor
from matchmaker.translations import compile_translations

ONE_BLAS_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# Celery's warning about root is about pickled messages; ours are JSON and hold ids.
WORKER = {**ONE_BLAS_THREAD, "PYTHONWARNINGS": "ignore:You're running the worker"}


class Command(BaseCommand):
    """Prepares the database, loads the demo town into an empty one, and serves it."""

    help = "Prepares everything and serves on http://127.0.0.1:8000 until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on.")
        parser.add_argument("--port", type=int, default=8000, help="Port to listen on.")
        parser.add_argument("--web-workers", type=int, default=2, help="Web processes.")
        parser.add_argument("--no-demo", action="store_true", help="Leave an empty database empty.")
        parser.add_argument("--stalls", type=int, default=300, help="Stalls of the demo town.")
        parser.add_argument("--anchors", type=int, default=3000, help="Anchors of the demo town.")

    def handle(self, *_args: Any, **options: Any) -> None:
        translation.activate(say("en", "zh-hans"))
        demo = DemoTown(options["stalls"], options["anchors"])
        try:
            listener = listen(options["host"], options["port"])
            self._prepare(demo)
            wanted = settings.EMBEDDED and not options["no_demo"] and is_empty()
        except (OSError, DatabaseError) as error:
            sys.exit(explain(error))
        except KeyboardInterrupt:
            sys.exit(130)
        connections.close_all()
        os.environ.update(ONE_BLAS_THREAD)
        supervisor = Supervisor(processes(listener, options["web_workers"]), self._tell)
        host = f"[{options['host']}]" if ":" in options["host"] else options["host"]
        address = f"http://{host}:{options['port']}"

        def fill_and_welcome() -> None:
            try:
                self._fill(demo, wanted)
                self._welcome(address, demo)
            except (OSError, DatabaseError) as error:
                supervisor.give_up(explain(error))

        # Beside the supervisor: the demo town is loaded while web and workers are still starting.
        beside = threading.Thread(target=fill_and_welcome, daemon=True)
        supervisor.run(meanwhile=beside.start)
        if supervisor.failure:
            sys.exit(supervisor.failure)
        self._tell(say("Stopped.", "已停止。"))

    def _prepare(self, demo: "DemoTown") -> None:
        compile_translations(settings.LOCALE_PATHS)
        if settings.EMBEDDED:
            demo.drop_half_loaded()
        if has_pending_migrations():
            self._tell(say("Preparing the database …", "正在准备数据库 …"))
            call_command("migrate", verbosity=0, interactive=False)
        if not settings.EMBEDDED:
            call_command("collectstatic", verbosity=0, interactive=False)

    def _fill(self, demo: "DemoTown", wanted: bool) -> None:
        translation.activate(say("en", "zh-hans"))  # of this thread
        if wanted:
            self._tell(say("Loading the demo town …", "正在载入示范服装城 …"))
            demo.load()

    def _welcome(self, address: str, demo: "DemoTown") -> None:
        """Wait for web, have the suggestions computed, print where to look."""
        wait_until_answering(f"{address}/healthz")
        if demo.awaits_rematch():
            self._tell(say("Computing everybody's suggestions …", "正在计算所有推荐 …"))
            demo.rematch()
        self.stdout.write("\n".join(welcome_lines(address)))
        self.stdout.flush()

    def _tell(self, line: str) -> None:
        self.stderr.write(line)
        self.stderr.flush()


class DemoTown:
    """Loads the demo town once; a marker file tells the next start how far an interrupted one came."""

    def __init__(self, stalls: int, anchors: int) -> None:
        self.size = {"stalls": stalls, "anchors": anchors}
        self.marker = settings.VAR_DIR / "demo-town"

    def _stage(self) -> str:
        return self.marker.read_text(encoding="ascii") if self.marker.exists() else ""

    def drop_half_loaded(self) -> None:
        """Nobody was shown the way to a town whose loading was interrupted: begin again."""
        if self._stage() == "loading":
            connections.close_all()
            for suffix in ("", "-wal", "-shm"):
                Path(f"{connection.settings_dict['NAME']}{suffix}").unlink(missing_ok=True)
            self.marker.unlink()

    def load(self) -> None:
        write_whole(self.marker, "loading")
        call_command("seed", **self.size)
        write_whole(self.marker, "rematch")

    def awaits_rematch(self) -> bool:
        return self._stage() == "rematch"

    def rematch(self) -> None:
        call_command("rematch")
        connection.close()
        self.marker.unlink()


def listen(host: str, port: int) -> socket.socket:
    """The listening socket, held here so that no request is refused while web restarts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        sys.exit(
            say(
                f"Cannot listen on {host}:{port} ({reason}): stop what uses it or choose another --port.",
                f"无法监听 {host}:{port}（{reason}）：请停止占用它的程序，或用 --port 换一个端口。",
            )
        )
    return listener


def is_empty() -> bool:
    """Whether nobody has ever signed up here."""
    return not get_user_model().objects.exists()


def has_pending_migrations() -> bool:
    """Whether the database lacks a migration; far cheaper than running `migrate` to find out."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def explain(error: OSError | DatabaseError) -> str:
    """The one line for a disk or a database that cannot be used."""
    if isinstance(error, OSError):
        return explain_os_error(error)
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "disk is full" in text or "disk I/O error" in text:
        return no_space_line(needed=200 * 2**20)
    return say(f"The database cannot be used: {text}", f"无法使用数据库：{text}")


def processes(listener: socket.socket, web_workers: int) -> list[Child]:
    """Web, the two workers and beat; web first, it takes longest to answer."""
    web = Web(listener.fileno(), web_workers, str(settings.VAR_DIR))
    celery = [sys.executable, "-m", "celery", "--quiet", "-A", "matchmaker.celery"]
    quiet = ["--loglevel", "WARNING"]
    worker = [*celery, "worker", *quiet, "--pool", "threads"]
    worker += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    compute = [*worker, "-Q", "compute", "-n", "compute@%h", "--concurrency", "2"]
    default = [*worker, "-Q", "default", "-n", "default@%h", "--concurrency", "4"]
    beat = [*celery, "beat", *quiet, "--pidfile", ""]
    return [
        Child("web", web.command(), pass_fds=(web.fd,), env=ONE_BLAS_THREAD, fork=web.run),
        Child("compute worker", compute, env=WORKER),
        Child("default worker", default, env=WORKER),
        Child("beat", beat),
    ]


def wait_until_answering(url: str, seconds: float = 60.0) -> bool:
    """Whether anything answered there in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 (our own http address)
                return True
        except urllib.error.HTTPError:
            return True  # it answers, if only to say that it does not go by this name (0.0.0.0)
        except OSError:
            time.sleep(0.05)
    return False


def welcome_lines(address: str) -> list[str]:
    """Where to look, with which demo logins, and one line to try."""
    lines = [
        "",
        f"  {settings.TOWN_NAME_ZH} · {settings.TOWN_NAME_EN}",
        f"  {say('API documentation', '接口文档')}  {address}/api/v1/docs/",
        f"  {say('Administration', '管理后台')}     {address}/admin/",
    ]
    card = demo_card()
    if card is not None:
        lines += ["", say("  Demo logins (phone, password):", "  演示账号（手机号、密码）：")]
        lines += [f"    {role:<10} {phone}  {password}" for role, phone, password in card.logins]
        lines += [
            "",
            say("  Try:", "  试一试："),
            f"    {card.curl.replace('http://127.0.0.1:8000', address)}",
        ]
    lines += ["", say("  Ctrl-C stops everything.", "  按 Ctrl-C 全部停止。"), ""]
    return lines


def demo_card() -> Any:
    """The demo town's logins and its curl line; None where this is no demo town."""
    if not settings.EMBEDDED or not apps.is_installed("seeds"):
        return None
    from seeds.demo import demo_card as card  # it reads the database: not before the apps are loaded

    return card()
