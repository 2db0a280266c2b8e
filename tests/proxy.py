"""A proxy on loopback that breaks connections: none are taken, or one ends in the middle of a request or an answer."""

import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

Cut = Literal["request", "answer", "half-answer"]
"""Half of a request goes through; all of it, and nothing of its answer; half of its answer."""

READ = 2**16


class Proxy:
    """Hands bytes on between `url` and a port of loopback, as long as it is let.

    lost: connections cut, by how. requests: how many came, by method.
    """

    def __init__(self, host: str, port: int) -> None:
        self.upstream = (host, port)
        self.lost = Counter[Cut]()
        self.requests = Counter[str]()
        self._waiting = Counter[tuple[Cut, str]]()
        self._open = set[socket.socket]()
        self._lock = threading.Lock()
        self._listener = _listen(0)
        self.port = self._listener.getsockname()[1]
        self._serve()

    @property
    def url(self) -> str:
        """Where clients go."""
        return f"http://127.0.0.1:{self.port}"

    def lose(self, cut: Cut, method: str, number: int = 1) -> None:
        """Break the next `number` connections that bring a request of this method."""
        with self._lock:
            self._waiting[cut, method] += number

    def forget(self) -> None:
        """Break none any more."""
        with self._lock:
            self._waiting.clear()

    def refuse(self) -> None:
        """End every connection, and take none until `accept`."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            ended = list(self._open)
        for each in ended:
            _close(each)

    def accept(self) -> None:
        """Take connections again, at the same port."""
        self._listener = _listen(self.port)
        self._serve()

    close = refuse

    def _serve(self) -> None:
        threading.Thread(target=self._take, args=(self._listener,), daemon=True).start()

    def _take(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # closed by `refuse`
            try:
                server = socket.create_connection(self.upstream)
            except OSError:
                client.close()
                continue
            _Connection(self, client, server)

    def take_cut(self, method: str, cuts: tuple[Cut, ...]) -> Cut | None:
        """One of the cuts that wait for a request of this method, which waits no more."""
        with self._lock:
            for cut in cuts:
                if self._waiting[cut, method] > 0:
                    self._waiting[cut, method] -= 1
                    self.lost[cut] += 1
                    return cut
        return None

    def opened(self, *ends: socket.socket) -> None:
        """Remember what `refuse` has to end."""
        with self._lock:
            self._open |= set(ends)

    def closed(self, *ends: socket.socket) -> None:
        """End both ends of a connection."""
        with self._lock:
            self._open -= set(ends)
        for end in ends:
            _close(end)


class _Connection:
    """One client's connection, with a thread for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server, self._method = proxy, client, server, ""
        proxy.opened(client, server)
        for work in (self._requests, self._answers):
            threading.Thread(target=self._until_closed, args=(work,), daemon=True).start()

    def _until_closed(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError:
            pass  # the other direction, or `refuse`, has closed it
        finally:
            self._proxy.closed(self._client, self._server)

    def _requests(self) -> None:
        while data := self._client.recv(READ):
            first, _, rest = data.partition(b" ")
            if first.isalpha() and first.isupper() and rest.startswith(b"/"):
                self._method = first.decode()
                self._proxy.requests[self._method] += 1
                if self._proxy.take_cut(self._method, ("request",)):
                    self._server.sendall(data[: len(data) // 2])
                    return
            self._server.sendall(data)

    def _answers(self) -> None:
        while data := self._server.recv(READ):
            cut = self._proxy.take_cut(self._method, ("answer", "half-answer"))
            if cut == "half-answer":
                self._client.sendall(data[: len(data) // 2])
            if cut:
                return
            self._client.sendall(data)


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def _close(end: socket.socket) -> None:
    with suppress(OSError):  # the peer was faster
        end.shutdown(socket.SHUT_RDWR)
    end.close()
