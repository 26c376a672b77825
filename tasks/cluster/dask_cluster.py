"""A Dask cluster: connect to it, choose workers, send them data and run work on them.

Responsible for choosing the workers, for sending bytes to them once, so that they need no shared
file system, and for failing when one is lost. Not responsible for the work itself.
"""

import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.core.errors import ClusterFailed, DefinitionError, first_line
from tasks.core.model_sections import Training

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")

_LOOK_SECONDS, _START_SECONDS = 2, 30


@dataclass(frozen=True)
class Cluster:
    """The workers chosen for a run, sorted by address."""

    client: "Client"
    workers: tuple[str, ...]

    def send(self, place: int, pieces: Iterable[bytes]) -> "list[Future]":
        """Send bytes to the worker of this index; it keeps them while the futures exist."""
        worker = [self.workers[place]]
        return [self.client.scatter(each, workers=worker, hash=False) for each in pieces]

    def find_machines(self) -> tuple[str, ...]:
        """Give `host:port` of each worker, with a port that is free there."""
        ports = self.client.run(find_port, workers=list(self.workers))
        return tuple(f"{_host(each)}:{ports[each]}" for each in self.workers)

    def gather(self, work: Callable[..., T], given: Iterable[tuple[Any, ...]]) -> list[T]:
        """Run `work` once on each worker at the same time; give the results in workers' order.

        Raises ClusterFailed if a call fails or a worker is lost.
        """
        futures = [self._submit(place, work, each) for place, each in enumerate(given)]
        try:
            waiting = futures
            while waiting:
                done = self._wait(waiting)
                waiting = [each for each in waiting if each not in done]
            return [each.result() for each in futures]
        finally:
            self.client.cancel([each for each in futures if each.status == "pending"])

    def spread(
        self, work: Callable[..., T], given: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[int, str, T]]:
        """Run `work` for each of many arguments, two at a time on each worker.

        Gives the argument's index, the worker's address and the result, as calls finish. Raises
        ClusterFailed if a call fails or a worker is lost.
        """
        left, free = deque(enumerate(given)), deque([*range(len(self.workers))] * 2)
        running: dict[Future, tuple[int, int]] = {}
        try:
            while left or running:
                while left and free:
                    (number, each), place = left.popleft(), free.popleft()
                    running[self._submit(place, work, each)] = number, place
                for future in self._wait(list(running)):
                    number, place = running.pop(future)
                    free.append(place)
                    yield number, self.workers[place], future.result()
        finally:
            self.client.cancel(list(running))

    def _submit(self, place: int, work: Callable[..., Any], given: tuple[Any, ...]) -> "Future":
        worker = [self.workers[place]]
        return self.client.submit(work, *given, workers=worker, pure=False)

    def _wait(self, futures: "Sequence[Future]") -> "list[Future]":
        """Wait until some are done; ClusterFailed if one failed or its worker is lost."""
        from distributed import wait

        while not (done := [each for each in futures if each.status != "pending"]):
            try:
                wait(futures, timeout=_LOOK_SECONDS, return_when="FIRST_COMPLETED")
            except (TimeoutError, CancelledError) as error:
                lost = set(self.workers) - set(self.client.nthreads())
                if lost:
                    said = f"Dask worker {min(lost)} was lost; nothing was published"
                    raise ClusterFailed(f"{said}, run it again") from None
                if isinstance(error, CancelledError):
                    raise ClusterFailed(f"a Dask worker failed: {first_line(error)}") from error
        if failed := [each for each in done if each.status in ("error", "lost")]:
            raise ClusterFailed(f"a Dask worker failed: {first_line(failed[0].exception())}")
        return done


@contextmanager
def open_cluster(training: Training) -> "Iterator[Cluster]":
    """Connect to the scheduler that [training] names, or start workers on this machine.

    Raises DefinitionError where Dask is not installed, ClusterFailed where no scheduler answers or
    it has too few workers.
    """
    check_installed()
    from distributed import Client

    with _scheduler(training) as address:
        try:
            client = Client(address, timeout=_START_SECONDS, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise ClusterFailed(
                f"[training] scheduler: no Dask scheduler answers at {address}: {first_line(error)}"
            ) from error
        with client, client.as_current():
            yield Cluster(client, _choose_workers(client, training.workers, str(address)))


def check_installed() -> None:
    if find_spec("distributed") is None:
        raise DefinitionError(
            "[training] engine = 'dask' needs distributed, which is not installed; run "
            "`make dask` or `pip install perennial-ml[dask]`"
        )


def find_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def _scheduler(training: Training) -> Iterator[Any]:
    if training.scheduler is not None:
        yield training.scheduler
        return
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=training.workers,
        dashboard_address="127.0.0.1:0",
        host="127.0.0.1",
        memory_limit=0,
        silence_logs=50,
    ) as cluster:
        yield cluster


def _choose_workers(client: "Client", count: int, address: str) -> tuple[str, ...]:
    try:
        client.wait_for_workers(count, timeout=_START_SECONDS)
    except TimeoutError as error:
        found = len(client.nthreads())
        raise ClusterFailed(
            f"[training] workers = {count}: the Dask scheduler at {address} has {found}; "
            "start more, or ask for fewer"
        ) from error
    return tuple(sorted(client.nthreads())[:count])


def _host(address: str) -> str:
    return address.rpartition("://")[2].rpartition(":")[0]
