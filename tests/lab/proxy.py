"""A TCP proxy in front of a host's sshd: a network that is slow, goes dumb, or breaks, whenever a test wants it.

It listens on an address that counts as the host's own, so that host keys are checked as ever. It runs on one thread
of its own, in the network of whoever starts it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

Way = Literal["up", "down"]
"""`up` goes to the host."""

CHUNK = 16384
LIMIT = 20.0


class Proxy:
    """Passes on connections to one address, and knows how to spoil them."""

    def __init__(self, listen: str, host: str, port: int = 22) -> None:
        self.address = listen
        self.port = port
        self.delay = 0.0
        """Seconds that each piece is on its way, in each direction."""
        self.rate = 0
        """Bytes in a second in each direction; 0 is as many as there are."""
        self.passed: dict[Way, int] = {"up": 0, "down": 0}
        """Bytes that came through so far."""
        self.accepted = 0
        """Connections so far."""
        self._host = host
        self._cut_at: dict[Way, int] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy {listen}", daemon=True)
        self._flowing: dict[Way, asyncio.Event] = {}
        self._server: asyncio.Server | None = None

    def start(self) -> None:
        self._thread.start()
        self._do(self._open())

    def stop(self) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LIMIT)
        self._loop.close()

    def cut(self) -> None:
        """Break all connections with a reset; new ones are served."""
        self._do(self._reset())

    def cut_after(self, count: int, way: Way) -> None:
        """Break all connections as soon as so many more bytes have gone that way; the last of them arrive."""
        self._cut_at[way] = self.passed[way] + count

    def hang(self, *ways: Way) -> None:
        """Pass nothing on any more, in one direction or both, and tell nobody: connections stay open."""
        self._do(self._set_flowing(ways or ("up", "down"), flowing=False))

    def flow(self) -> None:
        """Go on where it hung: nothing was lost."""
        self._do(self._set_flowing(("up", "down"), flowing=True))

    def _do(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(LIMIT)

    async def _open(self) -> None:
        self._flowing = {"up": asyncio.Event(), "down": asyncio.Event()}
        await self._set_flowing(("up", "down"), flowing=True)
        self._server = await asyncio.start_server(self._serve, self.address, self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _set_flowing(self, ways: tuple[Way, ...], *, flowing: bool) -> None:
        for way in ways:
            if flowing:
                self._flowing[way].set()
            else:
                self._flowing[way].clear()

    async def _reset(self) -> None:
        for writer in list(self._writers):
            raw = writer.get_extra_info("socket")
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection(self._host, self.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(back)
        for stream in (writer, back):
            stream.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for passing in (self._pass_on(reader, back, "up"), self._pass_on(there, writer, "down")):
            task = self._loop.create_task(passing)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Way) -> None:
        """Pass on one direction; what was read waits its delay in a queue, so that pieces travel together."""
        travelling: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=256)
        arriving = self._loop.create_task(self._arrive(travelling, sink, way))
        try:
            while piece := await source.read(min(CHUNK, self.rate // 10 or 1) if self.rate else CHUNK):
                await travelling.put((self._loop.time() + self.delay, piece))
                if self.rate:
                    await asyncio.sleep(len(piece) / self.rate)
        except OSError:
            pass
        await travelling.put((self._loop.time() + self.delay, b""))
        with suppress(OSError):
            await arriving

    async def _arrive(
        self, travelling: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter, way: Way
    ) -> None:
        while True:
            due, piece = await travelling.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            await self._flowing[way].wait()
            if not piece:
                sink.close()
                return
            last = self._cut_at.get(way, -1) - self.passed[way]
            cut = 0 <= last <= len(piece)
            sink.write(piece[:last] if cut else piece)
            await sink.drain()
            self.passed[way] += min(last, len(piece)) if cut else len(piece)
            if cut:
                del self._cut_at[way]
                await self._reset()
                return


@contextmanager
def proxy(listen: str, host: str) -> Iterator[Proxy]:
    """Have a proxy in front of a host, e.g. `proxy(host.proxy_address, host.address)`."""
    front = Proxy(listen, host)
    front.start()
    try:
        yield front
    finally:
        front.stop()
