"""Kinds of jobs that harm their worker, and a worker that listens no more once its number is in a file."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from django.apps import AppConfig

from jobs.registry import handles
from matchmaker import redisbroker

JOURNAL = Path(os.environ.get("FRAIL_JOURNAL", os.devnull))
DEAF = Path(os.environ.get("FRAIL_DEAF", os.devnull))


class FrailConfig(AppConfig):
    name = "tests.faults.frail"

    def ready(self) -> None:
        handles("frail.crash")(lambda run: os._exit(1))
        handles("frail.last")(lambda run, seconds: time.sleep(seconds))
        handles("frail.note")(lambda run: {"pid": os.getpid()})
        channel: Any = redisbroker.Channel
        listen = channel._brpop_start

        def listen_unless_deaf(self: Any, timeout: float | None = None) -> None:
            # As a worker was found after connections were reset: alive, and asking its broker for nothing.
            if DEAF.exists() and DEAF.read_text() == str(os.getpid()):
                return
            listen(self, timeout)

        channel._brpop_start = listen_unless_deaf
        if "worker" in sys.argv:
            with JOURNAL.open("a") as journal:
                journal.write(f"{os.getpid()}\n")
