"""Holds a worker up once it has told the first readers of a move, or all of them, until it is killed."""

import os
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import AppConfig

# Telling goes by groups of readers: after so many of them the worker stops.
GROUPS = int(os.environ.get("DYING_AFTER_GROUPS", "1"))
MARK = os.environ.get("DYING_MARK", "")


class DyingConfig(AppConfig):
    name = "tests.faults.dying"

    def ready(self) -> None:
        news: Any = import_module("matching.services.news")
        tell, told = news.tell, []

        def tell_and_hang(**given: Any) -> None:
            tell(**given)
            told.append(given)
            if len(told) == GROUPS:
                Path(MARK).touch()
                time.sleep(600)

        news.tell = tell_and_hang
