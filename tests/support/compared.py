"""Versions made by real runs on a made-up table of 3,000 hours, to be compared."""

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from candidates import take_steps

from tasks.registry.ledger import append_entry
from tasks.registry.versions import Published
from tasks.storage.store import open_store
from tasks.validation.candidate import Candidate, publish_candidate

START = datetime(2020, 1, 1)
EARLY, LATE = (datetime(2020, month, 1, tzinfo=UTC) for month in (4, 5))
HOSTILE = "</th><script>alert('1')</script>\u202e*a*"
DEFINITION = """
name = "made"
[sources]
s = "s.parquet"
[extract]
time = "t"
key = ["id"]
[target]
value = "y"
kind = "binary"
[features]
x = "x"
k = "k"
c = "c"
[gate]
rows = 50
slice_rows = 20
[training]
threads = 2
rounds = 20
holdout = "20d"
params = { num_leaves = 7, learning_rate = 0.2, min_data_in_leaf = 5 }
"""
KINDS = {  # what the definition's target is replaced by
    "binary": ("", ""),
    "multiclass": ('value = "y"\nkind = "binary"', 'value = "band"\nkind = "multiclass"'),
    "regression": ('value = "y"\nkind = "binary"', 'value = "z"\nkind = "regression"'),
    "quantiles": (
        'value = "y"\nkind = "binary"',
        'value = "z"\nkind = "regression"\nquantiles = [0.1, 0.5, 0.9]',
    ),
}
TIMELESS = DEFINITION.replace('time = "t"\n', "").replace('"20d"', "0.3")


def draw_rows() -> pl.DataFrame:
    draw = np.random.default_rng(0)
    x, k, c = draw.normal(size=3000), draw.integers(0, 5, 3000), draw.integers(0, 4, 3000)
    value = x + k / 4 + (c == 1) + draw.normal(size=3000)
    return pl.DataFrame(
        {
            "id": range(3000),
            "t": [START + timedelta(hours=hour) for hour in range(3000)],
            "x": x,
            "k": k,
            "c": np.array(["north", "south", "east", "west"])[c],
            "y": value > 1,
            "z": value,
            "band": np.array(["low", "middle", "high"])[np.digitize(value, [0, 1.5])],
        }
    )


def crown(published: Published) -> None:
    """Release a version, by the ledger alone."""
    said: Any = {"version": published.version, "manifest": published.digest, "approver": "Ada"}
    for action in ("approve", "release"):
        append_entry(open_store(), "made", action=action, reason="", **said)  # type: ignore[arg-type]


class Versions:
    """Makes versions of one model in a project's folder, whose table may change in between."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write(draw_rows())

    def write(self, rows: pl.DataFrame) -> None:
        rows.write_parquet(self.folder / "s.parquet")

    def make(
        self, text: str = DEFINITION, as_of: datetime | None = LATE, **replaced: str
    ) -> Published:
        """Take all steps and publish what they made; `replaced` are parts of the definition."""
        return self.publish(self.candidate(text, as_of, **replaced))

    def candidate(
        self, text: str = DEFINITION, as_of: datetime | None = LATE, **replaced: str
    ) -> Candidate:
        for before, after in replaced.items():
            text = text.replace(f"[{before}]\n", f"[{before}]\n{after}\n")
        path = self.folder / "made.toml"
        path.write_text(text)
        return take_steps(path, as_of, Path(tempfile.mkdtemp(dir=self.folder)))

    def publish(self, candidate: Candidate) -> Published:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        report = {"report.html": "<p>the report</p>"}
        published = publish_candidate(candidate, report, open_store(), folder)
        shutil.rmtree(folder)
        return published
