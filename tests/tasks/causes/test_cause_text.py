"""A cause is one sentence: what, of where, since when, in which rows, and what undoing it does."""

from datetime import UTC, datetime
from typing import Any

from tasks.causes.cause_text import describe_cause, describe_causes
from tasks.causes.mapping import Mapping
from tasks.causes.root_cause import RootCause

SINCE = datetime(2013, 8, 14, 6, tzinfo=UTC)
MILES = Mapping(
    kind="linear", columns=("distance",), about="multiplied by 1.609 (miles to kilometres)"
)
WHOLE: dict[str, Any] = {
    "column": "distance",
    "features": ("distance",),
    "since": SINCE,
    "rows": 3211,
    "of": 3211,
}


def told(**found: Any) -> str:
    return describe_cause(RootCause(**WHOLE | found))


def test_mapping_is_told_as_what_it_looks_like() -> None:
    assert told(mapping=MILES, quiet=True, source="flights", files=("a", "b", "c", "d")) == (
        "distance of source flights (a, b, c and 1 more) looks multiplied by 1.609 (miles to "
        "kilometres) since about 2013-08-14 06:00 UTC (3,211 rows): undone, nothing rings."
    )
    assert told(mapping=MILES).endswith(": undone, it no longer rings.")


def test_what_is_exact_is_told_so() -> None:
    said = told(mapping=MILES, exact=True, found_in="requests", where="origin = 'JFK'", of=9000)
    assert said == (
        "distance is multiplied by 1.609 (miles to kilometres) since about 2013-08-14 06:00 UTC "
        "(3,211 of 9,000 rows, only where origin = 'JFK'). The sources hold other values for the "
        "same rows: look at what is sent."
    )


def test_without_a_mapping_nothing_is_claimed() -> None:
    until = datetime(2013, 8, 15, tzinfo=UTC)
    assert told(features=("planned",), until=until, found_in="sources") == (
        "distance (feature planned) moved from about 2013-08-14 06:00 to 2013-08-15 00:00 UTC "
        "(3,211 rows); no unit, shift of hours, renamed level or the like explains it. The sources "
        "hold the same values."
    )


def test_stand_ins_and_swaps_have_their_words() -> None:
    stands = Mapping(kind="stand-in", columns=("distance",), about="missing in 60.0% of these rows")
    assert told(mapping=stands).startswith("distance is missing in 60.0% of these rows, since")
    swapped = Mapping(kind="swap", columns=("distance", "seats"), about="swapped")
    both = [RootCause(**WHOLE, mapping=each) for each in (swapped, MILES)]
    assert describe_causes(both).startswith("distance and seats look swapped since about")
