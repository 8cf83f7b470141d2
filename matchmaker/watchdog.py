"""A worker's watch over itself: one that no longer hears its queues ends, and is started again.

Seen: after a few seconds of reset connections a worker stays alive, says OK to `inspect ping` and takes no
work for ever. So every worker sends itself a message through the connection that its work comes by. When
nothing at all arrives, although sending works and a place is free, it is deaf. A broker that is away for all,
and places that are all taken, show nothing and end nobody.
"""

import logging
import os
import socket
import threading
import time
from typing import Any

from celery import signals
from celery.utils.nodenames import worker_direct
from celery.worker import state

logger = logging.getLogger(__name__)

# So many looks in the time that a worker may be without a message, and never fewer than one in so long.
LOOKS = 3
LONGEST_SLEEP = 30.0
DEAF, HANGS = "hears nothing any more", "has a task that does not end"
EXIT_CODE = 70


class Watch:
    """What one worker process has heard and has in work."""

    def __init__(self, *, patience: float, longest_task: float) -> None:
        self.patience = patience
        self.longest_task = longest_task
        self.heard_at = self.looked_at = time.monotonic()
        self.running: dict[str, float] = {}

    def note_message(self, **_kwargs: Any) -> None:
        """A message came: this process hears."""
        self.heard_at = time.monotonic()

    def note_start(self, task_id: str = "", **_kwargs: Any) -> None:
        """A task takes a place."""
        self.running[task_id] = time.monotonic()

    def note_end(self, task_id: str = "", **_kwargs: Any) -> None:
        """The task has left it; with a place free again, messages are due from now on."""
        self.running.pop(task_id, None)

    def look(self, *, places: int, busy: int = 0, is_sent: bool) -> str:
        """Why this process has to end; empty when it may go on.

        `is_sent`: whether a message to this process could be sent just now. `busy`: places that are known to
        be taken otherwise; tasks of a prefork pool begin and end in its children.
        """
        now = time.monotonic()
        # Who was stopped itself (a suspended machine) has not listened either.
        was_away = now - self.looked_at > self.patience / 2
        self.looked_at = now
        if self.running and now - min(list(self.running.values())) > self.longest_task:
            return HANGS
        if not is_sent or was_away or max(len(self.running), busy) >= places:
            self.heard_at = now
        return DEAF if now - self.heard_at > self.patience else ""


class _Keeper(threading.Thread):
    """Looks again and again, and ends the process when it has to."""

    def __init__(self, worker: Any, watch: Watch) -> None:
        super().__init__(name="watchdog", daemon=True)
        self.worker = worker
        self.watch = watch
        self.is_ready = threading.Event()

    def run(self) -> None:
        while True:
            time.sleep(min(self.watch.patience / LOOKS or LONGEST_SLEEP, LONGEST_SLEEP))
            tell_systemd("WATCHDOG=1")
            if self.is_ready.is_set() and self.watch.patience:
                busy = len(state.active_requests)
                reason = self.watch.look(places=self.worker.pool.limit, busy=busy, is_sent=self._send())
                if reason:
                    end_process("worker", reason)

    def _send(self) -> bool:
        """Whether a message to this very worker could be handed to the broker."""
        try:
            queue = worker_direct(self.worker.hostname)
            self.worker.app.send_task("jobs.tasks.answer", queue=queue, expires=60)
        except Exception:  # any transport raises its own kind
            return False
        return True


def end_process(who: str, reason: str) -> None:
    """End at once: jobs in work come back by the sweep, the supervisor starts another process."""
    logger.critical("this %s %s: it ends, to be started again", who, reason)
    logging.shutdown()
    os._exit(EXIT_CODE)


def tell_systemd(word: str) -> None:
    """Send a word to the service manager, if it is one that asked for it (`WatchdogSec=`)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(word.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
        except OSError:
            logger.warning("the service manager cannot be told", exc_info=True)


@signals.celeryd_after_setup.connect(weak=False)
def begin(instance: Any = None, **_kwargs: Any) -> None:
    """Watch the worker that is being set up in this process."""
    from django.conf import settings  # the settings name the Celery app, which imports this module

    watch = Watch(patience=settings.WATCHDOG_SECONDS, longest_task=settings.CELERY_TASK_TIME_LIMIT)
    keeper = _Keeper(instance, watch)
    signals.task_received.connect(watch.note_message, weak=False)
    signals.task_prerun.connect(watch.note_start, weak=False)
    signals.task_postrun.connect(watch.note_end, weak=False)
    signals.worker_ready.connect(lambda **_: keeper.is_ready.set(), weak=False)
    keeper.start()
