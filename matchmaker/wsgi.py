"""The entry point of gunicorn."""

import os
from typing import Any

from django.core.signals import request_finished
from django.core.wsgi import get_wsgi_application

from matchmaker.core.process import hold_little_memory, keep_loaded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "matchmaker.settings")

hold_little_memory()
application = get_wsgi_application()


def begin_to_count() -> None:
    """Loaded once, by the parent of all web processes (--preload), before the first of them counts."""
    from matchmaker.metrics.requests import forget_former_processes  # needs the settings read

    forget_former_processes()


begin_to_count()


def read_market_ahead(**_: Any) -> None:
    """After the first request of a process (a fork keeps no threads): filters then find the market read."""
    from matching.snapshot.market import warm_market  # a first answer should not wait for numpy

    request_finished.disconnect(read_market_ahead)
    warm_market(then=keep_loaded)


request_finished.connect(read_market_ahead)
keep_loaded()
