"""What suggests leakage is told; measures, categories and plain missing values are not blamed."""

import numpy as np
import polars as pl
import pytest
from tables import Project

from tasks.analysis.leakage_hints import find_entities, follows_gaps, list_hints

RNG = np.random.default_rng(7)
COUNT = 3000
BASE = pl.DataFrame({"id": range(COUNT), "x": RNG.normal(size=COUNT), "z": RNG.normal(size=COUNT)})
NOISE = pl.Series(RNG.random(COUNT))
RANDOM = {"extract": 'key = ["id"]', "target": 'value = "y"\nkind = "binary"'}
NUMBER = {**RANDOM, "target": 'value = "y"\nkind = "regression"'}


def hints(made: Project, rows: pl.DataFrame, features: str, sections: dict[str, str]) -> list[str]:
    return list(list_hints(*made.extract(rows, features=features, **sections)))


@pytest.mark.parametrize(
    ("target", "sections"),
    [
        (pl.col("x") - 2 * pl.col("z"), NUMBER),
        (3 * pl.col("x") + 7, NUMBER),
        (pl.col("x") + pl.col("z"), {**RANDOM, "target": 'value = "y > 0.3"\nkind = "binary"'}),
    ],
)
def test_a_target_that_features_add_up_to_is_told(
    made: Project, target: pl.Expr, sections: dict[str, str]
) -> None:
    (found,) = hints(made, BASE.with_columns(y=target), 'x = "x"\nz = "z"', sections)
    assert "given away by features 'x'" in found
    noisy = BASE.with_columns(y=target + NOISE / 3)
    assert not hints(made, noisy, 'x = "x"\nz = "z"', sections)


@pytest.mark.parametrize(
    "sections", [RANDOM, {**RANDOM, "target": 'value = "y"\nkind = "multiclass"'}]
)
def test_what_is_there_only_after_the_target_is_told(
    made: Project, sections: dict[str, str]
) -> None:
    rows = BASE.with_columns(y=NOISE > 0.9)
    after = pl.when(pl.col("y") & (pl.col("id") % 50 > 0)).then("z")
    (found,) = hints(made, rows.with_columns(z=after), 'x = "x"\nz = "z"', sections)
    assert found.startswith("column 'z' is missing, or is there, as the target says")
    often = pl.when(pl.col("y") | (pl.col("id") % 2 > 0)).then("z")
    assert not hints(made, rows.with_columns(z=often), 'x = "x"\nz = "z"', sections)


def test_a_number_that_is_0_as_the_target_is_told(made: Project) -> None:
    rows = BASE.with_columns(claims=pl.when(NOISE > 0.8).then(1 + pl.col("id") % 3).otherwise(0))
    rows = rows.with_columns(y=pl.col("claims") * pl.col("z").exp())
    (found,) = hints(made, rows, 'x = "x"\nclaims = "claims"', NUMBER)
    assert found.startswith("column 'claims' is 0, or is not, as the target says")
    often = pl.when(pl.col("id") % 2 > 0).then("claims").otherwise(0)
    assert not hints(made, rows.with_columns(claims=often), 'x = "x"\nclaims = "claims"', NUMBER)


def test_gaps_of_a_number_are_told_too_but_never_by_a_few_rows() -> None:
    amount = np.maximum(RNG.normal(size=500), 0)
    assert follows_gaps(amount == 0, amount, "regression")
    assert not follows_gaps(np.arange(500) < 10, np.arange(500.0), "regression")


def entities(kind: str) -> pl.DataFrame:
    """Give rows of 300 customers; most of them always behave alike."""
    customer = pl.Series(RNG.permutation(np.repeat(np.arange(300), 10)))
    mood = pl.Series(RNG.permutation(300)).gather(customer)
    likely = (mood % 3 == 0).cast(pl.Float64) * 0.8 + 0.1
    values = {"binary": likely > NOISE, "regression": mood + 100 * NOISE,
              "multiclass": (mood % 3 + (NOISE < 0.2).cast(pl.Int64)).cast(pl.String)}  # fmt: skip
    return BASE.with_columns(customer=customer, y=values[kind])


@pytest.mark.parametrize("kind", ["binary", "regression", "multiclass"])
def test_an_entity_of_many_rows_is_told_where_rows_are_split_at_random(
    made: Project, kind: str
) -> None:
    target = f'value = "y"\nkind = "{kind}"'
    sections = {**RANDOM, "target": target}
    (found,) = hints(made, entities(kind), 'x = "x"', sections)
    assert "'customer' is in about 10 rows" in found
    assert "[training] group = 'customer'" in found
    grouped = {**sections, "training": 'group = "customer"'}
    assert not hints(made, entities(kind), 'x = "x"', grouped)


def test_measures_and_plain_categories_are_no_entities() -> None:
    rows = BASE.with_columns(
        price=(pl.col("x") * 100).round().cast(pl.Int64),
        level=pl.col("id") % 7,
        town=(pl.col("id") * 7919 % 300).cast(pl.String),
    )
    rows = rows.with_columns(y=pl.col("price") + NOISE)
    assert find_entities(rows.lazy(), pl.col("y"), "regression", ("price", "level", "town")) == {}


def test_a_measure_is_no_entity_though_the_tables_neighbours_are_alike() -> None:
    """As diamonds are laid out by price: the next row is often nearly the same stone."""
    rows = pl.DataFrame(
        {"price": np.repeat(np.arange(300), 10), "y": np.repeat(RNG.random(1500), 2)}
    )
    assert find_entities(rows.lazy(), pl.col("y"), "regression", ["price"]) == {}


def test_few_kinds_of_rows_are_told_where_their_hash_would_split_them(made: Project) -> None:
    rows = pl.DataFrame({"x": RNG.integers(0, 5, COUNT), "y": RNG.random(COUNT) > 0.5})
    sections = {**RANDOM, "extract": ""}
    (found,) = hints(made, rows, 'x = "x"', sections)
    assert "rows are of 5 kinds, alike in all but 'y'" in found
    numbered = 'query = "SELECT *, ROW_NUMBER() OVER () AS id FROM s"\nkey = ["id"]'
    assert not hints(made, rows, 'x = "x"', {**sections, "extract": numbered})
