"""A model is called like its data; its name can be released."""

import pytest

from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DefinitionError
from tasks.init.names import settle_name


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("sales.csv", "sales"),
        ("Sales Q1 (final).csv", "sales-q1-final"),
        ("Verkäufe_größer.csv", "verkaufe-groer"),
        ("2024.csv", "2024"),
        ("-x-.csv", "x"),
        ("продажи.csv", "model"),
        ("taxi.parquet", "taxi"),
        ("flights-*.parquet", "flights"),
        ("h/*/*.parquet", "h"),
        ("h/month=1/part.parquet", "part"),
        ("s3://bucket/folder/sales.csv.gz", "sales"),
        ("a" * 90 + ".csv", "a" * 60),
    ],
)
def test_model_is_called_like_its_data(data: str, name: str) -> None:
    assert settle_name(None, data) == name
    assert Definition.model_validate(
        {"name": name, "sources": {"s": "s.csv"}, "target": {"value": "y", "kind": "binary"}}
    )


@pytest.mark.parametrize("name", ["x-", "-x", "Sales", "sales q1", "verkäufe", "a" * 64, ""])
def test_name_that_cannot_be_released_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match="a name is made of small letters"):
        settle_name(name, "sales.csv")
    with pytest.raises(DefinitionError, match="small letters, digits and, between them, hyphens"):
        parse_definition(
            f'name = "{name}"\n[sources]\ns = "s.csv"\n[target]\nvalue = "y"\nkind = "binary"', "d"
        )
