"""A champion of real flights, and what a service would have logged of the flights after it."""

import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from prefect.client.orchestration import get_client

from tasks.core.columns import TIME
from tasks.registry.ledger import append_entry
from tasks.sources.query import open_table
from tasks.storage.store import open_store, work_folder
from tasks.training.published_model import load

MODEL = "flight-delay"
AS_OF = datetime(2013, 6, 1, tzinfo=UTC)
UNTIL = datetime(2013, 7, 31, tzinfo=UTC)
MONITORING = '[monitoring]\nwindow = "28d"\nrows = 100\n'


STEPS = (
    *("read_asked", "read_ground_truth", "read_reference"),
    *("measure_quality", "measure_staleness", "measure_drift", "measure_skewed"),
    *("check_contract", "read_service", "read_new_data", "follow", "send_alerts"),
)
Found = dict[str, Any]


@dataclass(frozen=True)
class Watched:
    """A project with a champion as of June; `answers` are log rows of June and July."""

    project: Path
    root: Path
    version: str
    answers: pl.DataFrame

    def log(self, rows: pl.DataFrame | None = None, name: str = "part.parquet") -> Path:
        """Write rows as one part, in the hour of the first of them."""
        rows = self.answers if rows is None else rows
        path = self.folder(rows["__time"][0]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(path)
        return path

    def folder(self, hour: datetime) -> Path:
        logged = self.root / "predictions" / MODEL
        return logged / f"date={hour:%Y-%m-%d}" / f"hour={hour:%H}"

    def copy(self, folder: Path) -> "Watched":
        for part in (self.project, self.root):
            shutil.copytree(part, folder / part.name)
        root = folder / self.root.name
        return Watched(folder / self.project.name, root, self.version, self.answers)

    def change_definition(self, old: str, new: str) -> None:
        path = self.project / "deployments" / "flight_delay.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def make_watched(few_flights: Path, folder: Path) -> Watched:
    """Train without Prefect's engine, and release by the ledger alone."""
    import flows.retrain as steps

    project, root = folder / "project", folder / "root"
    shutil.copytree(few_flights, project)
    definition = project / "deployments" / "flight_delay.toml"
    definition.write_text(definition.read_text() + MONITORING)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("PERENNIAL_ROOT", str(root))
        for name in ("extract", "analyse", "prepare", "train", "evaluate", "validate", "refit"):
            patch.setattr(steps, name, getattr(steps, name).fn)
        plan, store = steps.plan_retrain(MODEL, AS_OF), open_store()
        with work_folder(store) as place:
            made = steps.make_candidate(plan, store, place)
        signed: Any = {"approver": "Ada", "reason": "good enough"}
        signed |= {"version": made.version, "manifest": made.digest}
        append_entry(store, MODEL, action="approve", **signed)
        append_entry(store, MODEL, action="release", **signed)
        model, table = load(store, made), open_table(plan.definition, plan.project)
        rows = table.rows.filter(table.time > AS_OF).collect().sort("time_hour")  # type: ignore[operator]
        rows = rows.filter(pl.col("tailnum").is_not_null())
    predicted = model.predict(rows)
    asked = dict.fromkeys([*plan.features.columns, *plan.definition.extract.key])
    answers = rows.select(
        pl.col("time_hour").dt.offset_by("-1h").alias("__time"),
        pl.format("request-{}", pl.int_range(pl.len())).alias("__request"),
        pl.lit(made.version).alias("__version"),
        pl.Series("__prediction", predicted),
        *asked,
    )
    assert TIME not in answers.columns
    return Watched(project, root, made.version, answers)


def look(as_of: datetime | None = UNTIL, model: str = MODEL) -> Found:
    """Run the monitor without Prefect's engine, which takes longer than all that is looked at."""
    import flows.monitor as monitoring

    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            patch.setattr(monitoring, name, getattr(monitoring, name).fn)
        patch.setattr(monitoring, "leave", lambda *_: None)
        return monitoring.monitor.fn(model, as_of)


def read_payloads(kind: str, reason: str = "") -> list[dict[str, Any]]:
    """Read what Prefect's server was told of a kind and for a reason, waiting for something."""
    asked = {"filter": {"event": {"name": [f"perennial.{kind}"]}}}
    until = time.monotonic() + 10
    with get_client(sync_client=True) as client:
        while time.monotonic() < until:
            events = client.request("POST", "/events/filter", json=asked).json()["events"]
            payloads = [each["payload"] for each in events]
            if found := [each for each in payloads if reason in each["reason"]]:
                return found
            time.sleep(0.1)
    return []
