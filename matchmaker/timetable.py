"""Beat's scheduler: Celery's, whose process ends itself once it no longer goes round.

Nothing else asks for sweeps and canaries, and a service manager sees only processes that have ended.
"""

import logging
import threading
import time
from typing import Any

from celery.beat import PersistentScheduler
from django.conf import settings

from matchmaker.watchdog import end_process

logger = logging.getLogger(__name__)

# So often a round may take as long as a worker may be silent.
ROUNDS = 3
RETRY_SECONDS = 1


class Timetable(PersistentScheduler):
    """Notes when it went round last, and ends the process when that was too long ago."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.went_round_at = time.monotonic()
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        super().setup_schedule()
        patience = ROUNDS * settings.WATCHDOG_SECONDS
        if patience:
            threading.Thread(target=self._watch, args=[patience], name="watchdog", daemon=True).start()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        self.went_round_at = time.monotonic()
        seconds: float = super().tick(*args, **kwargs)
        return seconds

    def _ensure_connected(self) -> Any:
        """Wait for a broker that is away, however long: every try shows that we live."""

        def note(error: Exception, seconds: float) -> None:
            self.went_round_at = time.monotonic()
            logger.error("beat has no broker: %s; it tries again in %s s", error, seconds)

        return self.connection.ensure_connection(
            note, interval_start=RETRY_SECONDS, interval_step=0, interval_max=RETRY_SECONDS
        )

    def _watch(self, patience: float) -> None:
        looked_at = time.monotonic()
        while True:
            time.sleep(patience / ROUNDS)
            now = time.monotonic()
            # Who was stopped itself (a suspended machine) has not gone round either.
            was_away, looked_at = now - looked_at > patience, now
            if not was_away and now - self.went_round_at > patience:
                end_process("beat", "goes round no more")
