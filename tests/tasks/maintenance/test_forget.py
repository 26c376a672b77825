"""One person's rows are removed from all that a root holds, and stay out of what is made next."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.core.columns import LOGGED_PREDICTION, LOGGED_REQUEST, LOGGED_TIME, LOGGED_VERSION
from tasks.core.errors import DataRefused, DefinitionError
from tasks.maintenance.doctor import check_models
from tasks.maintenance.forget import find_traces, open_columns, remove_traces, settle_values
from tasks.maintenance.reproduce import reproduce_version
from tasks.monitoring.prediction_log import read_log
from tasks.registry.forgotten import read_records
from tasks.registry.versions import check_files, find, get_version, read_json
from tasks.storage.store import Store, open_store, work_folder

Retrain = Callable[..., dict[str, Any]]
MODEL = "flight-delay"
DAY = datetime(2020, 3, 1, tzinfo=UTC)
PERSON = {"carrier": "UA"}


def write_log(store: Store) -> None:
    """Log two rows of the person and one of somebody else, in a part and in a piece of it."""
    rows = {"carrier": ["UA", "UA", "B6"]}
    fixed = {LOGGED_TIME: DAY, LOGGED_REQUEST: "r", LOGGED_VERSION: "v", LOGGED_PREDICTION: 0.5}
    part = pl.DataFrame(rows).with_columns(
        pl.lit(value).alias(name) for name, value in fixed.items()
    )
    folder = Path(store.root, "predictions", MODEL, "date=2020-03-01", "hour=03")
    folder.mkdir(parents=True)
    part.write_parquet(folder / "a.parquet")
    assert read(store) == {"v": 3}


def read(store: Store) -> dict[str, int]:
    with work_folder(store) as folder:
        log = read_log(store, MODEL, DAY - timedelta(days=1), DAY + timedelta(days=9), folder)
        (version,) = log.rows
        assert len(log.scan(version).collect()) == log.rows[version]
        return log.rows


def carriers(store: Store, version: str) -> set[str]:
    digest = read_json(store, get_version(store, MODEL, version), "lineage.json")["snapshot"]
    snapshot = find(store, f"snapshots/{digest}")
    assert snapshot is not None
    check_files(store, snapshot)
    rows = pl.read_parquet(Path(store.root, snapshot.path, "*.parquet"))
    return set(rows["carrier"].unique())


def test_person_s_rows_are_removed_and_stay_out(
    retrained: dict[str, Any], retrain: Retrain, project: Path
) -> None:
    version, store = retrained["version"], open_store()
    write_log(store)
    _, columns = open_columns(MODEL, PERSON)
    with work_folder(store) as folder:
        traces = find_traces(store, MODEL, settle_values(PERSON, columns), folder)
        assert traces.versions == (version,)
        assert sum(traces.log.values()) == 4
        assert "UA" in carriers(store, version)
        done = remove_traces(store, MODEL, traces, folder)
    assert done.removed["logged rows"] == 4
    assert "UA" not in carriers(store, version)
    assert read(store) == {"v": 1}
    assert [each.done for each in read_records(store, MODEL)] == [False, True]
    assert all(each.well for each in check_models(store))
    with work_folder(store) as folder:
        again = find_traces(store, MODEL, settle_values(PERSON, columns), folder)
        assert (again.snapshots, again.log) == ({}, {})
        with pytest.raises(DataRefused, match="learned from rows that were forgotten on"):
            reproduce_version(store, get_version(store, MODEL, version), folder, project)
    newer = retrain()["version"]
    assert newer != version
    assert "UA" not in carriers(store, newer)
    with work_folder(store) as folder:
        assert reproduce_version(
            store, get_version(store, MODEL, newer), folder, project
        ).reproduced


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"carier": "UA"}, r"--key carier: is no column of \[extract\] key .*'carrier'"),
        ({"flight": "UA"}, "the column is .*, and this is none"),
        ({"time_hour": "soon"}, "the column is Datetime"),
    ],
)
def test_key_that_no_row_can_have_is_refused(
    project: Path, given: dict[str, str], said: str
) -> None:
    with pytest.raises(DefinitionError, match=said):
        settle_values(given, open_columns(MODEL, given)[1])


def test_model_without_a_key_is_refused(definition_file: Path) -> None:
    text = definition_file.read_text()
    definition_file.write_text(
        text.replace('key = ["time_hour", "carrier", "flight", "origin"]', "")
    )
    with pytest.raises(DefinitionError, match=r"\[extract\] key is not given"):
        open_columns(MODEL, PERSON)
