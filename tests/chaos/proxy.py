"""A small TCP proxy between the town and its Redis: resets and delays connections, no root needed."""

import contextlib
import select
import socket
import struct
import threading
import time

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: closing sends RST instead of FIN


class Proxy(threading.Thread):
    """Forwards connections to a port; `reset` breaks them all for a while, `slow` holds up their data."""

    def __init__(self, target: int) -> None:
        super().__init__(daemon=True, name="proxy")
        self._target = target
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._broken_until = 0.0
        self._slow_until = 0.0
        self._lag = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def reset(self, seconds: float) -> int:
        """Reset every connection, and each new one for so long; return how many were open."""
        self._broken_until = time.monotonic() + seconds
        with self._lock:
            broken = list(self._open)
        for connection in broken:
            _reset(connection)
        return len(broken) // 2

    def slow(self, lag: float, seconds: float) -> None:
        """Hold up every piece of data by `lag` seconds, both ways, for so long."""
        self._lag, self._slow_until = lag, time.monotonic() + seconds

    def end(self) -> None:
        """Stop listening and drop all connections."""
        self._listener.close()
        self.reset(0.0)

    def _serve(self, client: socket.socket) -> None:
        if time.monotonic() < self._broken_until:
            _reset(client)
            return
        try:
            server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            _reset(client)
            return
        server.settimeout(None)
        with self._lock:
            self._open |= {client, server}
        there = threading.Thread(target=self._pump, args=(client, server), daemon=True)
        there.start()
        self._pump(server, client)
        there.join()
        with self._lock:
            self._open -= {client, server}
        for connection in (client, server):
            connection.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        # Looking again and again: a socket that is closed by another thread wakes nobody who waits for it.
        with contextlib.suppress(OSError, ValueError):
            while True:
                if not select.select([source], [], [], 0.05)[0]:
                    continue
                data = source.recv(65536)
                if not data:
                    break
                if time.monotonic() < self._slow_until:
                    time.sleep(self._lag)
                sink.sendall(data)
        for connection in (source, sink):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _reset(connection: socket.socket) -> None:
    """Close with a RST: a shutdown before it would be a clean end."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.close()
