"""What is held of bodies is bounded, and a body that does not arrive holds up nobody."""

import asyncio
from contextlib import suppress

import pytest

from bentos.errors import ClientGone, RequestRefused
from bentos.request_bodies import RequestBodies
from bentos.request_head import Message, RequestHead

MOST = 100_000
PART = b"x" * 50_000


class Client:
    """Sends parts of a body, one whenever it is told to."""

    def __init__(self, bodies: RequestBodies) -> None:
        self.parts: asyncio.Queue[Message] = asyncio.Queue()
        self.reading = asyncio.ensure_future(bodies.read(self.parts.get, RequestHead([]), MOST))

    async def send(self, part: bytes = PART, more: bool = True, kind: str = "http.request") -> None:
        self.parts.put_nowait({"type": kind, "body": part, "more_body": more})
        for _ in range(4):
            await asyncio.sleep(0)


def test_the_slowest_body_goes_where_room_runs_out() -> None:
    async def crowd() -> None:
        bodies = RequestBodies()
        clients = [Client(bodies) for _ in range(40)]
        for each in clients:
            await each.send()
            assert bodies.held <= 16 * MOST
        quick = Client(bodies)
        await quick.send(b"{}", more=False)
        assert await quick.reading == b"{}"
        await clients[-1].send(more=False)
        assert await clients[-1].reading == 2 * PART
        await clients[0].send()
        with pytest.raises(RequestRefused, match="slow") as refused:
            await clients[0].reading
        assert refused.value.status == 429
        bodies.let_go(2 * PART)
        for each in clients[1:-1]:
            await each.send(kind="http.disconnect")
            with suppress(RequestRefused), pytest.raises(ClientGone):
                await each.reading
        assert bodies.held == 0

    asyncio.run(crowd())


def test_where_whole_bodies_fill_the_room_the_next_one_is_refused() -> None:
    async def crowd() -> None:
        bodies = RequestBodies()
        for _ in range(16):
            whole = Client(bodies)
            await whole.send(2 * PART, more=False)
            await whole.reading
        late = Client(bodies)
        await late.send(more=False)
        with pytest.raises(RequestRefused) as refused:
            await late.reading
        assert refused.value.status == 429
        bodies.let_go(2 * PART)
        later = Client(bodies)
        await later.send(more=False)
        assert await later.reading == PART

    asyncio.run(crowd())
