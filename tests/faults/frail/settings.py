"""The settings of a worker that is to go wrong."""

from matchmaker.settings import *  # noqa: F403
from matchmaker.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "tests.faults.frail"]
