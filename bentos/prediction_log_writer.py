"""The prediction log writer: what was asked and answered, as Parquet parts under the root.

Responsible for a bounded queue and for emptying it in a thread of its own. It never slows an
answer down nor fails one: what cannot be kept is counted. A part appears whole or not at all, so a
kill loses at most what came in since the last flush.
"""

import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, cast

import polars as pl

from bentos.background import BackgroundTask
from bentos.columns import Row, Rows
from bentos.metrics import Metrics
from bentos.model import Model
from tasks.core.errors import first_line
from tasks.prediction.log_schema import make_part, part_path, write_part
from tasks.storage.store import Store

log = logging.getLogger("perennial.serving")

_CAPACITY = 100_000  # rows that may wait; more are dropped and counted
_POLL_SECONDS = 0.1  # what waits longer is out of the processor's cache
_SOON_SECONDS = 1.0
_CHUNK_ROWS = 2_000
_COMPLAINT_SECONDS = 60.0


Answered = tuple[Model, Row, Any, str, int]  # with a request's id, and nanoseconds since 1970


class _Batch(NamedTuple):  # quicker to make than a dataclass, for each request
    model: Model
    rows: Rows
    predictions: Sequence[Any]
    requests: Sequence[str]
    time_us: int

    def joins(self, first: "_Batch") -> bool:
        """Tell whether it can be put into one frame with another."""
        tuples = not isinstance(self.rows, pl.DataFrame)
        return self.model is first.model and tuples and not isinstance(first.rows, pl.DataFrame)


class PredictionLog:
    """Without a store it takes everything and keeps nothing.

    `claim` tells whether it is this process that does what one of several is to do.
    """

    def __init__(
        self,
        store: Store | None,
        metrics: Metrics,
        claim: Callable[[str, str], bool] = lambda work, turn: True,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._claim = claim
        self._queue: deque[_Batch] = deque()
        self._adding = threading.Lock()
        self._added = self._taken = 0
        self._single: deque[Answered] = deque()
        self._added_single = 0  # by the event loop alone, which needs no lock for it
        self._frames: list[tuple[Model, pl.DataFrame]] = []
        self._complained = -_COMPLAINT_SECONDS
        self._retained = ""
        self._flushed = 0.0
        self._emptying = BackgroundTask(
            "prediction-log", _POLL_SECONDS, self._empty, last=self._finish
        )

    def start(self) -> None:
        if self._store is not None:
            self._flushed = time.monotonic()
            self._emptying.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        self._emptying.stop()

    def add(
        self,
        model: Model,
        rows: Rows,
        predictions: Sequence[Any],
        requests: Sequence[str],
    ) -> None:
        """Queue answered rows with a request id for each; never blocks."""
        if not self.keeps(model):
            return
        batch = _Batch(model, rows, predictions, requests, time.time_ns() // 1_000)
        with self._adding:
            if self._waiting + len(rows) > _CAPACITY:
                self._metrics.dropped["queue full"] += len(rows)
                return
            self._added += len(rows)
            self._queue.append(batch)

    def add_row(self, model: Model, row: Row, prediction: Any, request: str) -> None:
        """Queue one answered row, from the event loop; where nothing is logged, do not call it."""
        if self._waiting >= _CAPACITY:
            with self._adding:
                self._metrics.dropped["queue full"] += 1
            return
        self._added_single += 1
        self._single.append((model, row, prediction, request, time.time_ns()))

    def keeps(self, model: Model) -> bool:
        """Tell whether rows that this model answers are logged."""
        return self._store is not None and model.definition.serving.log

    @property
    def _waiting(self) -> int:
        return self._added + self._added_single - self._taken

    def _empty(self) -> None:
        """Take what waits, and write it when it is time to, or when it is much."""
        self._guard(self._take)
        self._metrics.waiting_to_log = self._waiting
        due = min((m.definition.serving.log_flush_s for m, _ in self._frames), default=0)
        if self._waiting > _CAPACITY // 4:
            due = min(due, _SOON_SECONDS)
        if self._frames and time.monotonic() - self._flushed >= due:
            self._guard(self._flush)
            self._flushed = time.monotonic()

    def _finish(self) -> None:
        self._guard(self._take)
        self._guard(self._flush)

    def _take(self) -> None:
        """Turn queued batches into frames, few rows at a time so that answers are not held up."""
        while self._single:
            count = min(len(self._single), _CHUNK_ROWS)
            taken = [self._single.popleft() for _ in range(count)]
            for model, each in groupby(taken, itemgetter(0)):
                self._frames.append((model, _frame_rows(model, list(each))))
        while self._queue:
            batches = [self._queue.popleft()]
            rows = len(batches[0].rows)
            while self._queue and self._queue[0].joins(batches[0]) and rows < _CHUNK_ROWS:
                batches.append(self._queue.popleft())
                rows += len(batches[-1].rows)
            self._frames.append((batches[0].model, _join(batches)))

    def _flush(self) -> None:
        """Write a part for each version; what fails stays for the next time, up to a bound."""
        store, frames = self._store, self._frames
        assert store is not None
        while frames:
            model = frames[0][0]
            mine = [frame for owner, frame in frames if owner is model]
            try:
                self._write(store, model, pl.concat(mine))
            except Exception:
                self._drop_oldest()
                raise
            self._frames = frames = [each for each in frames if each[0] is not model]
            rows = sum(map(len, mine))
            self._taken += rows
            self._metrics.logged += rows
            self._metrics.waiting_to_log = self._waiting
            self._retain(store, model)

    def _write(self, store: Store, model: Model, frame: pl.DataFrame) -> None:
        now = datetime.now(UTC)
        name = f"{now:%M%S}-{os.getpid()}-{secrets.token_hex(4)}"
        store.create(part_path(model.name, now, name), write_part(frame))

    def _drop_oldest(self) -> None:
        """Keep half the room for what is still to come while parts cannot be written."""
        while sum(len(frame) for _, frame in self._frames) > _CAPACITY // 2:
            _, frame = self._frames.pop(0)
            self._taken += len(frame)
            self._metrics.dropped["cannot write"] += len(frame)

    def _retain(self, store: Store, model: Model) -> None:
        """Once an hour, remove the days that are older than the definition keeps, copies too."""
        now = datetime.now(UTC)
        if f"{now:%F-%H}" == self._retained:
            return
        self._retained = f"{now:%F-%H}"
        if not self._claim("retention", self._retained):
            return
        oldest = f"{now - model.definition.serving.log_keep - timedelta(days=1):%Y-%m-%d}"
        for folder in (f"predictions/{model.name}", f"monitoring/{model.name}/pieces"):
            for day in store.children(folder):
                if day.removeprefix("date=")[:4].isdecimal() and day.removeprefix("date=") < oldest:
                    store.remove(f"{folder}/{day}")

    def _guard(self, work: Any) -> None:
        """Let no failure end the thread; say so once a minute."""
        try:
            work()
        except Exception as error:
            if time.monotonic() - self._complained > _COMPLAINT_SECONDS:
                self._complained = time.monotonic()
                log.warning("prediction log cannot be written: %s", first_line(error))


def _join(batches: Sequence[_Batch]) -> pl.DataFrame:
    """Put batches that join into one part."""
    model, raw = batches[0].model, batches[0].rows
    if not isinstance(raw, pl.DataFrame):
        raw = model.frame([row for each in batches for row in cast(Sequence[Row], each.rows)])
    return make_part(
        model.definition,
        model.version,
        raw,
        predictions=[value for each in batches for value in each.predictions],
        asked=[each.time_us for each in batches for _ in each.predictions],
        requests=[name for each in batches for name in each.requests],
        correction=model.correction,
    )


def _frame_rows(model: Model, answered: Sequence[Answered]) -> pl.DataFrame:
    """Put single rows of one model into one part."""
    _, rows, predictions, requests, times = zip(*answered, strict=True)
    asked = [nanoseconds // 1_000 for nanoseconds in times]
    return make_part(
        model.definition,
        model.version,
        model.frame(rows),
        predictions,
        asked,
        requests,
        model.correction,
    )
