"""The settings of every process of a town that is to be hurt."""

from matchmaker.settings import *  # noqa: F403
from matchmaker.settings import INSTALLED_APPS as _APPS
from matchmaker.settings import MIDDLEWARE as _MIDDLEWARE

INSTALLED_APPS = [*_APPS, "tests.chaos.inside"]
MIDDLEWARE = ["tests.chaos.inside.aim.Aim", *_MIDDLEWARE]
