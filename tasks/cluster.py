"""A Dask cluster that grows one forest together, a share of the rows on each worker.

Owns which workers those are, sending them rows once, so that no file system has to be shared, and
giving up where one is lost. Refuses to know what a worker does with its share (`shares`).
"""

import socket
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import polars as pl

from tasks.definition import Training
from tasks.errors import ClusterFailed, DefinitionError, first_line
from tasks.shares import Forest, Growth, Share, grow_share

if TYPE_CHECKING:
    from distributed import Client, Future

_SLICE_ROWS = 200_000  # sent in one piece, and what LightGBM looks at to find bins
_LOOK_SECONDS, _START_SECONDS = 2, 30


@dataclass(frozen=True)
class Cluster:
    """Workers that were chosen for a model; `send` them rows, then `grow` forests on them."""

    client: "Client"
    workers: tuple[str, ...]

    def send(self, rows: pl.LazyFrame) -> "list[list[Future]]":
        """Cut rows into a share for each worker, in the order of both, and send each its own."""
        count = rows.select(pl.len()).collect().item()
        edges = [count * place // len(self.workers) for place in range(len(self.workers) + 1)]
        return [
            [
                self.client.scatter(each, workers=[worker], hash=False)
                for each in _pack(rows, edges[place], edges[place + 1])
            ]
            for place, worker in enumerate(self.workers)
        ]

    def send_first(self, rows: pl.LazyFrame) -> "list[Future]":
        """Send all rows to the first worker, which judges."""
        packed = _pack(rows, 0, rows.select(pl.len()).collect().item())
        return [self.client.scatter(each, workers=[self.workers[0]], hash=False) for each in packed]

    def send_sample(self, rows: pl.LazyFrame) -> "list[list[Future]]":
        """Send all workers the same rows, as many as LightGBM looks at to find bins."""
        count = rows.select(pl.len()).collect().item()
        (sample,) = _pack(rows.gather_every(1 + count // _SLICE_ROWS), 0, _SLICE_ROWS)
        return [[self.client.scatter(sample, workers=[each], hash=False)] for each in self.workers]

    def grow(
        self,
        growth: Growth,
        shares: "Sequence[Sequence[Future]]",
        samples: "Sequence[Sequence[Future]]",
        judged: "Sequence[Future]" = (),
    ) -> Forest:
        """Grow one forest; ClusterFailed where a worker is lost on the way."""
        ports = self.client.run(find_port, workers=list(self.workers))
        machines = tuple(f"{_host(each)}:{ports[each]}" for each in self.workers)
        job = uuid.uuid4().hex
        futures = [
            self.client.submit(
                grow_share,
                growth,
                Share(place, machines, job),
                list(shares[place]),
                list(samples[place]),
                list(judged) if place == 0 else [],
                workers=[worker],
                allow_other_workers=False,
                pure=False,
            )
            for place, worker in enumerate(self.workers)
        ]
        self._wait(futures)
        grown: Forest = futures[0].result()
        return grown

    def _wait(self, futures: "Sequence[Future]") -> None:
        """Wait for all, and give up when one fails or its worker is gone: the others would not."""
        from distributed import wait

        try:
            while waiting := [each for each in futures if each.status == "pending"]:
                try:
                    wait(waiting, timeout=_LOOK_SECONDS, return_when="FIRST_COMPLETED")
                except (TimeoutError, CancelledError) as error:
                    lost = set(self.workers) - set(self.client.nthreads())
                    if lost:
                        raise ClusterFailed(_explain_loss(sorted(lost))) from None
                    if isinstance(error, CancelledError):
                        raise ClusterFailed(f"a Dask worker failed: {first_line(error)}") from error
                if failed := [each for each in futures if each.status in ("error", "lost")]:
                    raise ClusterFailed(
                        f"a Dask worker failed: {first_line(failed[0].exception())}"
                    )
        finally:
            self.client.cancel([each for each in futures if each.status == "pending"])


@contextmanager
def open_cluster(training: Training) -> "Iterator[Cluster]":
    """Connect to the scheduler that the definition names, or start workers on this machine."""
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
            "`make dask` or `pip install perennial[dask]`"
        )


def find_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        port: int = free.getsockname()[1]
        return port


def _pack(rows: pl.LazyFrame, start: int, end: int) -> Iterator[bytes]:
    for place in range(start, end, _SLICE_ROWS):
        frame = rows.slice(place, min(_SLICE_ROWS, end - place)).collect()
        yield frame.write_ipc(None, compression="lz4").getvalue()


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


def _explain_loss(lost: Sequence[str]) -> str:
    return f"Dask worker {lost[0]} was lost while training; nothing was published, run it again"
