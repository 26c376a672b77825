"""A version answers only if its files are whole and it passes its own test."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from any_model import TABLE
from models import unpublished
from servers import Versions, alter

from bentos.model import Model, check_model, load_folder
from tasks.core.errors import StoreError
from tasks.prediction.batch_scoring import Scorer, answer_rows, open_rows, take_columns, write_log
from tasks.prediction.compiled_forest import CompiledForest


def test_a_folder_without_a_whole_model_is_not_served(versions: Versions, tmp_path: Path) -> None:
    model = alter(versions.folder(versions.second), tmp_path / "model", "")
    (model / "model.txt").write_text("tree\n")
    with pytest.raises(StoreError, match="changed after it was published"):
        load_folder(model)


def test_a_model_that_takes_other_features_is_not_served(versions: Versions) -> None:
    model = load_folder(versions.folder(versions.second))
    more = model.features.model_copy(
        update={"expressions": {**model.features.expressions, "more": "1"}}
    )
    with pytest.raises(StoreError, match="takes other features than it is given"):
        check_model(replace(model, features=more))


def test_a_model_that_answers_many_rows_otherwise_than_one_is_not_served(
    versions: Versions, tmp_path: Path
) -> None:
    asks = alter(versions.folder(versions.second), tmp_path / "model", 'predictor = "compiled"')
    model = load_folder(asks)
    other = (versions.folder(versions.first) / "model.txt").read_text()
    model.predictor._forest = CompiledForest(other)
    with pytest.raises(StoreError, match="no finite, repeatable numbers"):
        check_model(model)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"holds no model; MANIFEST.json is missing"):
        load_folder(tmp_path)


@pytest.mark.parametrize("kind", ["classes", "amount"])
def test_a_table_is_scored_as_the_service_answers(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model: Model = request.getfixturevalue(kind)
    scorer = Scorer(
        model=unpublished(
            model.definition,
            model.features,
            model.predictor._booster,
            model.vocabulary,
            model.version,
        ),
        types=model.schema.types,
    )
    path = tmp_path / "rows.parquet"
    TABLE.head(20).write_parquet(path)
    table = open_rows(scorer, str(path))
    batch = take_columns(scorer, table, table.rows.collect())
    answers = answer_rows(scorer, batch)
    matrix = model.encode_frame(TABLE.head(20).select(list(model.schema.types)))
    predicted = model.predictor.predict(matrix)
    write_log(scorer, batch, answers, tmp_path)
    (part,) = (each for each in tmp_path.iterdir() if each != path)
    logged = pl.read_parquet(part)
    np.testing.assert_allclose(logged["__prediction"].to_list(), predicted)
    assert logged["__version"].unique().to_list() == [model.version]
    if kind == "amount":
        assert answers.columns == ["id", "prediction"]
        return
    assert answers.columns[:2] == ["id", "label"]
    assert answers["label"].to_list() == model.tell(matrix, predicted)
    assert answers["probability_north"].to_list() == pytest.approx(predicted[:, 1].tolist())
