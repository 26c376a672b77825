"""The request count writer: what the service counted, under the root once a minute for the monitor.

Responsible for what is written, and of which hour. It never holds up an answer nor fails one: what
cannot be written is written the next time, for every hour's file holds all of its hour so far.
"""

import logging
import os
import secrets
from datetime import UTC, datetime

from bentos.background import BackgroundTask
from bentos.metrics import Metrics
from tasks.core.errors import first_line
from tasks.serving.request_counts import Counters, combine, write_counters
from tasks.storage.store import Store

log = logging.getLogger("perennial.serving")

_SECONDS = 60.0
_LOOKED_AT = ("/predict", "/explain", "other")  # probes and scrapes would hide what matters


class RequestCountWriter:
    """Without a store it does nothing."""

    def __init__(self, store: Store | None, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._server = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._before = self._written = self._look(_this_hour())
        self._complained = False
        self._writing = BackgroundTask("counting", _SECONDS, self._write, last=self._write)

    def start(self) -> None:
        if self._store is not None:
            self._writing.start()

    def stop(self) -> None:
        """Write what was counted since the last time, and end."""
        self._writing.stop()

    def _write(self) -> None:
        """Write the hour's counts where they changed; with a new hour, begin anew."""
        assert self._store is not None
        now = self._look(_this_hour())
        if now == self._written.model_copy(update={"hour": now.hour}):
            if now.hour != self._before.hour:  # the next to come in belongs to no hour before
                self._before = now
            return
        last = self._before.hour  # what came in since the last writing counts to the hour before
        counted = combine(now, self._before, -1).model_copy(update={"hour": last})
        try:
            write_counters(self._store, self._metrics.model[0], counted)
        except Exception as error:
            if not self._complained:
                log.warning("what was counted cannot be written: %s", first_line(error))
            self._complained = True
            return
        self._complained = False
        self._written = now
        if now.hour != last:
            self._before = now

    def _look(self, hour: datetime) -> Counters:
        metrics = self._metrics
        responses = {f"{path} {status}": n for (path, status), n in [*metrics.responses.items()]}
        return Counters(
            server=self._server,
            hour=hour,
            versions=(metrics.model[1],),
            rows=metrics.rows,
            responses={
                name: count for name, count in responses.items() if name.startswith(_LOOKED_AT)
            },
            dropped=dict(metrics.dropped),
            bounds=metrics.seconds.bounds,
            answers=tuple(metrics.seconds.counts),
        )


def _this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
