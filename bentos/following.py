"""Following releases: the champion of the ledger becomes the model that answers.

Owns when the ledger is looked at, and what was last found there. Refuses to touch a request: it
swaps one pointer, and only for a model that has been verified and has tested itself.
"""

import logging
import time
from collections.abc import Callable

from bentos.metrics import Metrics
from bentos.model import Model, load_model
from bentos.periodic import Periodic
from tasks.errors import first_line
from tasks.registry import find_champion, read_file
from tasks.store import Store

log = logging.getLogger("perennial.serving")

_POLL_SECONDS = 1.0
_RETRY_SECONDS = 30.0


class Follower:
    """Looks for a new champion every second; keeps the last good one when the next is broken."""

    def __init__(
        self, name: str, store: Store, metrics: Metrics, swap: Callable[[Model], None]
    ) -> None:
        self.name = name
        self.problem = ""
        self._store = store
        self._metrics = metrics
        self._swap = swap
        self._seen: list[str] | None = None
        self._version = ""
        self._failed_at = 0.0
        self._looking = Periodic("following", _POLL_SECONDS, self.look, last=lambda: None)

    def start(self, version: str) -> None:
        """Look once before the first request, then keep looking."""
        self._version = version
        self.look()
        self._looking.start()

    def stop(self) -> None:
        self._looking.stop()

    def look(self) -> None:
        """Take up the champion where it is another version than the one that answers."""
        try:
            entries = self._store.children(f"models/{self.name}/ledger")
            waited = time.monotonic() - self._failed_at > _RETRY_SECONDS
            if entries == self._seen and not (self.problem and waited):
                return
            self._seen = entries
            self._take_champion()
            self.problem = ""
        except Exception as error:
            self._complain(error)

    def _take_champion(self) -> None:
        champion = find_champion(self._store, self.name)
        if champion is None or champion.path.rpartition("/")[2] == self._version:
            return
        model = load_model(lambda file: read_file(self._store, champion, file))
        self._swap(model)
        log.info("%s: version %s answers now, after %s", self.name, model.version, self._version)
        self._version = model.version
        self._metrics.followed["taken up"] += 1

    def _complain(self, error: Exception) -> None:
        """Say once what is wrong with the next model; the last good one goes on answering."""
        said = first_line(error)
        if said != self.problem:
            log.error("%s: %s goes on answering: %s", self.name, self._version, said)
        self.problem = said
        self._failed_at = time.monotonic()
        self._metrics.followed["failed"] += 1
