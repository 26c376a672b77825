"""Rows are scored in batches, in their order, and every answer has its key."""

from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
import pytest
from models import unpublished
from tables import ROWS, define

from tasks.core.columns import LOGGED_PREDICTION, LOGGED_REQUEST, LOGGED_TIME, LOGGED_VERSION
from tasks.core.definition import parse_definition
from tasks.core.errors import DataRefused
from tasks.features.transform import compile_features
from tasks.prediction import batch_scoring
from tasks.prediction.batch_scoring import Scorer, answer_rows, count_rows, map_ahead, write_log

QUIET = {"verbosity": -1, "num_threads": 1, "objective": "binary", "seed": 1}
X = ROWS.select("x", "k")


@pytest.fixture
def scorer() -> Scorer:
    definition = parse_definition(define(features='x = "x"\nk = "k"'), "made.toml")
    features = compile_features(definition, ROWS.schema, "made.toml")
    data = lightgbm.Dataset(X.to_numpy(), ROWS["y"].to_numpy(), params=dict(QUIET))
    model = unpublished(definition, features, lightgbm.train(dict(QUIET), data, 5))
    return Scorer(model=model, types=dict(ROWS.select("id", "x", "k").schema))


def test_answers_have_the_key_and_what_is_above_the_threshold(scorer: Scorer) -> None:
    answers = answer_rows(scorer, ROWS)
    assert answers.columns == ["id", "prediction", "label"]
    expected = scorer.model.booster.predict(X.to_numpy())
    np.testing.assert_array_equal(answers["prediction"], expected)
    threshold = scorer.model.definition.threshold
    assert answers["label"].equals(answers["prediction"] >= threshold, check_names=False)
    assert answer_rows(scorer, ROWS.head(0)).schema == answers.schema


def test_contributions_change_neither_answers_nor_the_log(scorer: Scorer, tmp_path: Path) -> None:
    explaining, plain = scorer.model_copy(update={"explain": 2}), answer_rows(scorer, ROWS)
    answers = answer_rows(explaining, ROWS)
    assert answers[:, :3].equals(plain)
    assert answers.columns[3:5] == ["base", "reason_1"]
    assert answer_rows(explaining, ROWS.head(0)).schema == answers.schema
    logged = []
    for name, given, told in (("a", scorer, plain), ("b", explaining, answers)):
        (tmp_path / name).mkdir()
        write_log(given, ROWS, told, tmp_path / name)
        logged.append(pl.read_parquet(tmp_path / name).drop(LOGGED_TIME, LOGGED_REQUEST))
    assert logged[0].equals(logged[1])


def test_log_keeps_raw_columns_and_leaves_what_is_absent_empty(
    scorer: Scorer, tmp_path: Path
) -> None:
    batch = ROWS.head(3).drop("k")
    answers = answer_rows(scorer, ROWS.head(3))
    write_log(scorer, batch, answers, tmp_path)
    (part,) = map(pl.read_parquet, tmp_path.iterdir())
    assert part[LOGGED_PREDICTION].to_list() == answers["prediction"].to_list()
    assert part[LOGGED_VERSION].unique().to_list() == ["v1"]
    assert part["k"].null_count() == 3


def test_batches_keep_their_order_and_know_the_rows_before() -> None:
    parts = [ROWS.slice(start, 100) for start in range(0, 400, 100)]
    counted = list(count_rows(parts))
    assert [before for before, _ in counted] == [0, 100, 200, 300]
    assert pl.concat(map_ahead(lambda part: part[1], counted)).equals(ROWS)


def test_full_disk_is_not_the_fault_of_the_rows() -> None:
    full = pl.exceptions.ComputeError("No space left on device (os error 28)")
    with pytest.raises(pl.exceptions.ComputeError), batch_scoring.refusing_rows("rows.csv"):
        raise full
    said = r"rows.csv: cannot be scored: odd"
    with pytest.raises(DataRefused, match=said), batch_scoring.refusing_rows("rows.csv"):
        raise pl.exceptions.ComputeError("odd")
