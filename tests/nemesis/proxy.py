"""A TCP proxy in a process of its own: stalls, delays, throttles, drops, and cuts after bytes that it watches for.

Run as a program it takes one JSON object a line on its standard input and answers each with one on its standard
output; `ProxyProcess` is the other end. A stalled direction is a half-open link: bytes wait and are delivered when it
heals, as TCP would resend them; a connection made meanwhile is not carried through.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, Unpack

CHUNK_BYTES = 65_536
UNIX_PREFIX = "unix:"


class Setting(TypedDict, total=False):
    """How a link behaves from now on; what is left out stays as it is."""

    stall_up: bool
    """From the one who connects to the target: nothing passes."""
    stall_down: bool
    """From the target back."""
    delay_ms: int
    """Each chunk waits so long, in either direction."""
    bytes_per_s: int
    """Most bytes a second in either direction; 0: no bound."""
    cut_at: str
    """When a chunk going up has this in it, the connection is cut."""
    cut_count: int
    """So many times, counted from now."""
    cut_before: bool
    """The chunk itself is not delivered."""


@dataclass
class _Link:
    """One listener and its connections."""

    target: str
    up: asyncio.Event = field(default_factory=asyncio.Event)
    down: asyncio.Event = field(default_factory=asyncio.Event)
    setting: Setting = field(default_factory=lambda: Setting(delay_ms=0, bytes_per_s=0, cut_at="", cut_count=0))
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    byte_count_up: int = 0
    byte_count_down: int = 0
    cuts_done: int = 0

    def set(self, setting: Setting) -> None:
        """Takes a setting over."""
        self.setting.update(setting)
        for direction, name in ((self.up, "stall_up"), (self.down, "stall_down")):
            if self.setting.get(name, False):
                direction.clear()
            else:
                direction.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one connection until either side is through or it is cut."""
        self.writers.add(writer)
        try:
            await self.up.wait()
            await self.down.wait()
            if self.target.startswith(UNIX_PREFIX):
                far_reader, far = await asyncio.open_unix_connection(self.target.removeprefix(UNIX_PREFIX))
            else:
                host, _, port = self.target.rpartition(":")
                far_reader, far = await asyncio.open_connection(host, int(port))
        except OSError:
            self.writers.discard(writer)
            writer.transport.abort()
            return
        self.writers.add(far)
        tasks = [
            asyncio.ensure_future(self._pump(reader, far, going_up=True)),
            asyncio.ensure_future(self._pump(far_reader, writer, going_up=False)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        far.close()
        writer.transport.abort()
        self.writers -= {far, writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, going_up: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                await (self.up if going_up else self.down).wait()
                await asyncio.sleep(self._pause_s(len(chunk)))
                cut = going_up and self._cuts(chunk)
                if not (cut and self.setting.get("cut_before", False)):
                    writer.write(chunk)
                    await writer.drain()
                if cut:
                    return
                if going_up:
                    self.byte_count_up += len(chunk)
                else:
                    self.byte_count_down += len(chunk)

    def _pause_s(self, size: int) -> float:
        rate = self.setting["bytes_per_s"]
        return self.setting["delay_ms"] / 1000 + (size / rate if rate else 0)

    def _cuts(self, chunk: bytes) -> bool:
        pattern = self.setting["cut_at"].encode()
        if not (pattern and self.setting["cut_count"] > 0 and pattern in chunk):
            return False
        self.setting["cut_count"] -= 1
        self.cuts_done += 1
        return True

    def drop(self) -> None:
        """Ends every connection at once."""
        for writer in list(self.writers):
            writer.transport.abort()


class _Proxy:
    """All links of one process."""

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}
        self._servers: list[asyncio.Server] = []

    async def carry_out(self, command: dict[str, str]) -> dict[str, object]:
        """Does what one line asks."""
        name = command["link"]
        if command["do"] == "open":
            link = self._links[name] = _Link(command["target"])
            link.set({})
            host, _, port = command["listen"].rpartition(":")
            server = await asyncio.start_server(link.serve, host, int(port), backlog=1024)
            self._servers.append(server)
            return {"port": server.sockets[0].getsockname()[1]}
        link = self._links[name]
        if command["do"] == "set":
            link.set(json.loads(command["setting"]))
        elif command["do"] == "drop":
            link.drop()
        return {"up": link.byte_count_up, "down": link.byte_count_down, "cuts": link.cuts_done}


async def _main() -> None:
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    proxy = _Proxy()
    while line := await commands.readline():
        answer = await proxy.carry_out(json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a link has carried."""

    up_bytes: int
    down_bytes: int
    cut_count: int


class ProxyProcess:
    """The proxy as a process, and what can be asked of it."""

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        """Starts it; `prefix` goes before the command, to run it on a host."""
        command = [*prefix, sys.executable, str(Path(__file__).resolve())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._lock = threading.Lock()

    def open(self, link: str, listen: str, target: str) -> int:
        """Listens on "host:port" for `target` ("host:port" or "unix:path"); returns the port."""
        return int(self._ask(do="open", link=link, listen=listen, target=target)["port"])

    def set(self, link: str, **setting: Unpack[Setting]) -> None:
        """Changes how a link behaves."""
        self._ask(do="set", link=link, setting=json.dumps(setting))

    def drop(self, link: str) -> None:
        """Ends every connection of a link."""
        self._ask(do="drop", link=link)

    def traffic(self, link: str) -> Traffic:
        """What the link has carried so far."""
        answer = self._ask(do="read", link=link)
        return Traffic(answer["up"], answer["down"], answer["cuts"])

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _ask(self, **command: str) -> dict[str, int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        assert line, "the proxy has ended"
        answer: dict[str, int] = json.loads(line)
        return answer


if __name__ == "__main__":
    asyncio.run(_main())
