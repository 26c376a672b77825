"""The board of a worker group: a few numbers of each worker, in memory that all have mapped.

Responsible for what stands where, and for sums. Each worker writes its own row only, so that no
lock is needed; the row of one that died is cleared by the others.
"""

from mmap import mmap
from pathlib import Path

_READY, _OPEN, _ADOPTED, _IN_FLIGHT, _PASSED = range(5)  # columns; the last: to each of them
_BYTES = 8


def make_board(file: Path, workers: int) -> None:
    file.write_bytes(bytes(workers * (_PASSED + workers) * _BYTES))


class Board:
    """The numbers of all, and the writing of this worker's own."""

    def __init__(self, file: Path, place: int, workers: int) -> None:
        self._width = _PASSED + workers
        with file.open("r+b") as opened:
            self._cells = memoryview(mmap(opened.fileno(), 0)).cast("q")
        if len(self._cells) != workers * self._width:
            raise ValueError(f"{file}: is not the board of {workers} workers")
        self._mine = place * self._width
        self._in_flight = self._cells[_IN_FLIGHT :: self._width]
        self.others = [each for each in range(workers) if each != place]
        self.clear(place)
        self._cells[self._mine + _ADOPTED] = self._count_passed(place)  # what was lost is not due

    def set_ready(self, ready: bool) -> None:
        self._cells[self._mine + _READY] = ready

    def is_ready(self, place: int) -> bool:
        """Tell whether a worker takes connections, as far as is known."""
        return bool(self._cells[place * self._width + _READY])

    def set_open(self, connections: int) -> None:
        self._cells[self._mine + _OPEN] = connections

    def set_in_flight(self, requests: int) -> None:
        self._cells[self._mine + _IN_FLIGHT] = requests

    def count_in_flight(self) -> int:
        """Count the requests in flight in all workers."""
        return sum(self._in_flight)

    def note_passed(self, place: int) -> None:
        """Count a connection that was passed on; it weighs there before it is taken up."""
        self._cells[self._mine + _PASSED + place] += 1

    def note_adopted(self) -> None:
        self._cells[self._mine + _ADOPTED] += 1

    def find_idler(self) -> int | None:
        """Find the worker with the fewest connections, where this one has more."""
        mine = self._cells[self._mine + _OPEN]
        ready = [(self._count_load(each), each) for each in self.others if self.is_ready(each)]
        load, place = min(ready, default=(mine, -1))
        return place if load < mine else None

    def clear(self, place: int) -> None:
        """Take away what a worker that is gone had."""
        row = place * self._width
        for column in (_READY, _OPEN, _IN_FLIGHT):
            self._cells[row + column] = 0

    def _count_load(self, place: int) -> int:
        row = place * self._width
        waiting = self._count_passed(place) - self._cells[row + _ADOPTED]
        return self._cells[row + _OPEN] + waiting

    def _count_passed(self, place: int) -> int:
        return sum(self._cells[_PASSED + place :: self._width])
