"""Connections shared evenly: a worker passes a new one to the sibling that has the fewest.

All workers wait on one socket, and the kernel may give one of them every connection. Responsible
for passing a connection on before a byte of it is read, and for taking up what siblings pass. Who
passes one keeps it until the sibling says that it has it: where that dies or leaves instead, it is
served here. A connection under TLS stays where it was accepted.
"""

import asyncio
import os
import socket
from collections import deque
from contextlib import suppress
from typing import Any, ClassVar

import uvicorn
import uvicorn.protocols.http.auto

from bentos.quick_protocol import QuickProtocol
from bentos.worker_group import WorkerGroup

_MOST_WAITING = 128


class Link:
    """The way to one sibling, and the connections that it has not taken up yet, in order."""

    def __init__(self, address: str) -> None:
        self.waiting: deque[socket.socket] = deque()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise


class ConnectionSharing:
    """One worker's ends of the sockets by which connections are passed."""

    def __init__(self, group: WorkerGroup) -> None:
        self._group = group
        self._links: dict[int, Link] = {}
        self._incoming: set[socket.socket] = set()
        self._taking: set[asyncio.Task[None]] = set()

    def pass_on(self, transport: asyncio.Transport) -> bool:
        """Pass a connection to a worker that has fewer; tell whether it is on its way."""
        place = self._group.board.find_idler()
        if place is None or transport.get_extra_info("sslcontext") is not None:
            return False
        held = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        try:
            if place not in self._links:
                self._links[place] = link = Link(self._group.address(place))
                self._loop.add_reader(link.socket, self._hear, place)
            link = self._links[place]
            socket.send_fds(link.socket, [b"."], [held.fileno()])
        except OSError:  # it is gone, or has enough to take up
            held.close()
            return False
        self._group.board.note_passed(place)
        link.waiting.append(held)
        return True

    def note_open(self) -> None:
        self._group.board.set_open(len(QuickProtocol.open))

    def open(self, server: uvicorn.Server) -> None:
        """Take connections from now on."""
        self._server, self._loop = server, asyncio.get_running_loop()
        address = self._group.address(self._group.place)
        with suppress(FileNotFoundError):
            os.unlink(address)  # of one that was killed
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door.bind(address)
        self._door.listen(_MOST_WAITING)
        self._door.setblocking(False)
        self._loop.add_reader(self._door, self._welcome)
        self.note_open()
        self._group.board.set_ready(True)

    def leave(self) -> None:
        """Take no more; what a sibling was just passing stays with it."""
        self._group.board.set_ready(False)
        with suppress(FileNotFoundError):
            os.unlink(self._group.address(self._group.place))
        self._loop.remove_reader(self._door)
        self._door.close()
        for link in [*self._incoming]:
            self._end(link)

    def _hear(self, place: int) -> None:
        """Let go of what a sibling has, and serve what it will never take up."""
        link = self._links[place]
        try:
            taken = len(link.socket.recv(_MOST_WAITING))
        except BlockingIOError:
            return
        except OSError:
            taken = 0
        for _ in range(taken):
            link.waiting.popleft().close()
        if not taken:
            self._loop.remove_reader(link.socket)
            link.socket.close()
            del self._links[place]
            for connection in link.waiting:
                self._adopt(connection)

    def _welcome(self) -> None:
        """Let siblings in, and those who only look whether this worker lives."""
        with suppress(BlockingIOError):
            while True:
                link, _ = self._door.accept()
                link.setblocking(False)
                self._incoming.add(link)
                self._loop.add_reader(link, self._take, link)

    def _take(self, link: socket.socket) -> None:
        """Take up all that waits on a link; it ends with the sibling."""
        try:
            while True:
                said, passed, _, _ = socket.recv_fds(link, 1, 1)
                if not said:
                    return self._end(link)
                for handle in passed:
                    self._adopt(socket.socket(fileno=handle), passed=True)
                link.send(said)
        except BlockingIOError:
            return None
        except OSError:
            return self._end(link)

    def _end(self, link: socket.socket) -> None:
        self._incoming.discard(link)
        self._loop.remove_reader(link)
        link.close()

    def _adopt(self, connection: socket.socket, passed: bool = False) -> None:
        task = self._loop.create_task(self._serve(connection, passed))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _serve(self, connection: socket.socket, passed: bool) -> None:
        """Serve a connection as if it had just been accepted here.

        One that was passed weighs as waiting until it weighs as open.
        """
        connection.setblocking(False)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._make_protocol, connection)
        except OSError:  # the client has gone meanwhile
            connection.close()
        finally:
            if passed:
                self._group.board.note_adopted()

    def _make_protocol(self) -> "AdoptedProtocol":
        server = self._server
        return AdoptedProtocol(
            config=server.config,
            server_state=server.server_state,
            app_state=server.lifespan.state,
        )


class SharedProtocol(QuickProtocol):
    """A connection that was accepted here, and may go to a sibling before it is read."""

    __slots__ = ("_passed_on",)

    sharing: ClassVar[ConnectionSharing]
    stays = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._passed_on = not self.stays and self.sharing.pass_on(transport)
        if self._passed_on:
            transport.abort()  # now, as uvloop cannot pause here; it closes this handle alone
            return
        super().connection_made(transport)
        self.sharing.note_open()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._passed_on:
            return
        super().connection_lost(exc)
        self.sharing.note_open()


class AdoptedProtocol(SharedProtocol):
    """A connection that was passed, and stays."""

    __slots__ = ()

    stays = True


class SharingServer(uvicorn.Server):
    """Uvicorn's server, which takes up its siblings' connections as long as it takes its own."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        SharedProtocol.sharing.open(self)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        SharedProtocol.sharing.leave()
        await super().shutdown(sockets)


def share_connections(group: WorkerGroup) -> None:
    """Let the server that Uvicorn makes next share its connections with its siblings."""
    SharedProtocol.sharing = ConnectionSharing(group)
    auto: Any = uvicorn.protocols.http.auto
    auto.AutoHTTPProtocol = SharedProtocol
    server: Any = uvicorn
    server.Server = SharingServer
