"""The monitor where rows carry no time and answers are classes: no alarm, and all else the same."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tables import define, write_file
from watched import Found, look

import flows.retrain as retraining
from tasks.core.errors import DefinitionError
from tasks.registry.ledger import append_entry
from tasks.storage.store import open_store, work_folder

ROWS = pl.DataFrame(
    {
        "id": range(3000),
        "x": [row * 37 % 101 / 10 for row in range(3000)],
        "k": [row * 7 % 5 for row in range(3000)],
        "y": [("low", "middle", "high")[min(row * 37 % 101 // 34, 2)] for row in range(3000)],
    }
)
SECTIONS = {
    "extract": 'key = ["id"]',
    "target": 'value = "y"\nkind = "multiclass"',
    "features": 'x = "x"\nk = "k"',
    "training": "threads = 1\nrounds = 10\nholdout = 0.4",
    "gate": 'slices = ["k"]\nslice_rows = 50',
    "monitoring": 'window = "28d"\nrows = 100',
}


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_harness: None) -> str:
    """Make a champion by the plain functions, and log answers to rows from its first half."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    (tmp_path / "deployments").mkdir()
    write_file(ROWS, tmp_path / "s.parquet")
    (tmp_path / "deployments" / "made.toml").write_text(define(**SECTIONS))
    for name in ("extract", "analyse", "prepare", "train", "evaluate", "validate", "refit"):
        monkeypatch.setattr(retraining, name, getattr(retraining, name).fn)
    plan, store = retraining.plan_retrain("made", None), open_store()
    with work_folder(store) as folder:
        made = retraining.make_candidate(plan, store, folder)
    signed = {"version": made.version, "manifest": made.digest, "approver": "Ada"}
    for action in ("approve", "release"):
        append_entry(store, "made", action=action, reason="good enough", **signed)  # type: ignore[arg-type]
    log(tmp_path / "root", ROWS.head(1000), made.version, [0.2, 0.3, 0.5])
    log(tmp_path / "root", ROWS.head(300), "v0", [0.4, 0.6])
    return made.version


def log(root: Path, rows: pl.DataFrame, version: str, chances: list[float]) -> None:
    at = datetime.now(UTC) - timedelta(hours=1)
    folder = root / "predictions" / "made" / f"date={at:%Y-%m-%d}" / f"hour={at:%H}"
    folder.mkdir(parents=True, exist_ok=True)
    rows.select(
        pl.lit(at).cast(pl.Datetime("us", "UTC")).alias("__time"),
        pl.lit("r").alias("__request"),
        pl.lit(version).alias("__version"),
        pl.lit(chances).alias("__prediction"),
        pl.exclude("y"),
    ).write_parquet(folder / f"{version}.parquet")


def test_classes_are_joined_by_key_and_those_that_no_model_knows_are_counted(
    version: str, tmp_path: Path
) -> None:
    strange = pl.when(pl.col("id") < 7).then(pl.lit("new")).otherwise("y").alias("y")
    write_file(ROWS.with_columns(strange), tmp_path / "s.parquet")
    found: Found = look(None, "made")
    assert found["rows"] == {version: 1000, "v0": 300}
    assert found["outcomes"]["labelled"] == 1300 - 14
    assert found["outcomes"]["waiting"] == 0
    measured = {each["version"]: each["metrics"] for each in found["versions"]}
    assert measured[version]["accuracy"] == pytest.approx(0.33, abs=0.02)
    assert measured["v0"] == {}  # it answered with as many classes as it knew
    said = "\n".join(found["warnings"])
    assert "labels are of a class that the model does not know" in said
    assert "rows carry no time, so that there is no history to set alarms by" in said
    assert "Drift by feature" in Path(found["report"]).read_text()
    with pytest.raises(DefinitionError, match=r"--as-of needs \[extract\] time"):
        look(datetime(2020, 1, 1, tzinfo=UTC), "made")


def test_without_a_key_no_answer_leads_to_its_label(version: str, tmp_path: Path) -> None:
    text = define(**SECTIONS | {"extract": ""})
    (tmp_path / "deployments" / "made.toml").write_text(text)
    found = look(None, "made")
    assert found["rows"][version] == 1000
    assert found["outcomes"]["labelled"] == 0
    assert any("no answer leads to its label" in each for each in found["warnings"])
