"""What a version's holdout gave stands beside served rows only where both count rows alike."""

import json
from datetime import timedelta
from pathlib import Path

import polars as pl
from predicted import START, rows
from tables import define

from tasks.core.columns import LOGGED_VERSION
from tasks.core.definition import parse_definition
from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.ground_truth_join import GroundTruth
from tasks.monitoring.prediction_log import LoggedPredictions
from tasks.monitoring.version_performance import Answered, describe_versions
from tasks.registry.versions import publish, version_path
from tasks.storage.store import open_store
from tasks.training.published_model import PublishedModel

GIVEN = {"auc": 0.9}
WEIGHED = define(training='weight = "x"')
PLAIN = define()


def list_answered(tmp_path: Path, definitions: dict[str, str]) -> dict[str, Answered]:
    """Describe versions of a real store, each of which answered the same rows."""
    store, made = open_store(str(tmp_path / "root")), {}
    for version, text in definitions.items():
        folder = tmp_path / version
        folder.mkdir()
        (folder / "definition.toml").write_text(text)
        (folder / "lineage.json").write_text(json.dumps({"metrics": {"holdout": GIVEN}}))
        made[version] = publish(store, folder, version_path("made", version))
    answers = pl.concat(
        rows(10, 1.0).with_columns(pl.lit(each).alias(LOGGED_VERSION))
        for each in (*definitions, "gone")
    )
    answers.write_ipc(tmp_path / "answers.arrow")
    champion = PublishedModel.model_construct(root=store.root, published=made["v1"])
    watch = MonitoringContext.model_construct(
        definition=parse_definition(PLAIN, "made.toml"), root=store.root, champion=champion
    )
    asked = ServedRows(
        log=LoggedPredictions(files={}, rows={}, torn={}),
        since=START - timedelta(days=1),
        until=START + timedelta(days=20),
        rows={**dict.fromkeys(definitions, 1000), "gone": 1000},
    )
    outcomes = GroundTruth(path=tmp_path / "answers.arrow", rows=len(answers))
    found = describe_versions(watch, asked, outcomes, {"auc": 0.8})
    return {each.version: each for each in found}


def test_holdout_that_counted_by_weights_is_not_set_beside_rows_that_carry_none(
    tmp_path: Path,
) -> None:
    found = list_answered(tmp_path, {"v1": WEIGHED, "v2": WEIGHED, "v3": PLAIN})
    assert found["v1"].holdout == {"auc": 0.8}  # the champion's, measured again without
    assert (found["v2"].holdout, found["v3"].holdout) == ({}, GIVEN)
    assert "[training] weight = 'x', and served rows carry none" in found["v2"].reason
    assert "reason" not in found["v3"].model_dump()
    assert {each.labelled for each in found.values()} == {1000}


def test_version_that_is_gone_or_damaged_is_listed_all_the_same(tmp_path: Path) -> None:
    found = list_answered(tmp_path, {"v1": PLAIN, "v2": "name = "})
    assert (found["v1"].holdout, found["v2"].holdout, found["gone"].holdout) == (GIVEN, {}, {})
