"""A champion's reference is read back as it was written; rows without time have no calibration."""

import json
from pathlib import Path

import polars as pl
import pytest

from tasks.analysis.profile import profile_table, to_bytes
from tasks.core.columns import PREDICTION, TARGET
from tasks.monitoring.reference import ChampionReference
from tasks.registry.versions import publish
from tasks.storage.store import open_store

HOLDOUT = pl.DataFrame({TARGET: [0.0, 1.0], PREDICTION: [0.2, 0.7]})


@pytest.fixture
def reference(tmp_path: Path) -> ChampionReference:
    (folder := tmp_path / "made").mkdir()
    HOLDOUT.write_parquet(folder / "holdout.parquet")
    (folder / "importance.json").write_text(json.dumps({"x": 1.0}))
    (folder / "calibration.json").write_text("null")
    profile = profile_table(pl.LazyFrame({"x": [1.0, 2.0, None]}))
    (folder / "history.profile").write_bytes(to_bytes(profile))
    store = open_store(str(tmp_path / "root"))
    return ChampionReference(store, publish(store, folder, "monitoring/made/champions/v1"))


def test_reference_is_read_back(reference: ChampionReference) -> None:
    assert reference.holdout().equals(HOLDOUT)
    assert reference.importance() == {"x": 1.0}
    assert list(reference.profile().columns) == ["x"]
    assert reference.calibration() is None
