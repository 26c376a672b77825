"""The score flow: a table whole, in parts, and the same numbers as the model gives."""

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from any_model import TABLE, make_model
from polars.testing import assert_frame_equal
from prefect.exceptions import ParameterTypeError

from bentos.model import Model, load_folder
from flows import cli
from flows.score import load_scorer, score
from tasks.core.errors import (
    DataRefused,
    DecisionRefused,
    DefinitionError,
    PerennialError,
    SourceChanged,
)
from tasks.prediction import batch_scoring
from tasks.prediction.batch_scoring import score_table
from tasks.prediction.compiled_forest import NoForest
from tasks.registry.versions import find_champion, find_version
from tasks.storage.store import open_store
from tasks.training.published_model import load

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"


@pytest.fixture
def table(released: "Released") -> Path:
    """Take the raw rows of a snapshot."""
    return next((released.root / "snapshots").glob("*/part*.parquet"))


def expect(path: Path) -> np.ndarray:
    store = open_store()
    champion = find_champion(store, MODEL)
    assert champion is not None
    return load(store, champion).predict(pl.read_parquet(path))


def test_parquet_is_scored_in_parts_as_the_model_answers(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_scoring, "_BATCH", 300)
    target = tmp_path / "new" / "scored.parquet"
    done = score(MODEL, str(table), str(target))
    scored = pl.read_parquet(target)
    assert done["rows"] == len(scored) == len(pl.read_parquet(table))
    assert scored.columns == ["time_hour", "carrier", "flight", "origin", "prediction", "label"]
    np.testing.assert_array_equal(scored["prediction"], expect(table))
    assert scored["flight"].equals(pl.read_parquet(table)["flight"])
    assert [path.name for path in target.parent.iterdir()] == ["scored.parquet"]


def test_compiled_predictor_gives_the_same_numbers(table: Path, tmp_path: Path) -> None:
    store = open_store()
    champion = find_champion(store, MODEL)
    assert champion is not None
    scorer = load_scorer(store, champion)
    assert scorer.forest is not None
    plain = scorer.model_copy(update={"forest": None})
    given = []
    for each in (scorer, plain):
        target = tmp_path / f"{each.forest is None}.parquet"
        score_table(each, str(table), str(target), tmp_path, None)
        given.append(pl.read_parquet(target))
    assert_frame_equal(*given, check_exact=True)


def test_each_part_is_answered_logged_and_counted(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this thread: the one in which Polars asks for parts is not Python's own."""
    monkeypatch.setattr(batch_scoring, "_BATCH", 300)
    store, counts = open_store(), list[int]()
    champion = find_champion(store, MODEL)
    assert champion is not None
    scorer = load_scorer(store, champion)
    rows = batch_scoring.open_rows(scorer, str(table))
    parts = list(batch_scoring.answer_parts(scorer, rows, tmp_path, counts))
    unlogged = list(batch_scoring.answer_parts(scorer, rows, None, []))
    assert_frame_equal(pl.concat(parts), pl.concat(unlogged), check_exact=True)
    np.testing.assert_array_equal(pl.concat(parts)["prediction"], expect(table))
    assert counts == [len(each) for each in parts]
    assert sum(counts) == len(pl.read_parquet(list(tmp_path.glob("*.parquet"))))


def test_model_that_cannot_be_compiled_is_predicted_by_lightgbm(
    table: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise NoForest("no compiler here")

    monkeypatch.setattr(batch_scoring, "compile_forest", refuse)
    store = open_store()
    champion = find_champion(store, MODEL)
    assert champion is not None
    assert load_scorer(store, champion).forest is None
    assert "LightGBM predicts, not the compiled predictor: no compiler here" in caplog.text


def test_model_without_a_champion_scores_nothing(
    released: "Released", table: Path, tmp_path: Path
) -> None:
    with pytest.raises(DefinitionError, match=r"other: has no version yet in .*'flight-delay'"):
        score("other", str(table), str(tmp_path / "out.csv"))
    shutil.rmtree(released.root / "models" / MODEL / "ledger")
    with pytest.raises(DecisionRefused, match="flight-delay: has no champion to score with"):
        score(MODEL, str(table), str(tmp_path / "out.csv"))


def test_command_says_how_many_rows_were_scored(
    released: "Released",
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "scored.csv"
    words = ["perennial", "score", MODEL, "--input", str(table), "--output", str(target)]
    for more in ([], ["--explain", "2", "--json"]):
        monkeypatch.setattr(sys, "argv", [*words, *more])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert not stopped.value.code
        said = capfd.readouterr().out
        assert str(target) in said
    done, scored = json.loads(said), pl.read_csv(target)
    assert (done["rows"], done["explain"]) == (len(scored), 2)
    assert scored.columns[-4:] == ["reason_1", "contribution_1", "reason_2", "contribution_2"]
    monkeypatch.setattr(sys, "argv", ["perennial", "show", MODEL, released.older, "--sbom"])
    with pytest.raises(SystemExit):
        cli.main()
    assert json.loads(capfd.readouterr().out)["components"]


def test_csv_in_and_out_gives_the_same_numbers(table: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "rows.csv", tmp_path / "scored.csv"
    pl.read_parquet(table).write_csv(source)
    score(MODEL, str(source), str(target))
    np.testing.assert_array_equal(pl.read_csv(target)["prediction"], expect(table))


def test_log_keeps_what_the_service_would(
    released: "Released", table: Path, tmp_path: Path
) -> None:
    done = score(MODEL, str(table), str(tmp_path / "scored.parquet"), log=True)
    parts = list((released.root / "predictions" / MODEL).rglob("*.parquet"))
    logged = pl.read_parquet(parts)
    assert len(parts) == done["log_parts"] > 0
    assert {"__time", "__request", "__version", "__prediction", "carrier"} <= set(logged.columns)
    assert set(logged["__version"]) == {released.older}
    np.testing.assert_array_equal(np.sort(logged["__prediction"]), np.sort(expect(table)))


def test_what_cannot_be_scored_leaves_the_old_output(table: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "rows.csv", tmp_path / "scored.csv"
    rows = pl.read_parquet(table).with_columns(pl.col("distance").cast(pl.String))
    rows.with_columns(pl.lit("far").alias("distance")).write_csv(source)
    target.write_text("old")
    for given, to, said in (
        (source, target, "distance|far"),
        (table, tmp_path / "out.xlsx", "must end in"),
        (tmp_path / "none.parquet", target, "no file matches"),
    ):
        with pytest.raises(PerennialError, match=said):
            score(MODEL, str(given), str(to))
    assert target.read_text() == "old"


def test_missing_column_is_named_with_the_nearest(table: Path, tmp_path: Path) -> None:
    source = tmp_path / "rows.parquet"
    pl.read_parquet(table).rename({"distance": "distanc"}).write_parquet(source)
    with pytest.raises(DefinitionError, match="no column 'distance'; did you mean 'distanc'"):
        score(MODEL, str(source), str(tmp_path / "out.csv"))


def test_input_that_changes_while_it_is_scored_gives_no_output(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "rows.parquet", tmp_path / "out.csv"
    real = batch_scoring.answer_rows
    shutil.copyfile(table, source)

    def answer(*arguments: Any) -> pl.DataFrame:
        pl.read_parquet(table).reverse().write_parquet(source.with_suffix(".new"))
        source.with_suffix(".new").replace(source)
        return real(*arguments)

    monkeypatch.setattr(batch_scoring, "answer_rows", answer)
    with pytest.raises(SourceChanged, match=r"--input .*rows.parquet changed while it was read"):
        score(MODEL, str(source), str(target))
    assert not target.exists()


def test_column_of_another_kind_is_refused_and_nothing_is_written(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_scoring, "_BATCH", 300)
    source, target = tmp_path / "rows.parquet", tmp_path / "out" / "scored.parquet"
    rows = pl.read_parquet(table)
    for column, kind in (
        ("carrier", pl.col("flight")),
        ("distance", pl.col("distance") + 0.5),
        ("time_hour", pl.col("time_hour").dt.replace_time_zone(None)),
        ("time_hour", pl.col("time_hour").dt.epoch("ms")),
        ("flight", pl.lit("one")),
    ):
        rows.with_columns(kind.alias(column)).write_parquet(source)
        said = f"rows.parquet: column '{column}' is .* as in training"
        with pytest.raises(DataRefused, match=said):
            score_alone(source, target, tmp_path)
    assert not target.exists()


def score_alone(source: Path, target: Path, folder: Path) -> int:
    """Score without Prefect's engine."""
    store = open_store()
    champion = find_champion(store, MODEL)
    assert champion is not None
    return score_table(load_scorer(store, champion), str(source), str(target), folder, None)


def test_contributions_are_the_services_own_to_the_last_bit(
    released: "Released", table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_scoring, "_BATCH", 300)
    served = load_folder(released.root / "models" / MODEL / released.older)
    assert served.predictor.name == "compiled"
    source, rows = tmp_path / "rows.csv", pl.read_parquet(table)
    rows.write_csv(source)
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv}
    for given, ending in ((table, "parquet"), (source, "csv")):
        target = tmp_path / f"scored.{ending}"
        assert score(MODEL, str(given), str(target), explain=3)["explain"] == 3
        check_explained(served, rows, read[ending](target), 3)


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ('value = "c"\nkind = "multiclass"', "label"),
        ('value = "k"\nkind = "regression"', "prediction"),
    ],
)
def test_classes_and_values_are_explained_as_the_service_does(
    tmp_path: Path, target: str, answer: str
) -> None:
    served = make_model(tmp_path, target)
    store, file = open_store(str(tmp_path / "root")), tmp_path / "scored.parquet"
    published = find_version(store, "made", served.version)
    scorer = load_scorer(store, published, explain=len(served.features.expressions))
    score_table(scorer, str(tmp_path / "s.parquet"), str(file), tmp_path, None)
    scored = pl.read_parquet(file)
    check_explained(served, TABLE, scored, len(served.features.expressions))
    matrix = encode(served, TABLE)
    said = served.tell(matrix, served.predictor.predict(matrix))
    assert answer in scored.columns
    assert said is None or said == scored["label"].to_list()


def encode(served: Model, rows: pl.DataFrame) -> np.ndarray:
    return served.encode_frame(rows.select(list(served.schema.types)))


def check_explained(served: Model, rows: pl.DataFrame, scored: pl.DataFrame, most: int) -> None:
    """Hold contributions against those that the service gives for the same rows."""
    matrix, names = encode(served, rows), list(served.features.expressions)
    predicted = served.predictor.predict(matrix)
    outputs = predicted.argmax(axis=1) if predicted.ndim == 2 else np.zeros(len(rows), int)
    explained = served.predictor.explain(matrix)[np.arange(len(rows)), outputs].tolist()
    assert len(scored) == len(rows)
    for row, (*values, base) in zip(scored.iter_rows(named=True), explained, strict=True):
        first = sorted(range(len(names)), key=lambda place: (-abs(values[place]), place))[:most]
        told = [(row[f"reason_{n}"], row[f"contribution_{n}"]) for n in range(1, most + 1)]
        assert told == [(names[place], values[place]) for place in first]
        assert row["base"] == base
        total = base + sum(values)
        if "prediction" in row:
            value = 1 / (1 + np.exp(-total)) if "label" in row else total
            assert value == pytest.approx(row["prediction"], abs=1e-12)


def test_other_number_of_contributions_leaves_nothing_of_an_earlier_run(
    table: Path, tmp_path: Path
) -> None:
    store, target = open_store(), tmp_path / "scored.parquet"
    champion = find_champion(store, MODEL)
    assert champion is not None
    told = []
    for most in (3, 1, None):
        scorer = load_scorer(store, champion, most)
        score_table(scorer, str(table), str(target), tmp_path, None)
        told.append(pl.read_parquet(target))
    assert [len(each.columns) for each in told] == [6 + 7, 6 + 3, 6]
    assert_frame_equal(told[0][:, :9], told[1], check_exact=True)
    assert_frame_equal(told[1][:, :6], told[2], check_exact=True)


def test_forest_of_averages_is_not_explained(tmp_path: Path) -> None:
    averaged = ', boosting = "rf", bagging_freq = 1, bagging_fraction = 0.5'
    served = make_model(tmp_path, 'value = "y"\nkind = "binary"', params=averaged)
    store = open_store(str(tmp_path / "root"))
    published = find_version(store, "made", served.version)
    assert load_scorer(store, published).explain is None
    with pytest.raises(DefinitionError, match=f"--explain: {served.version} cannot be explained"):
        load_scorer(store, published, explain=1)


@pytest.mark.parametrize("explain", [0, True, "3", 2.5])
def test_flow_takes_a_whole_number_of_contributions(
    released: "Released", table: Path, tmp_path: Path, explain: Any
) -> None:
    target = tmp_path / "out.csv"
    with pytest.raises(ParameterTypeError, match="explain"):
        score(MODEL, str(table), str(target), explain=explain)
    with pytest.raises(DefinitionError, match=r"--explain 20: .* has 19 features; give 1 to 19"):
        score(MODEL, str(table), str(target), explain=20)
    assert not target.exists()
