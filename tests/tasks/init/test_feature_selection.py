"""Every column is a feature, or there is a reason why it is not."""

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
from drafts import OTHER, RNG, ROWS, Draft, X, Y, line_of, unwrap, with_other

from tasks.core.definition import parse_definition


@with_other
def test_bikes_are_counted_without_what_adds_up_to_the_count(draft: Draft) -> None:
    definition, text = draft(str(OTHER / "bike_hour.csv"), "cnt")
    assert definition.target.kind == "regression"
    assert definition.extract.time == "dteday"
    assert definition.extract.key == ("dteday", "hr")
    assert definition.features is not None
    assert {"hr", "temp", "weekday"} < set(definition.features)
    assert not {"instant", "dteday", "casual", "registered"} & set(definition.features)
    assert "adds up to it with casual, R² 0.95" in line_of(text, "# registered")
    assert "counts the rows" in line_of(text, "# instant")


@with_other
def test_salaries_keep_their_strong_features(draft: Draft) -> None:
    definition, _ = draft(str(OTHER / "adult.csv"), "salary")
    assert definition.target.value == "salary = '>50K'"
    assert definition.sources["adult"].null_values == ("?",)
    assert definition.extract.time is None
    assert definition.features is not None
    assert len(definition.features) == 14
    low, high = definition.checks.label_rate or (0, 0)
    assert low < 0.2408 < high


def test_every_type_of_column_finds_its_place(draft_columns: Draft) -> None:
    start, rows = datetime(2022, 1, 1), range(ROWS)
    definition, text = draft_columns(
        columns={
            "when": [start + timedelta(hours=row) for row in rows],
            "due": [date(2022, 1, 1) + timedelta(days=row // 10) for row in rows],
            "clock": [time(row % 24) for row in rows],
            "took": [timedelta(hours=row % 7) for row in rows],
            "list": [[1]] * ROWS,
            "price": [Decimal(row % 13) / 10 for row in rows],
            "nothing": [None] * ROWS,
            "always": ["a"] * ROWS,
            "infinite": [math.inf if row % 9 == 0 else X[row] for row in rows],
            "nan": [math.nan if row % 3 == 0 else X[row] for row in rows],
            "level": pl.Series(["pq"[row % 2] for row in rows], dtype=pl.Enum(["p", "q", "r"])),
            "huge": pl.Series([10**25 + row % 40 for row in rows], dtype=pl.Int128),
            "flag": [row % 3 == 0 for row in rows],
            'a\n"b" = #': [row % 5 for row in rows],
            "": [row % 4 for row in rows],
            "hour": [row % 6 for row in rows],
            " hour ": [row % 6 for row in rows],
        }
    )
    for name in ("due_weekday", "took", "list", "nothing", "always"):
        assert f"\n# {name} " in text
    assert definition.extract.time == "when"
    assert definition.features is not None
    assert definition.features["when_hour"] == "DATE_PART('hour', when)"
    assert {"clock_hour", "price", "infinite", "nan", "huge", "flag"} < set(definition.features)


def test_what_is_left_out_can_be_taken_in(draft_columns: Draft) -> None:
    definition, text = draft_columns(columns={"always": ["a"] * ROWS, "odd name": 2 * Y})
    taken_in = text.replace("\n# always", "\nalways").replace('\n# "odd name"', '\n"odd name"')
    more = set(parse_definition(taken_in, "").features or {})
    assert more - set(definition.features or {}) == {"always", "odd name"}


def test_games_are_sold_without_the_regions_they_were_sold_in(draft: Draft, tmp_path: Path) -> None:
    regions = {name: RNG.pareto(2, ROWS).round(2) for name in ("na", "eu", "jp", "other")}
    total = sum(regions.values()).round(2)
    more = {"year": RNG.integers(1990, 2020, ROWS), "rank": total.argsort()}
    pl.DataFrame(regions | more | {"sold": total}).write_csv(tmp_path / "games.csv")
    definition, text = draft("games.csv", "sold")
    assert not set(regions) & set(definition.features or {})
    assert "adds up to it with eu, jp, other" in unwrap(text)
