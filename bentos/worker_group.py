"""A worker group: the processes of one service that share a port, and where they find each other.

Responsible for the group's folder, for each worker's place in it, and for who is alive. Not
responsible for starting workers (`supervision`) and for what they share: connections
(`connection_sharing`), metrics (`shared_metrics`), counts (`worker_board`).
"""

import atexit
import fcntl
import os
import shutil
import socket
import tempfile
from pathlib import Path

from bentos.worker_board import Board, make_board

_GROUP = "PERENNIAL_WORKER_GROUP"  # its size and folder, from the supervising process to workers
_BOARD = "board"


def found_group(workers: int) -> None:
    """Make the folder of a group, and name it to the workers in their environment."""
    os.environ.pop(_GROUP, None)
    if workers == 1:
        return
    folder = Path(tempfile.mkdtemp(prefix="perennial-workers-"))  # its owner's alone
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # What clears away old temporary files leaves alone what is locked, as long as this process is.
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)
    make_board(folder / _BOARD, workers)
    os.environ[_GROUP] = f"{workers} {folder}"


class WorkerGroup:
    """The group as one of its workers sees it. Places count from 0."""

    def __init__(self, folder: Path, place: int, workers: int) -> None:
        self.folder, self.place = folder, place
        self.places = range(workers)
        self.board = Board(folder / _BOARD, place, workers)
        self._entry = os.open(folder, os.O_RDONLY)

    def address(self, place: int) -> str:
        """Name a worker's socket, by a path that is short enough for one wherever the folder is."""
        short = Path(f"/proc/self/fd/{self._entry}")
        return str((short if short.exists() else self.folder) / f"worker-{place}")

    def look(self) -> None:
        """Look who is alive, and clear away what those had that are not."""
        for place in self.board.others:
            if self.board.is_ready(place) and not self._answers(place):
                self.board.clear(place)

    def claim(self, work: str, turn: str) -> bool:
        """Tell whether this worker is the first to ask for what one of them is to do each turn."""
        mine = self.folder / f"claimed-{work}-{turn}"
        try:
            mine.touch(exist_ok=False)
        except FileExistsError:
            return False
        for each in self.folder.glob(f"claimed-{work}-*"):
            if each != mine:
                each.unlink(missing_ok=True)
        return True

    def _answers(self, place: int) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            asked.setblocking(False)
            try:
                asked.connect(self.address(place))
            except BlockingIOError:  # it has not got round to those that asked before
                return True
            except OSError:
                return False
            return True


def join_group(number: int | None) -> WorkerGroup | None:
    """Take the place of BentoML's worker of this number; None where it is alone."""
    workers, _, folder = os.environ.get(_GROUP, "").partition(" ")
    if not workers or number is None or number > int(workers):
        return None
    return WorkerGroup(Path(folder), number - 1, int(workers))
