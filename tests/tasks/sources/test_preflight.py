"""What cannot work is refused in a moment, before anything heavy is loaded."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tables import ROWS, Project, define

from tasks.core.definition import parse_definition
from tasks.core.errors import DecisionRefused, DefinitionError
from tasks.registry.versions import publish, version_path
from tasks.sources.preflight import (
    check_columns,
    check_explain,
    check_model,
    check_past,
    check_tables,
    check_target,
    need_champion,
)
from tasks.storage.store import open_store


def test_definition_that_names_a_missing_column_is_refused(made: Project) -> None:
    made.write(ROWS)
    path = made.folder / "made.toml"
    path.write_text(define())
    assert check_columns(str(path)).name == "made"
    path.write_text(define(features='x = "xx"'))
    with pytest.raises(DefinitionError, match=r"made.toml: .*did you mean 'x'"):
        check_columns(str(path))


def test_future_is_refused_and_so_is_a_time_of_rows_that_carry_none() -> None:
    check_past(None, timed=False)
    check_past(datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(DefinitionError, match=r"--as-of 2999-01-01 00:00 UTC is in the future"):
        check_past(datetime(2999, 1, 1, tzinfo=UTC))
    with pytest.raises(DefinitionError, match=r"--since needs \[extract\] time"):
        check_past(datetime(2020, 1, 1, tzinfo=UTC), timed=False, option="--since")


def test_output_is_parquet_or_csv() -> None:
    assert check_target("s3://bucket/a.b.parquet") == "parquet"
    with pytest.raises(DefinitionError, match=r"--output rows.json: must end in .parquet or .csv"):
        check_target("rows.json")


def test_model_without_a_version_has_neither_tables_nor_a_champion(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "root"))
    with pytest.raises(DefinitionError, match="made: has no version yet"):
        check_model(store, "made")
    with pytest.raises((DefinitionError, DecisionRefused), match="made: has no"):
        need_champion(store, "made", "to score with")
    with pytest.raises(DefinitionError, match=r"made: has no \[tables\] to materialise"):
        check_tables(parse_definition(define(), "made.toml"), None)


def test_more_contributions_than_features_are_refused_and_so_are_none(tmp_path: Path) -> None:
    store, folder = open_store(str(tmp_path / "root")), tmp_path / "version"
    folder.mkdir()
    (folder / "features.json").write_text('{"expressions": {"x": "x", "k": "k"}}')
    published = publish(store, folder, version_path("made", "20200101T000000Z-ab"))
    for most in (None, 1, 2):
        check_explain(store, published, most)
    for most in (-1, 0, 3):
        said = rf"--explain {most}: 20200101T000000Z-ab has 2 features; give 1 to 2"
        with pytest.raises(DefinitionError, match=said):
            check_explain(store, published, most)
