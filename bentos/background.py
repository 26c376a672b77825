"""Work done every so often beside the server, in a thread of its own.

Responsible for when it is done, and for its end. What fails in it is reported by the work itself.
"""

import threading
from collections.abc import Callable

_END_SECONDS = 10.0


class BackgroundTask:
    """Once started, does its work every so many seconds; once stopped, ends with the last of it."""

    def __init__(
        self, name: str, seconds: float, work: Callable[[], None], last: Callable[[], None]
    ) -> None:
        self._seconds, self._work, self._last = seconds, work, last
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            self._work()
        self._last()
