"""The metrics of a worker group: each worker counts by itself, and a scrape answers for all.

Responsible for what each writes of its counters to the group's folder, and for their sum. Counters
stay what they were, plain numbers; a worker that comes in another's place goes on from its counts,
so that no sum falls, whoever answers.
"""

import logging
import os
import threading
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from bentos.background import BackgroundTask
from bentos.metrics import Family, Metrics, list_families, write_families
from bentos.slow_clients import TimedProtocol
from bentos.worker_group import WorkerGroup
from tasks.core.errors import first_line

log = logging.getLogger("perennial.serving")

_SECONDS = 1.0
_ADDED = ("perennial_requests_in_flight", "perennial_log_waiting_rows")  # of gauges
_GAUGE = "gauge"


class SharedMetrics(Metrics):
    """The counters of one worker of a group, which answers for all of them."""

    def __init__(self, group: WorkerGroup) -> None:
        self._group, self._in_flight = group, 0
        super().__init__()
        self.elsewhere = self._count_elsewhere
        self._writing = threading.Lock()
        self._before = _without_gauges(self._read(group.place))
        self._written = b""
        self._complained = False
        self._task = BackgroundTask("shared-metrics", _SECONDS, self._keep, last=self._keep)

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @in_flight.setter
    def in_flight(self, requests: int) -> None:
        self._in_flight = requests
        self._group.board.set_in_flight(requests)

    def start(self) -> None:
        self._task.start()

    def stop(self) -> None:
        """Write what was counted last, and end."""
        self._task.stop()

    def render(self) -> bytes:
        """Write every counter of all workers in Prometheus' text format."""
        self._write()
        self._group.look()
        alive = self._group.board.is_ready
        found = [
            families if place == self._group.place or alive(place) else _without_gauges(families)
            for place in self._group.places
            if (families := self._read(place))
        ]
        return write_families(_add_up(found))

    def _count_elsewhere(self) -> int:
        return self._group.board.count_in_flight() - self._in_flight

    def _keep(self) -> None:
        """Put right what stands of this worker in the group, and of those that died."""
        board = self._group.board
        self._group.look()
        board.set_in_flight(self._in_flight)
        board.set_open(len(TimedProtocol.open))
        try:
            self._write()
        except OSError as error:
            if not self._complained:
                log.warning("metrics cannot be shared: %s", first_line(error))
            self._complained = True
            return
        self._complained = False

    def _write(self) -> None:
        """Write this worker's file where something changed, whole."""
        with self._writing:
            data = msgspec.json.encode(_add_up([list_families(self), self._before]))
            if data == self._written:
                return
            file = self._group.folder / f"counted-{self._group.place}"
            draft = file.with_suffix(".draft")
            draft.write_bytes(data)
            os.replace(draft, file)
            self._written = data

    def _read(self, place: int) -> list[Family]:
        with suppress(FileNotFoundError):
            data = (self._group.folder / f"counted-{place}").read_bytes()
            return msgspec.json.decode(data, type=list[Family])
        return []


def _without_gauges(families: list[Family]) -> list[Family]:
    return [each for each in families if each.kind != _GAUGE]


def _add_up(workers: Iterable[list[Family]]) -> list[Family]:
    """Add counters and what is under way; of other gauges the largest counts."""
    sums: dict[str, tuple[Family, dict[tuple[str, ...], float]]] = {}
    for families in workers:
        for family in families:
            _, values = sums.setdefault(family.name, (family, {}))
            larger = family.kind == _GAUGE and family.name not in _ADDED
            for name, labels, value in family.samples:
                key = (name, *(text for pair in labels.items() for text in pair))
                held = values.get(key, 0.0)
                values[key] = max(held, value) if larger else held + value
    return [
        Family(family.name, family.said, family.kind, [
            (name, dict(zip(labels[::2], labels[1::2], strict=True)), value)
            for (name, *labels), value in values.items()
        ])
        for family, values in sums.values()
    ]  # fmt: skip
