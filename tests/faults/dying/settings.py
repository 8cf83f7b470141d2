"""The settings of a worker that is to be killed."""

from matchmaker.settings import *  # noqa: F403
from matchmaker.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "tests.faults.dying"]
