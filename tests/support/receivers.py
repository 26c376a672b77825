"""What receives messages in tests: a web server and a mail server, both real and on loopback."""

import asyncio
import email
import email.policy
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """A web server that keeps JSON bodies, and the path of each GET; it may refuse, or be slow."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.server, self.bodies = server, list[dict[str, Any]]()
        self.status, self.delay = 204, 0.0
        self.called: list[str] = []

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    @property
    def texts(self) -> list[str]:
        return [each.get("text") or f"{each['title']}: {each['message']}" for each in self.bodies]


class Mailbox:
    """A mail server that keeps what it is sent."""

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []
        self.port = 0

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said, lines = b"220 test ESMTP", list[bytes]()
        taking = False
        while True:
            if said:
                writer.write(said + b"\r\n")
                await writer.drain()
            line = await reader.readline()
            word = line.strip().upper()
            if not line or (word == b"QUIT" and not taking):
                break
            if taking:
                taking = word != b"."
                said = b"" if taking else b"250 kept"
                lines.append(line)
                if not taking:
                    mail = email.message_from_bytes(
                        b"".join(lines[:-1]), policy=email.policy.default
                    )
                    self.mails.append(mail)
            else:
                taking = word == b"DATA"
                said = b"354 go on" if taking else b"250 test"
        writer.close()


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(receiver.delay)
            receiver.bodies.append(json.loads(body))
            self.send_response(receiver.status)
            self.end_headers()

        def do_GET(self) -> None:
            receiver.called.append(self.path)
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def mailing() -> Iterator[Mailbox]:
    box, loop = Mailbox(), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(box.receive, "127.0.0.1", 0))
    box.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield box
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()
