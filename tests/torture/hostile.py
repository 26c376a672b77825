"""Hostile load on a served model: `python tests/torture/hostile.py MODEL [BODIES] [SLOW]`.

Odd bodies, clients that send half a request and wait, heads without end, tiny chunks and crowds of
pipelined requests, all at once. Meanwhile a good client asks and is told the same as before, and
`/livez` is timed. Nothing may be answered 5xx, and memory may not grow with what is sent.
"""

import json
import random
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from servers import Served, serving

HEAD = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
JSON = {"content-type": "application/json"}


class Attack:
    """What all callers saw."""

    def __init__(self, served: Served, row: dict[str, Any]) -> None:
        self.served, self.body = served, json.dumps(row).encode()
        self.statuses: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.waits: list[float] = []
        self.asked = 0
        self.sent = Counter[str]()
        self.over = threading.Event()
        with served.client() as client:
            self.right = client.post("/predict", content=self.body, headers=JSON).json()

    def look(self) -> None:
        with self.served.client() as client:
            while not self.over.is_set():
                begun = time.perf_counter()
                status = client.get("/livez").status_code
                self.waits.append(time.perf_counter() - begun)
                self.statuses[status] += 1
                time.sleep(0.02)

    def ask(self) -> None:
        """Be the good client."""
        with self.served.client() as client:
            while not self.over.is_set():
                answer = client.post("/predict", content=self.body, headers=JSON)
                self.asked += 1
                if answer.status_code != 200 or answer.json() != self.right:
                    self.wrong.append(f"{answer.status_code} {answer.text[:200]}")
                time.sleep(0.01)

    def send_bodies(self, count: int, seed: int) -> None:
        chance = random.Random(seed)
        with self.served.client() as client:
            for _ in range(count):
                path = "/explain" if chance.random() < 0.2 else "/predict"
                body = spoil(self.body, chance)
                with suppress(httpx.TransportError):
                    self.statuses[client.post(path, content=body, headers=JSON).status_code] += 1
                self.sent["bodies"] += 1

    def hold(self, count: int) -> None:
        """Keep so many requests half sent, anew whenever they are hung up on."""
        beginnings = [b"", HEAD, HEAD + b"content-length: 100\r\n\r\n" + b"x" * 50,
                      HEAD + b"content-length: 9000000\r\n\r\n" + b"x" * 1_000_000]  # fmt: skip
        while not self.over.is_set():
            held = []
            for number in range(count):
                with suppress(OSError):
                    each = socket.create_connection(("127.0.0.1", self.served.port), timeout=2)
                    held.append(each)
                    each.sendall(beginnings[number % len(beginnings)])
                self.sent["half requests"] += 1
            self.over.wait(10)
            for each in held:
                each.close()

    def flood(self, name: str, beginning: bytes, more: bytes, size: int) -> None:
        while not self.over.is_set():
            with (
                suppress(OSError),
                socket.create_connection(("127.0.0.1", self.served.port), timeout=2) as flood,
            ):
                flood.sendall(beginning)
                for _ in range(size // len(more)):
                    flood.sendall(more)
            self.sent[name] += 1
            time.sleep(0.05)

    def floods(self) -> list[Callable[[], None]]:
        chunked = HEAD + b"transfer-encoding: chunked\r\n\r\n"
        kinds = [
            ("heads of 100 MB", b"GET /livez HTTP/1.1\r\nx: ", b"a" * 100_000, 100_000_000),
            ("trailers of 100 MB", chunked + b"1\r\n{\r\n0\r\nx: ", b"a" * 100_000, 100_000_000),
            ("tiny chunks", chunked, b"1\r\nx\r\n" * 40_000, 2_000_000),
            ("pipelined crowds", b"", b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n" * 6_000, 10**6),
            ("names of 150 KB", HEAD + b"content-length: 160012\r\n\r\n",
             b'{"' + b"field `" * 22_857 + b'x - at":1}', 160_012),
        ]  # fmt: skip
        return [lambda given=kind: self.flood(*given) for kind in kinds]  # type: ignore[misc]


def spoil(body: bytes, chance: random.Random) -> bytes:
    """Change a few bytes, or send another kind of body altogether."""
    if chance.random() < 0.1:
        return chance.choice([b"[" * 50_000, b'{"a":' * 10_000, b"\xff" * 9_000, b"", b"[" + body])
    data = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def attack(served: Served, row: dict[str, Any], bodies: int, slow: int) -> dict[str, Any]:
    """Attack a server, and say what was seen."""
    worker = psutil.Process(served.worker())
    assault = Attack(served, row)
    before = worker.memory_info().rss
    others = [assault.look, assault.ask, lambda: assault.hold(slow), *assault.floods()]
    threads = [threading.Thread(target=each) for each in others]
    senders = [
        threading.Thread(target=assault.send_bodies, args=(bodies // 4, seed)) for seed in range(4)
    ]
    for each in (*threads, *senders):
        each.start()
    memory = [before]
    while any(each.is_alive() for each in senders):
        memory.append(worker.memory_info().rss)
        time.sleep(0.5)
    assault.over.set()
    for each in threads:
        each.join()
    waits = sorted(assault.waits)
    return {
        "sent": dict(assault.sent),
        "statuses": {str(code): n for code, n in sorted(assault.statuses.items())},
        "good client": {
            "asked": assault.asked,
            "wrong": assault.wrong[:3],
            "n": len(assault.wrong),
        },
        "livez ms": {
            "asked": len(waits),
            "median": round(waits[len(waits) // 2] * 1e3, 1),
            "p99": round(waits[len(waits) * 99 // 100] * 1e3, 1),
            "longest": round(waits[-1] * 1e3, 1),
        },
        "memory MB": {
            "before": before // 10**6,
            "most": max(memory) // 10**6,
            "end": memory[-1] // 10**6,
        },
    }


def example(served: Served) -> dict[str, Any]:
    """Make a row that fits from what the service says of itself."""
    with served.client() as client:
        columns = client.get("/model").json()["columns"]
    kinds = {"Datetime": "2013-02-01T10:00:00Z", "String": "UA", "Boolean": True}
    return {
        each["name"]: next((v for kind, v in kinds.items() if each["type"].startswith(kind)), 1)
        for each in columns
        if each["required"]
    }


if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp())
    counts = [int(each) for each in sys.argv[2:]]
    with serving(folder, Path(sys.argv[1]), PERENNIAL_ROOT=str(folder / "root")) as running:
        seen = attack(running, example(running), *(counts or (20_000, 300)))
        seen["tracebacks"] = running.output.read_text().count("Traceback")
    print(json.dumps(seen, indent=1))
