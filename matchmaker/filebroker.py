"""The broker of files of the embedded default: kombu's, without its half-written files.

Kombu opens a message under its final name and writes it then, so a worker that looks in that instant reads
an empty file and ends. Here a file appears whole, and one that cannot be read is dropped: the job's row is
what counts, and the sweep sends it again.
"""

import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

from matchmaker.core.files import write_whole
from matchmaker.messages import DropsBroken

LONGEST_WAIT = 0.3


class Channel(filesystem.Channel):
    """Kombu's channel, where files appear and vanish in one step."""

    def _put(self, queue: str, payload: Any, **_options: Any) -> None:  # type: ignore[override]
        name = f"{time.time_ns():020}_{uuid.uuid4()}.{queue}.msg"
        write_whole(Path(self.data_folder_out) / name, dumps(payload))

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        suffix = f"{queue}.msg"
        for name in sorted(os.listdir(self.data_folder_in)):
            if name.partition(".")[2] == suffix:
                # Another worker was quicker, or it is no message.
                with suppress(OSError, ValueError, RecursionError):
                    return loads(take(Path(self.data_folder_in) / name))
        raise Empty

    def _queue_bind(
        self, exchange: str, routing_key: str | None, pattern: str | None, queue: str | None
    ) -> None:
        binding = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._bindings_locked():
            held = self.get_table(exchange)
            if binding not in held:
                write_whole(self.control_folder / f"{exchange}.exchange", dumps([binding, *held]))

    def _delete(self, *args: Any, **options: Any) -> None:
        with self._bindings_locked():
            super()._delete(*args, **options)

    @contextmanager
    def _bindings_locked(self) -> Iterator[None]:
        self.control_folder.mkdir(exist_ok=True)
        with open(self.control_folder / ".lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class Transport(DropsBroken, filesystem.Transport):  # type: ignore[misc]
    """Kombu's transport with the channel above."""

    Channel = Channel

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:  # type: ignore[override]
        """Come back often: between two calls a worker sees that it was told to stop, two seconds earlier."""
        super().drain_events(connection, timeout=min(timeout or LONGEST_WAIT, LONGEST_WAIT))


def take(path: Path) -> str:
    """Return what the file holds and remove it; of several takers the one that removes it has it.

    Raises OSError for all others.
    """
    text = path.read_text(encoding="utf-8")
    path.unlink()
    return text
