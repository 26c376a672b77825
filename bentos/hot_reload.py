"""Hot reload: the newest champion and feature tables under the root answer, without a restart.

Responsible for when it looks, and for what it last found. It touches no request: it swaps one
pointer, and only for a model that has been verified and has tested itself.
"""

import logging
import time
from collections.abc import Callable

from bentos.background import BackgroundTask
from bentos.followed_base_rate import correct, list_followed, with_correction
from bentos.metrics import Metrics
from bentos.model import Model, load_model, with_tables
from tasks.core.errors import first_line
from tasks.feature_store.online_tables import list_materialised
from tasks.registry.ledger import ledger_path, list_crowned
from tasks.registry.released_bento import get_bento
from tasks.registry.trusted_ledger import Seen, read_trusted_ledger, refuse_shorter, see
from tasks.registry.versions import find_released, read_file
from tasks.storage.store import Store

log = logging.getLogger("perennial.serving")

_POLL_SECONDS = 1.0
_RETRY_SECONDS = 30.0


class HotReload:
    """Looks for what is new every second; keeps the last good one when the next is broken.

    Without a name of a model to follow, only its feature tables are looked for.
    """

    def __init__(
        self, name: str, store: Store, metrics: Metrics, swap: Callable[[Model], None]
    ) -> None:
        self.name = name
        self._store = store
        self._metrics = metrics
        self._swap = swap
        self._seen = Seen()
        self._champion = Looked(self._list_ledger, self._take_champion)
        self._tables = Looked(self._list_tables, self._take_tables)
        self._corrections = Looked(lambda: list_followed(self._model, store), self._take_correction)
        self._looking = BackgroundTask("following", _POLL_SECONDS, self.look, last=lambda: None)

    @property
    def problem(self) -> str:
        return self._champion.problem or self._tables.problem or self._corrections.problem

    def start(self, model: Model) -> None:
        """Look once before the first request, then keep looking."""
        self._model = model
        self.look()
        self._looking.start()

    def stop(self) -> None:
        self._looking.stop()

    def look(self) -> None:
        """Take up another champion, and newer tables and corrections of the one that answers."""
        for looked in (self._champion, self._tables, self._corrections):
            try:
                looked.look()
            except Exception as error:
                self._complain(looked, error)

    def _list_ledger(self) -> list[str]:
        return self._store.children(ledger_path(self.name)) if self.name else []

    def _list_tables(self) -> list[str]:
        return list_materialised(self._store, self._model.definition) if self._model.values else []

    def _take_champion(self) -> None:
        if not self.name:
            return
        ledger = read_trusted_ledger(self._store, self.name)
        refuse_shorter(ledger, self._seen, self.name)
        self._seen = see(ledger)
        champion, before = find_released(self._store, self.name, ledger), self._model.version
        if champion is None or champion.digest == self._model.manifest:
            return
        get_bento(self._store, self.name, list_crowned(ledger)[-1])  # nothing unproven answers
        files, digest = champion.manifest.files, champion.digest
        model = load_model(lambda file: read_file(self._store, champion, file), files, digest)
        # The last good correction: whether there is a newer one is looked for next.
        self._take(correct(with_tables(model, self._store), self._model.correction))
        self._corrections.forget()
        log.info("%s: version %s answers now, after %s", self.name, model.version, before)
        self._metrics.followed["taken up"] += 1

    def _take_tables(self) -> None:
        if not self._model.values:
            return
        model = with_tables(self._model, self._store)
        held, found = self._model.lookup, model.lookup
        if held and found and found.listing != held.listing:
            self._take(model)
            log.info("%s: looks up in newer feature tables", model.version)
            self._metrics.followed["tables"] += 1

    def _take_correction(self) -> None:
        model = with_correction(self._model, self._store)
        if model.correction and model.correction != self._model.correction:
            self._take(model)
            found = model.correction
            said = "%s: correction %d moves log odds by %+.3f"
            log.info(said, model.version, found.number, found.offset)
            self._metrics.followed["corrections"] += 1

    def _take(self, model: Model) -> None:
        self._swap(model)
        self._model = model

    def _complain(self, looked: "Looked", error: Exception) -> None:
        """Say once what is wrong with the next one; the last good one goes on answering."""
        said = first_line(error)
        if said != looked.problem:
            log.error("%s: %s goes on answering: %s", self.name, self._model.version, said)
        looked.problem = said
        looked.failed_at = time.monotonic()
        self._metrics.followed["failed"] += 1


class Looked:
    """A list that is looked at, and what is done when it changes, or when that failed before."""

    def __init__(self, entries: Callable[[], list[str]], take: Callable[[], None]) -> None:
        self.problem, self.failed_at = "", 0.0
        self._entries, self._take = entries, take
        self._seen: list[str] | None = None

    def forget(self) -> None:
        """Look at the list as if for the first time."""
        self._seen = None

    def look(self) -> None:
        entries = self._entries()
        waited = time.monotonic() - self.failed_at > _RETRY_SECONDS
        if entries == self._seen and not (self.problem and waited):
            return
        self._seen = entries
        self._take()
        self.problem = ""
