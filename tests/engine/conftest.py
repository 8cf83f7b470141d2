"""Machines that run tests are shared and slow at times: no example fails for its time."""

from hypothesis import settings

settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")
