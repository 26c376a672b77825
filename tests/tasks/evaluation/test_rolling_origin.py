"""Folds in time: each learned from what was known before it, and measured as the holdout is."""

import json
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss, roc_auc_score
from tables import ROWS, START, Project

from flows.retrain import retrain
from tasks.core.columns import GROUP, TARGET, TIME
from tasks.core.errors import DataRefused, DefinitionError
from tasks.evaluation.recalibrate import Recalibrated
from tasks.evaluation.rolling_origin import cut_folds, describe_folds, judge_folds
from tasks.preparation.split import SplitRole
from tasks.registry.versions import find_version, read_file
from tasks.storage.store import open_store
from tasks.training.datasets import model_input
from tasks.training.recalibration import Recalibration
from tasks.training.train import read_model, train_models

MANY = pl.concat([ROWS] * 8).with_columns(
    id=pl.int_range(3200),
    t=pl.lit(START) + pl.duration(hours=pl.int_range(3200)),
    y=(pl.int_range(3200) * 7919 % 101 + pl.col("x") * 8) > 70,
)
MATURES = 'value = "y"\nkind = "binary"\nmatures_after = "36h"'
TRAINING = "folds = 3\nthreads = 1\nrounds = 20\nearly_stopping = 0"


def test_a_fold_learns_from_what_was_known_before_it(made: Project) -> None:
    plan, prepared = made.prepare(MANY, target=MATURES, training=TRAINING)
    rows = prepared.scan(SplitRole.FIT, SplitRole.STOP).select(TIME, TARGET).collect()
    sides = cut_folds(plan, rows, 3)
    judged = np.concatenate([np.flatnonzero(each) for _, each in sides])
    assert judged.tolist() == list(range(judged[0], len(rows)))
    assert judged[0] == pytest.approx(len(rows) / 2, abs=1)
    for learned, inside in sides:
        known = rows[TIME].filter(pl.Series(learned)).max()
        begins = rows[TIME].filter(pl.Series(inside)).min()
        assert isinstance(known, datetime)
        assert isinstance(begins, datetime)
        assert (
            begins - timedelta(hours=38)
            < known + timedelta(hours=1)
            <= begins - timedelta(hours=36)
        )


def test_a_folds_numbers_are_those_of_a_model_trained_by_hand(made: Project) -> None:
    import lightgbm

    plan, prepared = made.prepare(MANY, target=MATURES, training=TRAINING)
    trained = train_models(plan, prepared, made.folder)
    folds = judge_folds(plan, prepared, trained)
    rows = prepared.scan(SplitRole.FIT, SplitRole.STOP).collect()
    assert [each.rows for each in folds] == pytest.approx([len(rows) / 6] * 3, abs=2)
    for fold, (learned, judged) in zip(folds, cut_folds(plan, rows, 3), strict=True):
        names = ["x", "k", "c"]
        whole = lightgbm.Dataset(rows.select(names).to_numpy(), rows[TARGET].to_numpy(),
                                 params=dict(trained.params), categorical_feature=[2],
                                 free_raw_data=False)  # fmt: skip
        model = lightgbm.train(dict(trained.params), whole.subset(np.flatnonzero(learned)), 20)
        inside = rows.filter(pl.Series(judged))
        predicted = model.predict(model_input(inside.select(names)))
        target = inside[TARGET].to_numpy()
        assert fold.metrics["auc"] == pytest.approx(roc_auc_score(target, predicted), abs=1e-9)
        assert fold.metrics["log_loss"] == pytest.approx(log_loss(target, predicted), abs=1e-9)
        assert fold.interval.low < fold.metrics["auc"] < fold.interval.high
        assert (fold.learned, fold.rows) == (learned.sum(), judged.sum())
    assert read_model(trained.twin.read_text()).num_trees() == 20


def test_no_group_is_on_both_sides_of_a_fold(made: Project) -> None:
    rows = MANY.with_columns(g=pl.col("id") * 7 % 90)
    plan, prepared = made.prepare(rows, training=f'group = "g"\n{TRAINING}')
    inside = prepared.scan(SplitRole.FIT, SplitRole.STOP).select(TIME, TARGET, GROUP).collect()
    for learned, judged in cut_folds(plan, inside, 3):
        sides = [set(inside[GROUP].filter(pl.Series(each))) for each in (learned, judged)]
        assert not sides[0] & sides[1]


def test_too_short_a_window_is_refused_with_what_to_do(made: Project) -> None:
    plan, prepared = made.prepare(training="folds = 8")
    trained = train_models(plan, prepared, made.folder)
    with pytest.raises(DataRefused, match=r"folds = 8: fold 1 has .* to judge, .* fewer folds"):
        judge_folds(plan, prepared, trained)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"extract": 'key = ["id"]', "training": "folds = 3"}, r"\[training\] folds .*time"),
        ({"training": "folds = 1"}, r"\[training\] folds: must be greater than or equal to 2"),
        ({"gate": "worst_fold = 0.6"}, r"\[gate\] worst_fold: does nothing without .*folds"),
    ],
)
def test_folds_that_cannot_be_are_refused(
    made: Project, sections: dict[str, str], said: str
) -> None:
    made.write(MANY)
    with pytest.raises(DefinitionError, match=said):
        made.plan(**sections)


@pytest.mark.parametrize(("bound", "passed"), [(0.5, True), (0.999, False)])
def test_the_report_shows_them_and_the_gate_asks_for_them(
    made: Project, bound: float, passed: bool
) -> None:
    made.write(MANY)
    plan = made.plan(training=TRAINING, gate=f"worst_fold = {bound}", approval='mode = "manual"')
    told = retrain("made.toml")
    (check,) = [each for each in told["checks"] if each["name"] == "worst_fold"]
    assert check["passed"] is passed
    assert len(told["folds"]) == 3
    store = open_store()
    version = find_version(store, "made", plan.version)
    assert version is not None
    page = read_file(store, version, "report.html").decode()
    assert "judged by a model of what was known before it" in page
    assert "over 3 folds in time" in read_file(store, version, "report.md").decode().lower()
    assert "folds" in json.loads(read_file(store, version, "evaluation.json"))


def test_without_folds_nothing_is_said_of_them(made: Project) -> None:
    plan, prepared = made.prepare(training="rounds = 5")
    assert judge_folds(plan, prepared, train_models(plan, prepared, made.folder)) == ()
    assert list(describe_folds("auc", ())) == []


def test_folds_are_recalibrated_as_the_candidate_is_and_told_as_such(made: Project) -> None:
    plan, prepared = made.prepare(MANY, training=TRAINING)
    trained = train_models(plan, prepared, made.folder)
    found = Recalibrated(rows=9, error=0.1, margin=0.0, shift=0.0, losses={}, method="platt")
    higher = Recalibration(method="platt", slope=1.0, intercept=3.0)
    mended = found.model_copy(update={"chosen": higher})
    plain, moved = (judge_folds(plan, prepared, trained, each) for each in (found, mended))
    for fold, other in zip(plain, moved, strict=True):
        assert fold.metrics["auc"] == other.metrics["auc"]
        assert fold.metrics["recall"] < other.metrics["recall"]  # by the same threshold
    has = "all have the candidate's recalibration"
    told = [next(describe_folds("auc", plain, each)) for each in (None, found, mended)]
    assert [has in each for each in told] == [False, False, True]
