"""A drafted definition says what was seen, and `retrain` takes it as it is."""

import tomllib
from pathlib import Path

import pytest
from drafts import Draft, X, Y

from tasks.core.errors import DefinitionError, PerennialError
from tasks.init.propose import find_place, write_draft


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
