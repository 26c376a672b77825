"""A draft is written section by section, with its reasons beside the lines."""

import tomllib
from pathlib import Path

import polars as pl
from drafts import ROWS, X, Y

from tasks.init.column_survey import survey_table
from tasks.init.feature_selection import choose_features
from tasks.init.key_discovery import RowKey
from tasks.init.target_kind import infer_target
from tasks.init.toml_writer import Draft, write_text


def test_sections_stand_in_the_usual_order_and_are_toml(tmp_path: Path) -> None:
    rows = pl.DataFrame({"x": X, "one": [1] * ROWS, "y": Y > 0})
    rows.write_parquet(tmp_path / "table.parquet")
    survey = survey_table("table.parquet", "y", None, (), tmp_path)
    target = infer_target(survey)
    features = choose_features(survey, target)
    key = RowKey(note="none was found")
    draft = Draft(name="made", survey=survey, target=target, key=key, features=features)
    text = write_text(draft)
    found = tomllib.loads(text)
    assert [line for line in text.splitlines() if line.startswith("[")] == [
        *("[sources]", "[extract]", "[target]", "[features]", "[checks]", "[checks.columns]"),
        *("[training]", "[gate]", "[approval]", "[serving]", "[card]", "[schedule]"),
    ]
    assert (found["sources"], found["features"]) == ({"table": "table.parquet"}, {"x": "x"})
    assert "# Drafted by `perennial init` from table.parquet: 600 rows, 3 columns." in text
    assert '# one = "one"' in text
    assert "always 1" in text
    assert '# key = ["COLUMN"]  # none was found' in text
