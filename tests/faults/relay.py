"""A TCP relay that tests can break: cut every connection with a reset, and refuse new ones for a while."""

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Iterator

RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST instead of FIN


class Relay:
    """Passes bytes between its port and another one, until it is told not to."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.listener = self._listen(0)
        self.port: int = self.listener.getsockname()[1]
        self.is_cut = threading.Event()
        self.ended = threading.Event()
        self.pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        listener.settimeout(0.1)
        return listener

    def cut(self) -> None:
        """Reset every connection and every new one, until `mend`."""
        self.is_cut.set()
        for pair in list(self.pairs):
            self._reset(pair)

    def mend(self) -> None:
        """Let connections through again."""
        self.is_cut.clear()

    def close(self) -> None:
        """Stop; no thread and no socket is left."""
        self.ended.set()
        self.cut()
        for thread in self.threads:
            thread.join(5)
        self.listener.close()

    def _reset(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self.pairs.discard(pair)
        for end in pair:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.close()

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                client, _address = self.listener.accept()
            except TimeoutError:
                continue
            client.settimeout(None)
            server = socket.socket()
            pair = (client, server)
            if self.is_cut.is_set():
                self._reset(pair)
                continue
            server.connect(self.target)
            self.pairs.add(pair)
            thread = threading.Thread(target=self._pass_on, args=[pair], daemon=True)
            self.threads.append(thread)
            thread.start()

    def _pass_on(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with contextlib.suppress(OSError, ValueError, KeyError), selectors.DefaultSelector() as selector:
            for end, other in (pair, pair[::-1]):
                selector.register(end, selectors.EVENT_READ, other)
            while pair in self.pairs:
                for key, _events in selector.select(0.1):
                    data = key.fileobj.recv(65536)
                    if not data:
                        return self._reset(pair)
                    key.data.sendall(data)
        self._reset(pair)


@contextlib.contextmanager
def relay(port: int) -> Iterator[Relay]:
    """A relay to that port of this machine, closed at the end."""
    opened = Relay(("127.0.0.1", port))
    try:
        yield opened
    finally:
        opened.close()
