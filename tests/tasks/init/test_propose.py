"""A drafted definition says what was seen, and `retrain` takes it as it is."""

import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from drafts import Draft, X, Y, unwrap

from tasks.core.errors import DefinitionError, PerennialError
from tasks.init.propose import draft_definition, find_place, write_draft


def test_path_stays_as_it_was_given(draft_csv: Draft) -> None:
    definition, text = draft_csv("x,y", lambda row: f"{X[row]},{Y[row]}", "y", name="mine")
    assert definition.name == "mine"
    assert tomllib.loads(text)["sources"] == {"table": "table.csv"}


def test_draft_is_never_written_over_a_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_draft("two-words", "first")
    assert path == Path("deployments/two_words.toml")
    with pytest.raises(PerennialError, match="is there already"):
        write_draft("two-words", "second")
    assert path.read_text() == "first"


@pytest.mark.parametrize("taken", ["two_words.toml", "two-words.toml"])
def test_name_that_is_taken_is_refused_before_a_look_at_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / taken).write_text("mine")
    with pytest.raises(DefinitionError, match=f"{taken}: is there already; edit it"):
        find_place("two-words")
    with pytest.raises(DefinitionError, match="is there already"):
        write_draft("two-words", "other")
    assert (tmp_path / "deployments" / taken).read_text() == "mine"


def test_rows_of_one_entity_are_told_where_they_are_split_at_random(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    customer = chance.permutation(np.repeat(np.arange(200), 8))
    churned = (chance.random(200)[customer] > 0.5) ^ (chance.random(1600) < 0.05)
    left = np.where(churned & (chance.random(1600) < 0.95), chance.random(1600), np.nan)
    pl.DataFrame(
        {
            "customer_id": customer,
            "age": chance.normal(size=1600),
            "left": left,
            "churned": churned,
        },
    ).with_columns(pl.col("left").fill_nan(None)).write_parquet(tmp_path / "table.parquet")
    _, text, doubts = draft_definition(
        "table.parquet", "churned", time=None, key=(), name=None, project=tmp_path
    )
    assert any("[training] group = 'customer_id'" in each for each in doubts)
    assert "# group = '\"customer_id\"'  # about 8 rows of each" in text
    assert "missing, or there, as churned says" in unwrap(text)
