"""Rows are cut into whole shares; a cluster of one worker grows what one process grows."""

import numpy as np
import polars as pl
import pytest
from distributed import LocalCluster
from tables import MANY, SALES, Project, sell

from tasks.core.columns import TARGET
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import SplitRole
from tasks.training.dask_training import _label_first, _pack, grow_models
from tasks.training.lightgbm_params import model_parameters
from tasks.training.train import _grow_here

TRAINING = "threads = 1\nrounds = 20\nearly_stopping = 5"


def test_rows_are_sent_whole_with_the_label_first(made: Project) -> None:
    plan, prepared = made.prepare(training=TRAINING)
    rows = _label_first(plan, prepared, SplitRole.FIT)
    assert rows.collect_schema().names() == [TARGET, "x", "k", "c"]
    count = prepared.rows["fit"]
    parts = [*_pack(rows, 0, count // 3), *_pack(rows, count // 3, count)]
    assert pl.concat(map(pl.read_ipc, parts)).equals(rows.collect())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("rows", "sections"),
    [
        (MANY, {"training": TRAINING}),
        (MANY, {"training": f'{TRAINING}\nweight = "k * k + 1"'}),
        (sell(0.5), {"training": "threads = 1\nrounds = 200\nearly_stopping = 20"} | SALES),
    ],
)
def test_cluster_of_one_grows_the_forest_of_one_process(
    made: Project, rows: pl.DataFrame, sections: dict[str, str]
) -> None:
    plan, prepared = made.prepare(rows, **sections)
    params = model_parameters(plan.definition, 0)
    here = _grow_here(plan, prepared, params, params)
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as cluster:
        there = grow_models(on_cluster(plan, cluster.scheduler_address), prepared, params, params)
    assert (there.rounds, there.moved) == (here.rounds, here.moved)
    np.testing.assert_allclose(there.curve, here.curve)


def on_cluster(plan: Plan, address: str) -> Plan:
    return plan.with_training(engine="dask", workers=1, scheduler=address)
