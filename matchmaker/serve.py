"""The web server of `up`: gunicorn on a socket that the supervisor holds."""

import os
import sys
from dataclasses import dataclass
from typing import Any

from gunicorn.app.base import BaseApplication


@dataclass(frozen=True)
class Web:
    """How to serve: the listening socket's number and how many processes."""

    fd: int
    workers: int
    heartbeat_dir: str

    def run(self) -> None:
        """Serve until told to stop."""
        _Gunicorn(self).run()

    def command(self) -> list[str]:
        """The same in a process of its own."""
        return [sys.executable, "-m", "matchmaker.serve", str(self.fd), str(self.workers), self.heartbeat_dir]


class _Gunicorn(BaseApplication):
    def __init__(self, web: Web) -> None:
        self.web = web
        super().__init__()

    def load_config(self) -> None:
        chosen = {
            "bind": f"fd://{self.web.fd}",
            "worker_class": "gthread",
            "workers": self.web.workers,
            "threads": 4,
            "preload_app": True,
            "graceful_timeout": 5,
            "limit_request_line": 8190,  # `exclude` may name 100 suggestions
            "loglevel": "warning",
            "worker_tmp_dir": self.web.heartbeat_dir,
            "control_socket_disable": True,
            "proc_name": "matchmaker",
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "matchmaker.settings")
        from matchmaker.wsgi import application  # loads Django, which `up` may have done before

        return application


if __name__ == "__main__":
    Web(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]).run()
