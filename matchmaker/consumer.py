"""The worker's consumer: Celery's, which comes back to its broker sooner."""

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer

RETRY_SECONDS = 1.0


class Consumer(CeleryConsumer):
    """Tries again every second; Celery's own pauses grow to half a minute, which work would then wait."""

    def ensure_connected(self, conn: Any) -> Any:
        pauses = {"interval_start": RETRY_SECONDS, "interval_step": 0, "interval_max": RETRY_SECONDS}
        conn.ensure_connection = partial(conn.ensure_connection, **pauses)
        return super().ensure_connected(conn)
