"""The product's settings with the peers' app and addresses beside its own."""

from matchmaker.settings import *  # noqa: F403
from matchmaker.settings import INSTALLED_APPS as _OWN

INSTALLED_APPS = [*_OWN, "benchmarks.serving_site"]
ROOT_URLCONF = "benchmarks.serving_site.urls"
