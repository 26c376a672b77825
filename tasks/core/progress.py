"""How far long work has come, for whoever listens: a run shows it on Prefect's pages.

Any thread may say it, as often as it likes: it costs next to nothing, and who listens keeps the
newest. Not responsible for how it is shown (`flows.run_progress`), nor for lines in a log.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Progress(NamedTuple):
    """So many units of a stage are done, of so many."""

    stage: str
    unit: str
    done: int
    total: int

    @property
    def percent(self) -> float:
        return round(100 * min(self.done / self.total, 1), 1)


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []


def tell_progress(stage: str, unit: str, done: int, total: int | None) -> None:
    """Say how far a stage has come; without a total nobody can."""
    if total:
        for listener in _listeners:
            listener(Progress(stage, unit, done, total))


def is_heard() -> bool:
    """Tell whether anybody listens, where knowing the total costs something."""
    return bool(_listeners)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let a function hear all progress of this process while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
