"""A Dask cluster that grows one forest together, a share of the rows on each worker.

Owns `distributed` and the network by which LightGBM's workers find each other. The rows travel to
the workers once; no file system has to be shared. Refuses to know what the columns mean: the first
one is the label.
"""

import io
import re
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import lightgbm
import polars as pl

from tasks.definition import Training
from tasks.errors import ClusterFailed, DefinitionError, first_line

if TYPE_CHECKING:
    from distributed import Client, Future

_SLICE_ROWS = 200_000  # sent in one piece, and what LightGBM looks at to find bins
_LOOK_SECONDS, _START_SECONDS, _WORD_SECONDS = 2, 30, 600
_BLOCK = 20  # rounds between two words of the first worker on whether to go on
_SILENT_MINUTES = 2  # until a worker takes another one for lost
_OWN_PARAMETERS = {"machines": "", "local_listen_port": "12400", "num_machines": "1"}


class Forest(NamedTuple):
    """A model's text, and the loss by round where it was judged."""

    text: str
    curve: tuple[float, ...]


class Share(NamedTuple):
    """What one worker needs to know: its place among them, and where the others listen."""

    place: int
    machines: tuple[str, ...]
    job: str


class Growth(NamedTuple):
    """How to grow; with `patience`, the first worker judges by rows that nobody learns from."""

    params: dict[str, Any]
    categories: tuple[int, ...]
    rounds: int
    patience: int = 0


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
                except TimeoutError:
                    lost = set(self.workers) - set(self.client.scheduler_info(-1)["workers"])
                    if lost:
                        raise ClusterFailed(_explain_loss(sorted(lost))) from None
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


def grow_share(
    growth: Growth,
    share: Share,
    rows: Sequence[bytes],
    sample: Sequence[bytes],
    judged: Sequence[bytes],
) -> Forest | None:
    """Grow, on a worker, the same forest as the others do; only the first one gives it.

    All bin by the same sample. Left to itself, LightGBM would have each worker find the bins of
    some features from its own rows.
    """
    from distributed import get_worker

    alone = dict(growth.params)
    alone["num_threads"] = min(alone["num_threads"], get_worker().state.nthreads)
    params = alone | _network(share)
    bins = _bin(sample, growth.categories, alone).construct()
    data = _bin(rows, growth.categories, alone, bins)
    curves: dict[str, dict[str, list[float]]] = {}
    watch: list[Any] = [_agree_to_stop(growth, share, curves)] if growth.patience else []
    valid = [_bin(judged, growth.categories, alone, data)] if judged else []
    if valid:
        watch.insert(0, lightgbm.record_evaluation(curves))
    booster = lightgbm.train(
        params, data, growth.rounds, valid_sets=valid, callbacks=watch, keep_training_booster=True
    )
    booster.free_network()
    if share.place:
        return None
    curve = next(iter(curves["valid_0"].values())) if curves else []
    return Forest(_forget_network(booster.model_to_string(num_iteration=-1)), tuple(curve))


def cut_curve(curve: Sequence[float], patience: int) -> tuple[float, ...]:
    """Cut a curve where a single process would have stopped: `patience` rounds after the best."""
    best = 0
    for place, loss in enumerate(curve):
        if loss < curve[best]:
            best = place
        if place - best >= patience:
            return tuple(curve[: place + 1])
    return tuple(curve)


def find_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        port: int = free.getsockname()[1]
        return port


def _agree_to_stop(growth: Growth, share: Share, curves: Mapping[str, Any]) -> Any:
    """Stop all in the same round: losses may differ in their last digit, and who waits, waits.

    So the first worker alone judges, and says after every few rounds whether to go on.
    """
    from distributed import Queue, worker_client

    def callback(env: Any) -> None:
        done = env.iteration + 1
        if done % _BLOCK or done >= growth.rounds:
            return
        with worker_client(separate_thread=False) as client:
            if share.place == 0:
                (curve,) = curves["valid_0"].values()
                goes_on = len(cut_curve(curve, growth.patience)) == len(curve)
                for place in range(1, len(share.machines)):
                    Queue(f"{share.job}-{place}", client=client).put(goes_on)
            else:
                goes_on = Queue(f"{share.job}-{share.place}", client=client).get(_WORD_SECONDS)
        if not goes_on:
            raise lightgbm.callback.EarlyStopException(env.iteration, [])

    callback.order = 40  # type: ignore[attr-defined]  # after the loss was noted
    return callback


def _network(share: Share) -> dict[str, Any]:
    if len(share.machines) == 1:
        return {}
    return {
        "tree_learner": "data",
        "num_machines": len(share.machines),
        "machines": ",".join(share.machines),
        "local_listen_port": int(share.machines[share.place].rpartition(":")[2]),
        "time_out": _SILENT_MINUTES,
    }


def _forget_network(text: str) -> str:
    """Leave out of a model where it was grown: the same rows and shares give the same bytes."""
    for name, usual in _OWN_PARAMETERS.items():
        text = re.sub(rf"^\[{name}: .*\]$", f"[{name}: {usual}]", text, flags=re.MULTILINE)
    return text


def _bin(
    packed: Sequence[bytes],
    categories: Sequence[int],
    params: Mapping[str, Any],
    reference: lightgbm.Dataset | None = None,
) -> lightgbm.Dataset:
    frame = pl.concat([pl.read_ipc(io.BytesIO(each)) for each in packed]).rechunk()
    label, features = frame.to_series(0), frame.select(pl.nth(range(1, frame.width)))
    return lightgbm.Dataset(
        features,
        label=label.to_numpy(),
        categorical_feature=list(categories),
        params=dict(params),
        reference=reference,
    )


def _pack(rows: pl.LazyFrame, start: int, end: int) -> Iterator[bytes]:
    for place in range(start, end, _SLICE_ROWS):
        frame = rows.slice(place, min(_SLICE_ROWS, end - place)).collect()
        yield frame.write_ipc(None, compression="lz4").getvalue()


@contextmanager
def _scheduler(training: Training) -> Iterator[Any]:
    if training.scheduler is not None:
        yield training.scheduler
        return
    from distributed import CPU_COUNT, LocalCluster

    with LocalCluster(
        n_workers=training.workers,
        threads_per_worker=max(1, CPU_COUNT // training.workers),
        dashboard_address=None,
        host="127.0.0.1",
        memory_limit=0,
        silence_logs=50,
    ) as cluster:
        yield cluster


def _choose_workers(client: "Client", count: int, address: str) -> tuple[str, ...]:
    try:
        client.wait_for_workers(count, timeout=_START_SECONDS)
    except TimeoutError as error:
        found = len(client.scheduler_info(-1)["workers"])
        raise ClusterFailed(
            f"[training] workers = {count}: the Dask scheduler at {address} has {found}; "
            "start more, or ask for fewer"
        ) from error
    return tuple(sorted(client.scheduler_info(-1)["workers"])[:count])


def _host(address: str) -> str:
    return address.rpartition("://")[2].rpartition(":")[0]


def _explain_loss(lost: Sequence[str]) -> str:
    return f"Dask worker {lost[0]} was lost while training; nothing was published, run it again"
