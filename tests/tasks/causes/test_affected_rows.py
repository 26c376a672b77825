"""A fault that is confined to a few levels is told with them; one of all rows is not."""

import polars as pl
import pytest
from struck import changed, struck

from tasks.causes.affected_rows import Place, confine
from tasks.causes.evidence import Evidence
from tasks.core.columns import TIME

FAR = changed(pl.col("distance") * 100)


def places(evidence: Evidence, name: str = "distance") -> list[Place]:
    bins = evidence.find_bins(evidence.rows, name)
    inside = (evidence.rows[TIME] > evidence.begins).to_numpy()
    return list(confine(evidence, evidence.rows, name, bins, inside))


@pytest.mark.parametrize(
    ("where", "column", "levels"),
    [
        (pl.col("origin") == "JFK", "origin", ("JFK",)),
        (pl.col("carrier").is_in(["UA", "DL"]), "carrier", ("UA", "DL")),
    ],
)
def test_few_levels_are_told(where: pl.Expr, column: str, levels: tuple[str, ...]) -> None:
    found = places(struck(FAR, where))[0]
    assert found.column == column
    assert set(found.levels) == set(levels)


def test_fault_of_all_rows_is_confined_to_none() -> None:
    assert [each for each in places(struck(FAR)) if each.column == "origin"] == []


def test_place_finds_its_rows_and_says_so() -> None:
    place = Place("k", ("1", "2"))
    assert place.find(pl.DataFrame({"k": [1, 2, 3, None]})).to_list() == [True, True, False, False]
    assert str(place) == "k = '1' or '2'"
