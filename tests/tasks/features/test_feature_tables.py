"""A feature table that cannot be made is refused by the key that is wrong."""

from pathlib import Path

import polars as pl
import pytest
from entities import define_table, make_events, make_rows
from tables import write_file

from tasks.core.errors import DefinitionError
from tasks.features.feature_tables import tabled_values
from tasks.sources.query import open_table


@pytest.mark.parametrize(
    ("keys", "values", "said"),
    [
        ("", {"x": "x + z"}, "[tables.past] values.x: there is no column 'z'"),
        (
            "",
            {"n": "COUNT(*)"},
            "values.n: COUNT(*) is an aggregate; say of how long a time, as in over = '7d'",
        ),
        ('time = "at"\nover = "1h"', {"n": "x"}, "values.n: x is no aggregate; write one AVG(…)"),
        ('time = "at"\nover = "1h"', {"n": "SUM(k)"}, "values.n: k gives String"),
        ('time = "at"\nover = "1h"', {"n": "MAX(x)"}, "MAX(x) is no aggregate; write one"),
        ('time = "at"\nover = "1h"', {"n": "AVG(x) / AVG(x)"}, "in [features]; or leave out over"),
        ('time = "at"\nover = "1h"', {"n": "SUM(*)"}, "SUM takes what an event holds"),
        ('time = "at"\nover = "1h"', {"n": "COUNT(DISTINCT x)"}, "cannot be kept up"),
        ('time = "k"\nover = "1h"', {"n": "SUM(x)"}, "by types in [sources] events, or name"),
        ('time = "att"\nover = "1h"', {"n": "SUM(x)"}, "there is no column 'att'; did you mean"),
        (
            'time = "at"\nover = "1h"\nknown_after = "1h"',
            {"n": "SUM(x)"},
            "longer than known_after",
        ),
        ('over = "1h"', {"n": "SUM(x)"}, "over and known_after need time"),
        ("", {"id": "x"}, "column of [extract] query already; name one of them otherwise"),
        ('time = "at"\nover = "1h"', {"n": "SUM(y)"}, "the target is made of 'y'"),
        ("", {"n": "y"}, "the target is made of 'y'"),
    ],
)
def test_a_table_that_cannot_be_made_is_refused_by_its_key(
    tmp_path: Path, keys: str, values: dict[str, str], said: str
) -> None:
    events = make_events([(("a",), 1, 2)]).with_columns(y=pl.lit(True))
    write_file(make_rows([(("a",), 0)]), tmp_path / "s.parquet")
    write_file(events, tmp_path / "events.parquet")
    with pytest.raises(DefinitionError) as refused:
        open_table(define_table(keys, values), tmp_path)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('source = "events"', 'source = "event"', "there is no source 'event'; did you mean"),
        ('entity = ["k"]', 'entity = ["kk"]', "there is no column 'kk' in [extract] query"),
        ('entity = ["k"]', 'entity = ["t"]', "no column 't' in the source"),
    ],
)
def test_a_table_names_a_source_and_columns_that_there_are(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    definition = define_table("", {"size": "x"})
    table = definition.tables["past"]
    key, _, value = new.partition(" = ")
    given = {"source": value.strip('"')} if key == "source" else {"entity": (value.strip('["]'),)}
    changed = definition.model_copy(update={"tables": {"past": table.model_copy(update=given)}})
    write_file(make_rows([(("a",), 0)]), tmp_path / "s.parquet")
    write_file(make_events([(("a",), 1, 2)]), tmp_path / "events.parquet")
    with pytest.raises(DefinitionError) as refused:
        open_table(changed, tmp_path)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pl.col("x").alias("k"), "'k' is String in rows and Int64 in the source"),
        (None, "'k' is Float64; what names an entity is text or whole"),
    ],
)
def test_what_names_an_entity_is_text_or_whole_and_alike_on_both_sides(
    tmp_path: Path, column: pl.Expr | None, said: str
) -> None:
    events, rows = make_events([(("a",), 1, 2)]), make_rows([(("a",), 0)])
    if column is None:
        events, rows = (each.with_columns(pl.lit(0.5).alias("k")) for each in (events, rows))
    else:
        events = events.with_columns(column)
    write_file(rows, tmp_path / "s.parquet")
    write_file(events, tmp_path / "events.parquet")
    with pytest.raises(DefinitionError) as refused:
        open_table(define_table("", {"size": "x"}), tmp_path)
    assert said in str(refused.value)


def test_a_value_has_one_name_and_events_need_the_time_of_rows(tmp_path: Path) -> None:
    definition = define_table('time = "at"\nover = "1h"', {"n": "SUM(x)"})
    twice = {**definition.tables, "other": definition.tables["past"]}
    with pytest.raises(DefinitionError, match="'n' is a value of 'past' already"):
        tabled_values(definition.model_copy(update={"tables": twice}))
    write_file(make_rows([(("a",), 0)]), tmp_path / "s.parquet")
    write_file(make_events([(("a",), 1, 2)]), tmp_path / "events.parquet")
    timeless = definition.extract.model_copy(update={"time": None})
    with pytest.raises(DefinitionError, match=r"needs \[extract\] time"):
        open_table(definition.model_copy(update={"extract": timeless}), tmp_path)
