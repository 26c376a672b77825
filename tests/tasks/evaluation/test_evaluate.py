import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from flows.retrain import plan_retrain
from tasks.core.columns import ROW, TARGET
from tasks.evaluation.evaluate import Evaluation, predict
from tasks.evaluation.slices import SLICE
from tasks.evaluation.task import evaluate
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.extraction.task import extract
from tasks.preparation.split import Prepared, SplitRole
from tasks.preparation.task import prepare
from tasks.training.task import train
from tasks.training.train import Trained, read_model

KINDS = {"binary": "arr_delay > 15", "multiclass": "origin", "regression": "arr_delay"}
CURVES = {
    "binary": {"learning", "roc", "precision_recall"},
    "multiclass": {"learning"},
    "regression": {"learning", "residuals"},
}
DEFINITION = """
name = "flights"
sources.flights = "data/nycflights13/flights-*.parquet"
extract.time = "time_hour"
target = {{ value = "{value}", kind = "{kind}" }}
gate = {{ slice_rows = 20{slices} }}
[features]
"dep hour" = "hour"
"a[1] {{b}}" = "carrier"
"a(1) {{b}}" = "distance"
dest = "dest"
[training]
threads = 2
rounds = 30
early_stopping = 10
holdout = "60d"
category_rows = 5
"""


class Evaluated:
    """What the steps up to evaluation made of a definition."""

    def __init__(self, project: Path, folder: Path, kind: str, slices: str = "") -> None:
        path = shutil.copytree(project, folder / "project") / "deployments" / "evaluated.toml"
        path.write_text(DEFINITION.format(value=KINDS[kind], kind=kind, slices=slices))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
            self.plan: Plan = plan_retrain(str(path), datetime(2013, 8, 1, tzinfo=UTC))
            self.snapshot: Snapshot = extract.fn(self.plan, folder)
        self.prepared: Prepared = prepare.fn(self.plan, self.snapshot, folder)
        self.trained: Trained = train.fn(self.plan, self.prepared, folder)
        self.found: Evaluation
        self.found, scored = evaluate.fn(
            self.plan, self.snapshot, self.prepared, self.trained, folder
        )
        self.scored = scored.read()
        self.holdout = self.prepared.scan(SplitRole.HOLDOUT).collect()


Evaluate = Callable[..., Evaluated]


@pytest.fixture(scope="module")
def made(few_flights: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluate:
    known: dict[tuple[str, str], Evaluated] = {}

    def run(kind: str, slices: str = "") -> Evaluated:
        if (kind, slices) not in known:
            folder = tmp_path_factory.mktemp(f"evaluated-{kind}")
            known[kind, slices] = Evaluated(few_flights, folder, kind, slices)
        return known[kind, slices]

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_target_is_evaluated_whole(made: Evaluate, kind: str) -> None:
    found = made(kind).found
    assert found.rows == made(kind).prepared.rows["holdout"]
    assert set(found.curves) == CURVES[kind]
    assert found.slices
    assert found.metrics["holdout"].keys() == found.baseline.keys() == found.simple.keys()
    json.loads(found.model_dump_json(), parse_constant=pytest.fail)
    assert Evaluation.model_validate_json(found.model_dump_json()) == found


def test_scores_are_those_of_the_twin_beside_its_rivals(made: Evaluate) -> None:
    made_of = made("binary")
    target, scored = made_of.holdout[TARGET].to_numpy(), made_of.scored
    twin, simple = (
        predict(read_model(path.read_text()), made_of.holdout)
        for path in (made_of.trained.twin, made_of.trained.simple)
    )
    assert scored["predicted"].to_list() == twin.tolist()
    assert scored["simple"].to_list() == simple.tolist()
    seen = made_of.prepared.scan(SplitRole.FIT, SplitRole.STOP).collect()
    assert scored["baseline"].unique().to_list() == [seen[TARGET].mean()]
    assert made_of.found.metrics["holdout"]["auc"] == pytest.approx(roc_auc_score(target, twin))
    learned = predict(read_model(made_of.trained.twin.read_text()), seen)
    train_auc = roc_auc_score(seen[TARGET].to_numpy(), learned)
    assert made_of.found.metrics["train"]["auc"] == pytest.approx(train_auc)


def test_baselines_are_what_training_rows_say_on_the_whole(made: Evaluate) -> None:
    several = made("multiclass")
    seen = (
        several.prepared.scan(SplitRole.FIT, SplitRole.STOP)
        .collect()[TARGET]
        .value_counts(normalize=True)
    )
    shares = seen.sort(TARGET)["proportion"].to_list()
    assert several.scored["baseline"].to_numpy()[0] == pytest.approx(shares)
    assert several.scored["predicted"].to_numpy().shape == (several.found.rows, 3)
    values = made("regression")
    mean = values.prepared.scan(SplitRole.FIT, SplitRole.STOP).collect()[TARGET].mean()
    assert values.scored["baseline"].unique().to_list() == [mean]


@pytest.mark.parametrize("kind", KINDS)
def test_importance_names_the_definition_s_features_and_adds_up(made: Evaluate, kind: str) -> None:
    importance = made(kind).found.importance
    assert {each.feature for each in importance} == set(made(kind).plan.features.expressions)
    assert "a[1] {b}" in {each.feature for each in importance}
    assert sum(each.share for each in importance) == pytest.approx(1)
    assert [each.share for each in importance] == sorted(
        (each.share for each in importance), reverse=True
    )


def test_importance_is_lightgbm_s_own_mean_contribution(made: Evaluate) -> None:
    made_of = made("binary")
    names = list(made_of.plan.features.expressions)
    features = made_of.holdout.select(names).to_numpy()
    twin = read_model(made_of.trained.twin.read_text())
    parts = np.asarray(twin.predict(features, pred_contrib=True))
    expected = dict(zip(names, np.abs(parts[:, :-1]).mean(axis=0), strict=True))
    found = {each.feature: each.contribution for each in made_of.found.importance}
    assert found == pytest.approx(expected)


def test_slices_are_measured_on_their_own_rows(made: Evaluate) -> None:
    made_of = made("binary", ', slices = ["origin", "hour >= 18"]')
    raw = made_of.snapshot.scan().collect()[made_of.holdout[ROW]]
    late, predicted = made_of.holdout[TARGET].to_numpy(), made_of.scored["predicted"].to_numpy()
    assert {each.slice for each in made_of.found.slices} == {"origin", "hour >= 18"}
    for each in made_of.found.slices:
        inside = (
            (raw["origin"] == each.level)
            if each.slice == "origin"
            else (raw["hour"] >= 18).cast(pl.String) == each.level
        ).to_numpy()
        assert each.rows == inside.sum()
        assert each.metrics["auc"] == pytest.approx(roc_auc_score(late[inside], predicted[inside]))


def test_group_that_no_feature_reads_is_measured(made: Evaluate) -> None:
    made_of = made("binary", ', slices = ["origin", "hour >= 18"]')
    assert "origin" not in made_of.plan.features.columns
    groups = {each.level for each in made_of.found.slices if each.slice == "origin"}
    assert groups == {"EWR", "JFK", "LGA"}


def test_small_categories_are_slices_by_themselves(made: Evaluate) -> None:
    slices = {each.slice for each in made("binary").found.slices}
    assert slices == {"a[1] {b}"}
    assert [name for name in made("binary").scored.columns if name.startswith(SLICE)] == [
        SLICE + "a[1] {b}"
    ]


def test_a_missing_value_is_a_slice_of_its_own(made: Evaluate) -> None:
    slices = made("binary", ", slices = [\"NULLIF(origin, 'JFK')\"]").found.slices
    assert {each.level for each in slices} == {"EWR", "LGA", "(missing)"}


def test_roc_and_precision_recall_are_scikit_learn_s(made: Evaluate) -> None:
    made_of = made("binary")
    target, predicted = made_of.holdout[TARGET].to_numpy(), made_of.scored["predicted"].to_numpy()
    false_positives, true_positives, _ = roc_curve(target, predicted, drop_intermediate=False)
    known = set(zip(false_positives.round(9), true_positives.round(9), strict=True))
    assert set(points_of(made_of, "roc")) <= known
    precision, recall, _ = precision_recall_curve(target, predicted)
    known = set(zip(recall.round(9), precision.round(9), strict=True))
    points = points_of(made_of, "precision_recall")
    assert set(points) <= known
    assert points[-1] == (1, pytest.approx(target.mean()))


def points_of(made_of: Evaluated, name: str) -> list[tuple[float, ...]]:
    curve = made_of.found.curves[name]
    lines = [np.round(line, 9) for end, line in curve.items() if end not in ("low", "high")]
    return list(zip(*lines, strict=True))


def test_the_same_inputs_give_the_same_evaluation(
    made: Evaluate, few_flights: Path, tmp_path: Path
) -> None:
    again = Evaluated(few_flights, tmp_path, "multiclass")
    assert again.found == made("multiclass").found
