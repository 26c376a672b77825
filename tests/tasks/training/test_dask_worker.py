"""A worker alone grows what one process grows; a network leaves no trace in a model."""

import lightgbm
import numpy as np
import polars as pl
import pytest
from distributed import Client

from tasks.training.dask_worker import Growth, Share, _forget_network, _network, grow_share
from tasks.training.stopping_rule import Losses

PARAMS = {
    "verbosity": -1,
    "objective": "binary",
    "seed": 1,
    "num_threads": 1,
    "deterministic": True,
}
X = np.random.default_rng(1).normal(size=(400, 2))
ROWS = pl.DataFrame({"y": (X[:, 0] > 0) * 1.0, "a": X[:, 0], "b": X[:, 1]})


def pack(rows: pl.DataFrame) -> bytes:
    return rows.write_ipc(None).getvalue()


@pytest.mark.filterwarnings("ignore")
def test_one_worker_grows_the_forest_of_one_process() -> None:
    growth, share = Growth(PARAMS, (), 5), Share(0, ("127.0.0.1:1",), "job")
    with Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as client:
        rows = pack(ROWS)
        (forest,) = client.submit(grow_share, [(growth, share)], [rows], [rows], []).result()
    names = ["a", "b"]
    whole = lightgbm.Dataset(ROWS.select(names), ROWS["y"].to_numpy(), params=dict(PARAMS))
    expected = lightgbm.train(dict(PARAMS), whole, 5)
    grown = lightgbm.Booster(model_str=forest.text)
    np.testing.assert_array_equal(grown.predict(X), expected.predict(X))
    assert forest.losses == Losses(())


def test_workers_listen_on_their_own_port_and_one_alone_on_none() -> None:
    machines = ("10.0.0.1:5000", "10.0.0.2:6000")
    found = _network(Share(1, machines, "job"))
    assert (found["num_machines"], found["local_listen_port"]) == (2, 6000)
    assert _network(Share(0, machines[:1], "job")) == {}


def test_model_says_nothing_of_where_it_was_grown() -> None:
    text = "[machines: 10.0.0.1:5000]\n[local_listen_port: 5000]\n[num_machines: 2]\n[seed: 1]\n"
    assert _forget_network(text) == (
        "[machines: ]\n[local_listen_port: 12400]\n[num_machines: 1]\n[seed: 1]\n"
    )
