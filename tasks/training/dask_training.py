"""Training on a Dask cluster: each worker has a share of the rows, all train one model together.

Responsible for cutting and sending the rows, and for what is trained on them. Not responsible for
what a worker does with its share (`dask_worker`), nor for the cluster (`cluster.dask_cluster`).
"""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import polars as pl

from tasks.cluster.dask_cluster import Cluster, open_cluster
from tasks.core.columns import TARGET
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.preparation.weights import weight_columns
from tasks.training.dask_worker import Growth, Share, SharedForest, grow_share
from tasks.training.datasets import Parameters, category_places, plain_names
from tasks.training.early_stopping import may_move
from tasks.training.stopping_rule import Stop, choose_round

_SLICE_ROWS = 200_000  # sent in one piece, and what LightGBM looks at to find bins

Sent = list[list[Any]]  # futures of what every worker holds


class Grown(NamedTuple):
    """The texts of the twin and of the simple model, with the twin's rounds and its curve.

    `settled` is the text of the model that the stopping slice judged; it may have more rounds.
    """

    twin: str
    simple: str
    rounds: int
    curve: tuple[float, ...] = ()
    settled: str = ""
    moved: bool = False


def grow_models(plan: Plan, prepared: Prepared, params: Parameters, simple: Parameters) -> Grown:
    """Grow both. The first worker judges by the stopping slice, as one process does.

    Rows stay where they were sent, so that the models on all training rows need no second journey.
    """
    training, places = plan.definition.training, tuple(category_places(plan.features))
    stop, curve, text = Stop(training.rounds, None), tuple[float, ...](), ""
    with open_cluster(training) as cluster:
        sample = send_sample(cluster, _label_first(plan, prepared, SplitRole.FIT, SplitRole.STOP))
        first, second = (
            send_shares(cluster, _label_first(plan, prepared, part))
            for part in (SplitRole.FIT, SplitRole.STOP)
        )
        if training.early_stopping:
            judged = cluster.send(0, _pack_all(_label_first(plan, prepared, SplitRole.STOP)))
            moves = may_move(plan.definition, timed=prepared.split.timed)
            settling = Growth(params, places, stop.rounds, training.early_stopping, moves)
            (settled,) = grow(cluster, [settling], first, sample, judged)
            stop = choose_round(settled.losses, training.early_stopping)
            curve = settled.losses.loss[: stop.shown]  # as one process would have stopped
            text = settled.text if plan.definition.judges_stopping_slice else ""
        rows = [[*fit, *stop] for fit, stop in zip(first, second, strict=True)]
        both = [Growth(params, places, stop.rounds), Growth(simple, places, 1)]
        twin, tree = grow(cluster, both, rows, sample)
    return Grown(twin.text, tree.text, stop.rounds, curve, text, stop.moved)


def grow_again(plan: Plan, prepared: Prepared, params: Parameters, rounds: int) -> str:
    """Grow one forest on every row whose label has matured."""
    rows = _label_first(plan, prepared, *SplitRole)
    with open_cluster(plan.definition.training) as cluster:
        shares, sample = send_shares(cluster, rows), send_sample(cluster, rows)
        growth = Growth(params, tuple(category_places(plan.features)), rounds)
        (forest,) = grow(cluster, [growth], shares, sample)
        return forest.text


def grow(
    cluster: Cluster,
    growths: Sequence[Growth],
    shares: Sent,
    samples: Sent,
    judged: Sequence[Any] = (),
) -> list[SharedForest]:
    """Grow forests on the same rows, each by a network of LightGBM's between the workers."""
    networks = [(cluster.find_machines(), uuid.uuid4().hex) for _ in growths]
    given = []
    for place, (rows, sample) in enumerate(zip(shares, samples, strict=True)):
        own = [Share(place, *network) for network in networks]
        asked = list(zip(growths, own, strict=True))
        given.append((asked, rows, sample, [] if place else list(judged)))
    return cluster.gather(grow_share, given)[0]


def send_shares(cluster: Cluster, rows: pl.LazyFrame) -> Sent:
    """Cut rows into a share for each worker, in the order of both, and send each its own."""
    count, workers = _count(rows), len(cluster.workers)
    edges = [count * place // workers for place in range(workers + 1)]
    return [
        cluster.send(place, _pack(rows, edges[place], edges[place + 1])) for place in range(workers)
    ]


def send_sample(cluster: Cluster, rows: pl.LazyFrame) -> Sent:
    """Send all workers the same rows, as many as LightGBM looks at to find bins."""
    few = rows.gather_every(1 + _count(rows) // _SLICE_ROWS)
    sample = list(_pack(few, 0, _SLICE_ROWS))
    return [cluster.send(place, sample) for place in range(len(cluster.workers))]


def _label_first(plan: Plan, prepared: Prepared, *parts: SplitRole) -> pl.LazyFrame:
    names = list(plan.features.expressions)
    plain = zip(names, plain_names(names), strict=True)
    renamed = (pl.col(name).alias(other) for name, other in plain)
    return prepared.scan(*parts).select(pl.col(TARGET), *renamed, *weight_columns(plan))


def _pack_all(rows: pl.LazyFrame) -> Iterator[bytes]:
    return _pack(rows, 0, _count(rows))


def _pack(rows: pl.LazyFrame, start: int, end: int) -> Iterator[bytes]:
    for place in range(start, end, _SLICE_ROWS):
        frame = rows.slice(place, min(_SLICE_ROWS, end - place)).collect()
        yield frame.write_ipc(None, compression="lz4").getvalue()


def _count(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect().item())
