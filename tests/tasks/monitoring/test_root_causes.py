"""A cause is held against the sources' rows: they hold the same values, or other ones."""

from datetime import UTC, datetime

import pytest

from tasks.causes.mapping import Mapping
from tasks.causes.root_cause import RootCause
from tasks.monitoring.root_causes import settle_causes
from tasks.monitoring.skew import Difference

MILES = Mapping(kind="linear", columns=("x",), about="multiplied by 1.609 (miles to kilometres)")
CAUSE = RootCause(
    column="x",
    features=("x",),
    since=datetime(2020, 1, 1, tzinfo=UTC),
    rows=30,
    of=30,
    files=("s.parquet",),
)


@pytest.mark.parametrize(
    ("pairs", "found_in", "exact", "files"),
    [
        ([], "", False, ("s.parquet",)),
        ([Difference(column="x", rows=5, compared=5)], "", False, ("s.parquet",)),
        ([Difference(column="x", rows=4, compared=400)], "sources", False, ("s.parquet",)),
        ([Difference(column="x", rows=12, compared=400)], "", False, ("s.parquet",)),
        ([Difference(column="x", rows=40, compared=40)], "requests", False, ()),
        ([Difference(column="x", rows=40, compared=40, mapping=MILES)], "requests", True, ()),
    ],
)
def test_sources_settle_where_to_look(
    pairs: list[Difference], found_in: str, exact: bool, files: tuple[str, ...]
) -> None:
    (cause,) = settle_causes([CAUSE], pairs)
    assert (cause.found_in, cause.exact, cause.files) == (found_in, exact, files)
    assert cause.mapping == (MILES if exact else None)
