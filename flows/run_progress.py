"""Progress of long work on Prefect's pages: an artifact for each stage, which a thread keeps up.

A stage is shown when it takes more than some seconds, then every few seconds; the work waits for no
answer of the server, and a server that gives none ends nothing. A command that brought a server of
its own, for itself alone, shows nothing there. Not responsible for what a stage is
(`tasks.core.progress`).
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.runtime import flow_run

from flows.temporary_server import brought_server
from tasks.core.errors import first_line
from tasks.core.progress import Progress, heard_by

log = logging.getLogger("perennial.runs")

_SECONDS = 3.0  # between two looks
_PATIENCE = 2.0  # with the server, and of the work's end with the last look


@contextmanager
def show_progress(model: str, *stages: str) -> Iterator[None]:
    """Show how far these stages of a run come, while the block runs."""
    if not flow_run.id or brought_server():
        yield
        return
    shown = _Shown(model, UUID(flow_run.id))
    over = Event()
    thread = Thread(target=copy_context().run, args=(shown.keep_up, over), daemon=True)
    with heard_by(lambda progress: shown.hear(progress) if progress.stage in stages else None):
        thread.start()
        try:
            yield
            shown.done = True
        finally:
            over.set()
            thread.join(_PATIENCE)


class _Shown:
    """What is known of a run's stages, and what the server was told of them."""

    def __init__(self, model: str, run: UUID) -> None:
        self._model, self._run = model, run
        self._newest: dict[str, Progress] = {}
        self._told: dict[str, tuple[UUID, Progress]] = {}
        self._failed = self.done = False

    def hear(self, progress: Progress) -> None:
        self._newest[progress.stage] = progress

    def keep_up(self, over: Event) -> None:
        """Tell the server what is new, from time to time; at the end, that a stage is done."""
        if over.wait(_SECONDS):
            return
        # With settings of its own it is another client than the run's, which is no other thread's.
        with get_client(sync_client=True, httpx_settings={"timeout": _PATIENCE}) as client:
            self._try_telling(client, self._newest.values())
            while not over.wait(_SECONDS):
                self._try_telling(client, self._newest.values())
            if self.done:
                known = [progress for _, progress in self._told.values()]
                self._try_telling(client, [each._replace(done=each.total) for each in known])

    def _try_telling(self, client: SyncPrefectClient, found: Iterable[Progress]) -> None:
        """Tell what the server does not know; of a server that gives no answer, say so once."""
        try:
            for each in list(found):
                if each.stage not in self._told or self._told[each.stage][1] != each:
                    self._tell(client, each)
        except Exception as error:  # whatever it is, the work goes on
            if not self._failed:
                log.warning("progress is not shown: %s", first_line(error))
            self._failed = True

    def _tell(self, client: SyncPrefectClient, progress: Progress) -> None:
        said, percent = _describe(progress), progress.percent
        if known := self._told.get(progress.stage):
            client.update_artifact(known[0], ArtifactUpdate(data=percent, description=said))
            self._told[progress.stage] = known[0], progress
            return
        key = f"progress-{self._model}-{progress.stage}"
        asked = ArtifactCreate(
            key=key, type="progress", description=said, data=percent, flow_run_id=self._run
        )
        self._told[progress.stage] = client.create_artifact(asked).id, progress


def _describe(progress: Progress) -> str:
    return f"{progress.stage}: {progress.unit} {progress.done:,} of {progress.total:,}"
