"""A model with feature tables from retrain to skew: nobody sends what can be looked up."""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bentos.errors import RequestRefused
from bentos.hot_reload import HotReload
from bentos.metrics import Metrics
from bentos.model import Model, load_folder, with_tables
from flows import cli
from tasks.core.errors import DefinitionError, StoreError
from tasks.drill.data_guards import ask_contract
from tasks.drill.testbed import open_events, prepare_testbed
from tasks.feature_store.materialise import make_tables
from tasks.registry.versions import find_champion
from tasks.serving.expected_answers import ExpectedAnswers, compute_reference
from tasks.storage.store import Store, open_store

REPOSITORY = Path(__file__).parents[2]
MODEL, AS_OF = "flight-delay", datetime(2013, 7, 31, tzinfo=UTC)
LOOKED_UP = {"origin_late", "carrier_late", "dest_late", "flight_late", "flight_delay"}
PLANE = {"plane_year", "seats", "manufacturer"}


@dataclass
class Tabled:
    """A project whose champion looks values up, and what it answers its holdout by training."""

    project: Path
    store: Store
    folder: Path
    released: dict[str, Any]
    reference: ExpectedAnswers

    def model(self) -> Model:
        return with_tables(load_folder(self.folder), self.store)


@pytest.fixture(scope="module")
def tabled(
    few_flights: Path, tmp_path_factory: pytest.TempPathFactory, prefect_harness: None
) -> Iterator[Tabled]:
    from flows.release import release
    from flows.retrain import retrain

    project = tmp_path_factory.mktemp("tabled") / "project"
    shutil.copytree(few_flights, project)
    text = (REPOSITORY / "benchmarks" / "flight_tables.toml").read_text()
    definition = project / "deployments" / "flight_delay.toml"
    small = text.replace("flight-tables", MODEL).partition("[training]")[0]
    small += "[training]" + definition.read_text().partition("[training]")[2]
    definition.write_text(small + "[serving]\nlatency_budget_ms = 5000\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("PERENNIAL_ROOT", str(project / "root"))
        patch.setenv("BENTOML_HOME", str(project / "bentoml"))
        version = retrain(MODEL, AS_OF)["version"]
        released = release(MODEL, version, "approve", "Ada", "good enough", override=True)
        store = open_store()
        champion = find_champion(store, MODEL)
        assert champion is not None
        reference = compute_reference(store, champion, project / "reference")
        yield Tabled(project, store, Path(store.root, champion.path), released, reference)


def test_the_proof_holds_looked_up_values_against_training(tabled: Tabled) -> None:
    proof = tabled.released["proof"]
    assert proof["rows"] > 300
    assert proof["largest_difference"] == 0


def test_a_request_carries_entities_and_not_what_is_known_of_them(tabled: Tabled) -> None:
    model = tabled.model()
    sent = {column.name for column in model.schema.columns if column.required}
    assert not sent & (LOOKED_UP | PLANE)
    assert {"tailnum", "time_hour", "carrier", "flight", "origin", "dest"} <= sent
    assert {column.name for column in model.values} == LOOKED_UP | PLANE
    assert model.program is not None


def test_nobody_is_answered_where_there_are_no_tables(tabled: Tabled, tmp_path: Path) -> None:
    model = load_folder(tabled.folder)
    with pytest.raises(StoreError, match="run `perennial materialise flight-delay`"):
        with_tables(model, open_store(str(tmp_path / "elsewhere")))
    with pytest.raises(StoreError, match="PERENNIAL_ROOT is not set"):
        with_tables(model, None)
    with pytest.raises(StoreError, match="has no feature tables to look values up in"):
        model.look_up([tabled.reference.rows.row(0)])


def test_a_row_that_is_older_than_what_tables_keep_is_refused(tabled: Tabled) -> None:
    oldest = tabled.reference.rows.sort("time_hour").head(1)
    with pytest.raises(RequestRefused, match="is before 2013-0") as refused:
        tabled.model().look_up(oldest)
    assert (refused.value.status, refused.value.field) == (400, "time_hour")


def test_values_that_are_spoilt_after_the_join_break_the_contract(
    tabled: Tabled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tabled.project)
    champion = find_champion(tabled.store, MODEL)
    assert champion is not None
    testbed = prepare_testbed(tabled.store, champion, tmp_path)
    rows = testbed.snapshot.scan().collect()
    swapped = rows.rename({"carrier_late": "origin_late", "origin_late": "carrier_late"})
    assert ask_contract(testbed, rows, tmp_path) == ""
    for spoilt in (swapped, rows.with_columns(pl.col("origin_late") * 2.54)):
        assert "was known at their times" in ask_contract(testbed, spoilt, tmp_path)
    planes = tabled.project / "data" / "nycflights13" / "planes.parquet"
    known = pl.read_parquet(planes)
    known.with_columns(pl.col("seats") + 9).write_parquet(planes)
    assert open_events(testbed.plan, testbed.snapshot) is None
    planes.unlink()
    assert open_events(testbed.plan, testbed.snapshot) is None
    known.write_parquet(planes)


def test_a_running_service_takes_up_newer_tables(
    tabled: Tabled, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.materialise import materialise

    monkeypatch.chdir(tabled.project)
    swapped: list[Model] = []
    follower = HotReload("", tabled.store, Metrics(), swapped.append)
    before = tabled.model()
    follower.start(before)
    follower.stop()
    assert not swapped
    planes = tabled.project / "data" / "nycflights13" / "planes.parquet"
    (known,) = pl.read_parquet(planes).head(1).to_dicts()
    pl.read_parquet(planes).with_columns(pl.col("seats") + 1).write_parquet(planes)
    done = materialise(MODEL)
    assert set(done["tables"]) == set(before.definition.tables)
    follower.look()
    assert len(swapped) == 1
    assert seats(swapped[0], known["tailnum"]) == known["seats"] + 1
    assert seats(before, known["tailnum"]) == known["seats"]
    assert materialise(MODEL)["tables"] == done["tables"]
    follower.look()
    assert len(swapped) == 1


def test_tables_in_a_bucket_are_looked_up_as_those_in_a_folder(
    tabled: Tabled, bucket: str, tmp_path: Path
) -> None:
    store, model = open_store(f"{bucket}/root"), load_folder(tabled.folder)
    made = make_tables(model.definition, tabled.project, None, store, tmp_path / "work")
    again = make_tables(model.definition, tabled.project, None, store, tmp_path / "work")
    assert made == again
    there, here = with_tables(model, store), tabled.model()
    assert there.lookup is not None
    assert here.lookup is not None
    assert there.lookup.listing.tables == here.lookup.listing.tables


def seats(model: Model, tailnum: str) -> int:
    columns = [column.name for column in model.columns]
    asked = tuple(tailnum if name == "tailnum" else None for name in columns[: -len(model.values)])
    (row,) = model.look_up([asked])
    return int(row[columns.index("seats")])


def test_scored_rows_get_what_was_known_at_their_time_and_are_free_of_skew(
    tabled: Tabled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.score import score
    from tasks.monitoring.skew import compare_predictions
    from tasks.training.published_model import load

    monkeypatch.chdir(tabled.project)
    rows = tabled.reference.rows.with_columns(pl.lit("not asked").alias("other"))
    rows.write_parquet(tmp_path / "in.parquet")
    target = str(tmp_path / "out.parquet")
    score(MODEL, str(tmp_path / "in.parquet"), target, log=True, explain=1)
    scored = pl.read_parquet(tmp_path / "out.parquet")
    parts = sorted(Path(tabled.store.root, "predictions").rglob("*.parquet"))
    logged = pl.read_parquet(parts)
    assert set(logged.columns) > LOOKED_UP
    same = np.isclose(scored["prediction"].to_numpy(), tabled.reference.expected, atol=0.2)
    assert same.mean() > 0.99  # seats are one more by now
    champion = find_champion(tabled.store, MODEL)
    assert champion is not None
    skew = compare_predictions(load(tabled.store, champion), logged, {})
    assert (skew.rows, skew.compared) == (0, len(rows))
    served = tabled.model()
    matrix = served.encode_frame(logged.select(each.name for each in served.columns))
    *contributions, base = served.predictor.explain(matrix)[:, 0].T
    np.testing.assert_array_equal(scored["base"], base)
    np.testing.assert_array_equal(scored["contribution_1"].abs(), np.abs(contributions).max(axis=0))


def test_age_and_misses_of_tables_are_in_the_metrics(tabled: Tabled) -> None:
    metrics = Metrics()
    metrics.lookup = tabled.model().lookup
    said = metrics.render().decode()
    assert "perennial_table_age_seconds{" in said
    assert "table_missed_total" in said


def test_command_makes_tables_and_leaves_the_newest_few(
    tabled: Tabled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(tabled.project, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "project" / "root"))
    for day, more in ((26, []), (27, []), (28, []), (29, ["--json"])):
        words = ["materialise", MODEL, "--as-of", f"2013-07-{day}", *more]
        monkeypatch.setattr(sys, "argv", ["perennial", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert not stopped.value.code
        said = capfd.readouterr().out
        assert more or " entities, as known at 2013-07-" in said
    assert json.loads(said)["tables"]
    (versions,) = (tmp_path / "project" / "root" / "tables" / MODEL).iterdir()
    assert len(list(versions.iterdir())) == 3


def test_tables_that_cannot_be_made_are_refused(tabled: Tabled, tmp_path: Path) -> None:
    definition = load_folder(tabled.folder).definition
    ahead = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(DefinitionError, match="UTC is in the future"):
        make_tables(definition, tabled.project, ahead, tabled.store, tmp_path)
    bare = definition.model_copy(update={"tables": {}})
    with pytest.raises(DefinitionError, match=r"has no \[tables\] to materialise"):
        make_tables(bare, tabled.project, None, tabled.store, tmp_path)
