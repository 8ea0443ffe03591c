"""A TCP proxy that cuts each connection after so many bytes: what it took in last is lost."""

import contextlib
import socket
import threading
from collections.abc import Callable


class CuttingProxy:
    """Forwards 127.0.0.1:`port` to a target; the bytes a connection may bring up come from `budget`, None: any."""

    def __init__(self, target: str, budget: Callable[[], int | None]) -> None:
        self._target = ("127.0.0.1", int(target.rpartition(":")[2]))
        self._budget = budget
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.cut_count = 0
        self.bytes_up = 0
        """Bytes taken from the callers, those of a cut included."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        budget = self._budget()
        with contextlib.suppress(OSError), caller, socket.create_connection(self._target) as server:
            down = threading.Thread(target=_pump, args=(server, caller), daemon=True)
            down.start()
            while data := caller.recv(16_384):
                self.bytes_up += len(data)
                if budget is not None and (budget := budget - len(data)) < 0:
                    self.cut_count += 1
                    break
                server.sendall(data)
            for end in (server, caller):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            down.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)
