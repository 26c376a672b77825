"""Keys of a definition that meet: each pair goes the whole way, and says the same everywhere.

Six definitions hold the pairs. Each is trained, measured again by scikit-learn, scored, served in
this process and made once more.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from any_model import ask, make_folder

from benchmarks.scikit_numbers import count_again
from bentos.app import PredictionApp
from bentos.metrics import Metrics
from bentos.model import load_folder
from bentos.prediction_log_writer import PredictionLog
from flows.score import load_scorer
from tasks.core.columns import ROLE, TARGET
from tasks.maintenance.reproduce import reproduce_version
from tasks.prediction.batch_scoring import score_table
from tasks.preparation.split import SplitRole
from tasks.registry.versions import get_version, read_json
from tasks.storage.store import open_store
from tasks.training.published_model import load

DRAW = np.random.default_rng(11)
COUNT = 4_000
X, S, G = DRAW.normal(size=COUNT), DRAW.uniform(0, 10, COUNT), DRAW.integers(0, 200, COUNT)
TABLE = pl.DataFrame(
    {
        "id": range(COUNT),
        "t": [datetime(2020, 1, 1) + timedelta(hours=hour) for hour in range(COUNT)],
        "x": X,
        "s": S,
        "c": np.where(DRAW.random(COUNT) < 0.4, "north", "south"),
        "g": [f"customer {place}" for place in G],
        "w": np.where(DRAW.random(COUNT) < 0.1, 0.0, DRAW.choice([1.0, 3.0], COUNT)),
        "price": DRAW.uniform(1, 9, COUNT),
        "y": X + DRAW.normal(size=COUNT) + G / 300 > 1.4,
        "n": DRAW.poisson(np.exp(X / 2 + S / 10)),
        "v": 3 * X + S + DRAW.normal(size=COUNT) * (0.5 + S / 8),
        "b": np.array(["low", "middle", "high"])[np.digitize(X + DRAW.normal(size=COUNT), [0, 1])],
    }
)
TIME, NO_TIME = 'time = "t"\nkey = ["id"]', 'key = ["id"]'
SMALL = "threads = 1\nrounds = 30\nearly_stopping = 10\nstopping_share = 0.2"
UP, SETS = "monotone = { x = 1 }", 'interactions = [["x", "s"], ["c"]]'
SLICED = 'slices = ["c"]'
KEYS: dict[str, dict[str, str]] = {
    "recalibrated, chosen by cost": {
        "extract": TIME,
        "target": 'value = "y"\nkind = "binary"\nmatures_after = "1d"',
        "training": f'weight = "w"\nfolds = 2\n{UP}\nparams = {{ scale_pos_weight = 9.0 }}',
        "serving": 'threshold = "auto"\ncost = { false_alarm = 1, missed = 5 }',
        "gate": 'metric = "cost"\nfairness = { by = ["c"], at_most = 0.5 }',
    },
    "chosen by F1, of whole groups": {
        "extract": NO_TIME,
        "target": 'value = "y"\nkind = "binary"',
        "training": f'group = "g"\n{SETS}',
        "serving": 'threshold = "auto"\npredictor = "compiled"',
        "gate": f'metric = "f1"\nat_least_by_slice = {{ auc = 0.6 }}\n{SLICED}',
    },
    "costs by row": {
        "extract": TIME,
        "target": 'value = "y"\nkind = "binary"',
        "training": f'group = "g"\nweight = "w"\n{UP}\n{SETS}\nrefit = false',
        "serving": 'threshold = 0.3\ncost = { false_alarm = 1, missed = "price" }',
        "gate": "at_most = { cost = 900.0 }",
    },
    "classes": {
        "extract": TIME,
        "target": 'value = "b"\nkind = "multiclass"',
        "training": f'group = "g"\nweight = "w"\nfolds = 2\n{SETS}',
        "serving": 'predictor = "compiled"',
        "gate": f"at_most = {{ log_loss = 1.5 }}\n{SLICED}",
    },
    "counts with an interval": {
        "extract": NO_TIME,
        "target": 'value = "n"\nkind = "regression"\nunit = "calls"',
        "training": f'group = "g"\nweight = "w"\n{UP}\nparams = {{ objective = "poisson" }}',
        "serving": "interval = 0.8",
        "gate": f'naive = {{ "s alone" = "s" }}\nat_most = {{ mae = 9.0 }}\n{SLICED}',
    },
    "quantiles": {
        "extract": TIME,
        "target": 'value = "v"\nkind = "regression"\nquantiles = [0.1, 0.5, 0.9]',
        "training": f'weight = "w"\nfolds = 2\n{SETS}',
        "serving": 'predictor = "compiled"',
        "gate": f"at_most_by_slice = {{ pinball_loss = 9.0 }}\n{SLICED}",
    },
}
COSTS = {"recalibrated, chosen by cost": (1.0, 5.0)}


@pytest.mark.parametrize("name", [*KEYS])
def test_keys_that_meet_say_the_same_everywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KEYS[name] | {"training": f"{SMALL}\n{KEYS[name]['training']}"}
    folder = make_folder(tmp_path, TABLE, features='x = "x"\ns = "s"\nc = "c"', **keys)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    monkeypatch.chdir(tmp_path)
    store = open_store()
    made = get_version(store, "made", folder.name)
    model, evaluation = load(store, made), read_json(store, made, "evaluation.json")
    rows = model.scan_snapshot(tmp_path / "history").filter(pl.col(ROLE).is_not_null()).collect()
    holdout = rows.filter(pl.col(ROLE) == SplitRole.HOLDOUT)
    threshold = model.definition.threshold if "binary" in keys["target"] else 0.5
    if "scale_pos_weight" in keys["training"]:
        assert "calibration.json" in made.manifest.files

    predicted = model.predict(holdout.select("x", "s", "c"), twin=True)
    costs: Any = (1.0, holdout["price"].to_numpy()) if "price" in keys["serving"] else None
    again = count_again(
        model.definition.target.kind,
        holdout[TARGET].to_numpy(),
        predicted,
        threshold,
        holdout["w"].to_numpy() if "weight" in keys["training"] else None,
        COSTS.get(name, costs),
        {"poisson_deviance": 1.0} if "poisson" in keys["training"] else None,
        model.definition.target.quantiles or (),
    )
    assert evaluation["metrics"]["holdout"] == pytest.approx(again, rel=1e-9, abs=1e-9)
    verdict = read_json(store, made, "verdict.json")
    assert verdict["passed"] == all(each["passed"] for each in verdict["checks"])
    if "group" in keys["training"]:
        sides = [set(rows.filter(pl.col(ROLE) == role)["g"]) for role in (0, 1, 3)]
        assert sum(map(len, sides)) == len(set.union(*sides))
    if UP in keys["training"]:
        steps = pl.DataFrame({"x": np.linspace(-3, 3, 50), "s": [5.0] * 50, "c": ["north"] * 50})
        assert (np.diff(model.predict(steps)) >= 0).all()

    asked, scored = TABLE.tail(20).drop("y", "n", "v", "b"), tmp_path / "scored.parquet"
    asked.write_parquet(tmp_path / "asked.parquet")
    (tmp_path / "work").mkdir()
    score_table(load_scorer(store, made), "asked.parquet", str(scored), tmp_path / "work", None)
    metrics = Metrics()
    app = PredictionApp(load_folder(folder), metrics, PredictionLog(None, metrics))
    for row, told in zip(asked.to_dicts(), pl.read_parquet(scored).to_dicts(), strict=True):
        question = json.dumps({each: row[each] for each in ("x", "s", "c")})
        status, served = ask(app, "/predict", question.encode())
        assert status == 200
        compare(served, told, threshold)
    found = reproduce_version(store, made, tmp_path / "work", tmp_path)
    assert (found.different, found.causes) == ((), ())


def compare(served: dict[str, Any], told: dict[str, Any], threshold: float) -> None:
    """Hold an answer of the service against the same row's score, and against itself."""
    if isinstance(served["prediction"], list):
        chances = [told[f"probability_{name}"] for name in ("high", "low", "middle")]
        assert served["prediction"] == pytest.approx(chances, rel=1e-12)
        assert told["label"] == served["label"]
        assert told[f"probability_{told['label']}"] == max(chances)
        return
    assert served["prediction"] == pytest.approx(told["prediction"], rel=1e-12)
    if "label" in served:
        assert served["label"] == told["label"] == (told["prediction"] >= threshold)
    if "interval" in served:
        ends = [told["interval_low"], told["interval_high"]]
        assert served["interval"] == pytest.approx(ends, rel=1e-12)
        assert 0 <= ends[0] <= ends[1]
    if "quantiles" in served:
        several = [told[name] for name in told if name.startswith("quantile_")]
        assert served["quantiles"] == pytest.approx(several, rel=1e-12)
        assert several == sorted(several)
