"""The definition's sections about data: bare paths, and keys that exclude each other."""

import pytest
from pydantic import ValidationError

from tasks.core.data_sections import ColumnCheck, FeatureTable, Source


@pytest.mark.parametrize(
    ("uri", "form", "separator"),
    [
        ("a.parquet", "parquet", ","),
        ("a.csv.gz", "csv", ","),
        ("a.TSV", "csv", "\t"),
        ("s3://bucket/*.jsonl", "ndjson", ","),
    ],
)
def test_format_is_taken_from_the_ending(uri: str, form: str, separator: str) -> None:
    source = Source.model_validate(uri)
    assert (source.format, source.separator, source.in_database) == (form, separator, False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"uri": "a.csv", "table": "t"}, "table is for postgresql://"),
        ({"uri": "postgresql://db/x", "table": "t", "separator": ";"}, "separator is for files"),
        ({"uri": "postgresql://db/x"}, "needs either table or query"),
        ({"uri": "postgresql://ann:secret@db/x", "table": "t"}, "must hold no password"),
    ],
)
def test_keys_that_do_not_fit_the_address_are_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Source.model_validate(given)


def test_window_of_a_feature_table_needs_a_time() -> None:
    table = {"source": "s", "entity": ("id",), "values": {"n": "COUNT(*)"}, "over": "7d"}
    with pytest.raises(ValidationError, match="over and known_after need time"):
        FeatureTable.model_validate(table)
    timed = FeatureTable.model_validate(table | {"time": "t"})
    assert timed.over is not None
    assert timed.over.days == 7


def test_limits_of_a_check_are_in_order() -> None:
    assert ColumnCheck(min=1.0, max=1.0).outside == 0
    with pytest.raises(ValidationError, match="min = 2 is above max = 1"):
        ColumnCheck(min=2.0, max=1.0)
