"""Remembers for this process that the broker hangs, so that not every request waits for it (layer: pure)."""

import threading
import time

# Less is a refusal, which holds nobody up: the next one may try at once.
HANGS_SECONDS = 0.1


class Breaker:
    """Lets nobody try for `pause` seconds after a try that hung, then one to find out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed_until = 0.0
        self._hung = False

    def may_try(self, *, pause: float) -> bool:
        """Whether to try now; who finds out is one, the others are turned away meanwhile."""
        with self._lock:
            now = time.monotonic()
            if now < self._closed_until:
                return False
            if self._hung:
                self._closed_until = now + pause
            return True

    def note(self, *, worked: bool, took: float, pause: float) -> None:
        """Learn from a try."""
        with self._lock:
            self._hung = not worked and took > HANGS_SECONDS
            self._closed_until = time.monotonic() + pause if self._hung else 0.0
