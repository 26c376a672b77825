"""What one Dask worker does: train a model on its share of the rows, together with the others.

Responsible for LightGBM's network between workers, and for stopping all in the same round. Not
responsible for what the rows mean: the first column is the label, and one may hold weights.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import lightgbm
import polars as pl

from tasks.core.columns import WEIGHT
from tasks.training.stopping_rule import Losses, choose_round, judge_line, read_losses

_BLOCK = 20  # rounds between two words of the first worker on whether to go on
_WORD_SECONDS = 600
_SILENT_MINUTES = 2  # until a worker takes another one for lost
_OWN_PARAMETERS = {"machines": "", "local_listen_port": "12400", "num_machines": "1"}


class SharedForest(NamedTuple):
    """A model's text, and the losses by round where it was judged."""

    text: str
    losses: Losses


class Share(NamedTuple):
    """What one worker needs to know: its place among them, and where the others listen."""

    place: int
    machines: tuple[str, ...]
    job: str


class Growth(NamedTuple):
    """How to grow one; with `patience`, the first worker judges by rows that nobody learns from.

    `may_move` has it ask by them, too, whether the target moved.
    """

    params: dict[str, Any]
    categories: tuple[int, ...]
    rounds: int
    patience: int = 0
    may_move: bool = False


def grow_share(
    asked: Sequence[tuple[Growth, Share]],
    rows: Sequence[bytes],
    sample: Sequence[bytes],
    judged: Sequence[bytes],
) -> list[SharedForest]:
    """Grow, on a worker, the same forests as the others do; only the first one gives them.

    All bin by the same sample, and once for all forests. Left to itself, LightGBM would have each
    worker find the bins of some features from its own rows.
    """
    from distributed import get_worker

    first, (place, *_) = asked[0]
    threads = {"num_threads": min(first.params["num_threads"], get_worker().state.nthreads)}
    alone = first.params | threads
    bins = _bin(sample, first.categories, alone).construct()
    data = _bin(rows, first.categories, alone, bins).construct()
    valid = [_bin(judged, first.categories, alone, data)] if judged else []
    grown = [
        _grow(each._replace(params=each.params | threads), share, data, valid)
        for each, share in asked
    ]
    return [] if place else grown


def _grow(
    growth: Growth, share: Share, data: lightgbm.Dataset, valid: list[lightgbm.Dataset]
) -> SharedForest:
    curves: dict[str, dict[str, list[float]]] = {}
    watch: list[Any] = [_agree_to_stop(growth, share, curves)] if growth.patience else []
    if valid:
        watch.insert(0, lightgbm.record_evaluation(curves))
    booster = lightgbm.train(
        growth.params | _network(share),
        data,
        growth.rounds,
        valid_sets=valid,
        feval=judge_line if growth.may_move else None,
        callbacks=watch,
        keep_training_booster=True,
    )
    booster.free_network()
    losses = read_losses(curves) if curves else Losses(())
    return SharedForest(_forget_network(booster.model_to_string(num_iteration=-1)), losses)


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
                goes_on = choose_round(read_losses(curves), growth.patience).shown is None
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
    label, features = frame.to_series(0), frame.drop(frame.columns[0], WEIGHT, strict=False)
    return lightgbm.Dataset(
        features,
        label=label.to_numpy(),
        weight=frame[WEIGHT].to_numpy() if WEIGHT in frame.columns else None,
        categorical_feature=list(categories),
        params=dict(params),
        reference=reference,
    )
