"""Kinds of jobs that harm their worker; a worker and a beat that stand still once their number is written."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from django.apps import AppConfig

from jobs.registry import handles
from matchmaker import redisbroker
from matchmaker.timetable import Timetable

JOURNAL = Path(os.environ.get("FRAIL_JOURNAL", os.devnull))
DEAF = Path(os.environ.get("FRAIL_DEAF", os.devnull))
STUCK = Path(os.environ.get("FRAIL_STUCK", os.devnull))


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
        go_round = Timetable.tick

        def go_round_unless_stuck(self: Any, *args: Any, **options: Any) -> float:
            while STUCK.exists() and STUCK.read_text() == str(os.getpid()):
                time.sleep(1)
            return go_round(self, *args, **options)

        Timetable.tick = go_round_unless_stuck  # type: ignore[method-assign]
        journals = {"worker": JOURNAL, "beat": JOURNAL.with_name("beats")}
        for role, journal in journals.items():
            if role in sys.argv:
                with journal.open("a") as numbers:
                    numbers.write(f"{os.getpid()}\n")
