"""Beat's scheduler: Celery's, whose process ends itself once it no longer goes round.

Nothing else asks for sweeps and canaries, and a service manager sees only processes that have ended.
"""

import threading
import time
from typing import Any

from celery.beat import PersistentScheduler
from django.conf import settings

from matchmaker.watchdog import end_process

# A round may wait for a broker that hangs, once for every entry that is due.
ROUNDS = 3


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

    def _watch(self, patience: float) -> None:
        looked_at = time.monotonic()
        while True:
            time.sleep(patience / ROUNDS)
            now = time.monotonic()
            # Who was stopped itself (a suspended machine) has not gone round either.
            was_away, looked_at = now - looked_at > patience, now
            if not was_away and now - self.went_round_at > patience:
                end_process("beat", "goes round no more")
