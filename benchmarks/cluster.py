"""What training on two Dask workers costs beside one process with as many cores.

Run `python -m benchmarks.cluster`. The rows are the flights, prepared by the real steps, once and
repeated; rounds are fixed. The workers are up already, as those of a cluster are; sending them the
rows counts. One process has two threads, each worker has one.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, describe_machine, write_record

COPIES, ROUNDS, RUNS = (1, 9), 100, 3
GOALS = {"ratio": 1.6}


@contextmanager
def run_workers() -> Iterator[str]:
    """Run a scheduler and two workers of one thread, each a process of its own."""
    from tasks.cluster.dask_cluster import find_port

    address = f"tcp://127.0.0.1:{find_port()}"
    where = ["--host", "127.0.0.1", "--no-dashboard"]
    plain = [*where, "--no-nanny", "--nthreads", "1", "--memory-limit", "0"]
    commands = [
        ["dask_scheduler", *where, "--port", address.rpartition(":")[2]],
        *[["dask_worker", address, *plain]] * 2,
    ]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{name}", *options],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        for name, *options in commands
    ]
    try:
        yield address
    finally:
        for each in processes:
            each.terminate()
            each.wait(20)


def prepare_flights(folder: Path) -> tuple[Any, Any]:
    from flows.retrain import plan_retrain
    from tasks.extraction.task import extract
    from tasks.preparation.task import prepare

    os.environ["PERENNIAL_ROOT"] = str(folder / "root")
    plan = plan_retrain("flight-delay", None)
    return plan, prepare.fn(plan, extract.fn(plan, folder), folder)


def repeat_rows(prepared: Any, copies: int, folder: Path) -> Any:
    import polars as pl

    path = folder / f"repeated-{copies}.arrow"
    pl.concat([pl.scan_ipc(prepared.path)] * copies).sink_ipc(path)
    return prepared.model_copy(update={"path": path})


def with_engine(plan: Any, **keys: object) -> Any:
    changes = {"rounds": ROUNDS, "early_stopping": 0, "threads": 2, **keys}
    training = plan.definition.training.model_copy(update=changes)
    definition = plan.definition.model_copy(update={"training": training})
    return plan.model_copy(update={"definition": definition})


def compare(plan: Any, prepared: Any, address: str, folder: Path) -> dict[str, Any]:
    """Train both ways in turn, and hold the predictions for the holdout against each other."""
    plans = {
        "one process": with_engine(plan),
        "two workers": with_engine(plan, engine="dask", scheduler=address, workers=2),
    }
    seconds: dict[str, list[float]] = {name: [] for name in plans}
    predicted = {}
    for _ in range(RUNS):
        for name, each in plans.items():
            begun = time.monotonic()
            trained = train_once(each, prepared, folder)
            seconds[name].append(time.monotonic() - begun)
            predicted[name] = predict(plan, prepared, trained)
    medians = {name: round(sorted(each)[RUNS // 2], 2) for name, each in seconds.items()}
    return {"seconds": medians, **agree(prepared, *predicted.values())}


def train_once(plan: Any, prepared: Any, folder: Path) -> Any:
    from tasks.training.train import train_models

    return train_models(plan, prepared, folder)


def predict(plan: Any, prepared: Any, trained: Any) -> Any:
    from tasks.preparation.split import SplitRole
    from tasks.training.datasets import model_input
    from tasks.training.train import read_model

    rows = prepared.scan(SplitRole.HOLDOUT).select(list(plan.features.expressions)).collect()
    return read_model(trained.twin.read_text()).predict(model_input(rows))


def agree(prepared: Any, ours: Any, theirs: Any) -> dict[str, float]:
    import numpy as np
    from sklearn.metrics import roc_auc_score

    from tasks.core.columns import TARGET
    from tasks.preparation.split import SplitRole

    late = prepared.scan(SplitRole.HOLDOUT).select(TARGET).collect().to_series()
    return {
        "difference": float(np.abs(ours - theirs).mean()),
        "auc_one": float(roc_auc_score(late, ours)),
        "auc_two": float(roc_auc_score(late, theirs)),
    }


def write_table(title: str, found: dict[str, Any]) -> str:
    one, two = found["seconds"]["one process"], found["seconds"]["two workers"]
    return (
        f"training on two Dask workers, {title}\n"
        f"one process, two threads {one:>8.1f} s   AUC {found['auc_one']:.4f}\n"
        f"two workers, one each    {two:>8.1f} s   AUC {found['auc_two']:.4f}   "
        f"{two / one:.2f}x of one process (goal: {GOALS['ratio']}x at most)\n"
        f"probabilities differ by {found['difference']:.4f} on average"
    )


def main() -> str:
    """Measure, record, print, and give what was printed."""
    tables = {}
    with tempfile.TemporaryDirectory() as place, run_workers() as address:
        plan, prepared = prepare_flights(Path(place))
        for copies in COPIES:
            rows = repeat_rows(prepared, copies, Path(place))
            title = f"{copies * sum(prepared.rows.values()):,} rows, {ROUNDS} rounds"
            tables[title] = compare(plan, rows, address, Path(place))
    text = "\n\n".join(write_table(title, found) for title, found in tables.items())
    print(text)
    write_record("cluster", {"tables": tables, "goals": GOALS, "machine": describe_machine()})
    return text


if __name__ == "__main__":
    main()
