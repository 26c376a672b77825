"""Faults of a real week are explained by column, moment, rows and mapping; true drift is not."""

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest
from struck import APRIL, WEEK, april, changed, flights, replaced, struck

from tasks.causes.cause_text import describe_causes
from tasks.causes.evidence import Evidence
from tasks.causes.root_cause import RootCause, find_causes
from tasks.core.columns import PREDICTION, TIME
from tasks.drill.faults import DATA_FAULTS, find_columns

C = pl.col
LATER = APRIL + timedelta(days=3)

FAULTS = {
    "kilometres": (changed(C("distance") * 1.609344), "multiplied by 1.609 (miles to kilometres)"),
    "whole kilometres": (
        changed((C("distance") * 1.609344).cast(pl.Int64)),
        "multiplied by 1.609 (miles to kilometres)",
    ),
    "Celsius": (changed((C("temp") - 32) * 5 / 9), "converted from °F to °C"),
    "dearer": (changed(C("seats") * 1.07), "multiplied by 1.07"),
    "further": (changed(C("distance") + 50), "50 higher"),
    "two digits": (
        changed(C("plane_year") - 1900),
        "converted from years to years since 1900",
    ),
    "clock": (changed(C("time_hour") - pl.duration(hours=5)), "5 hours earlier (a time zone?)"),
    "lower case": (changed(C("carrier").str.to_lowercase()), "written in lower case: 'UA' is 'ua'"),
    "renamed": (changed(C("carrier").replace("UA", "X1")), "renamed: 'UA' is 'X1' now"),
    "null flood": (replaced("seats", 0.4, None), "missing in "),
    "sentinel": (replaced("temp", 0.3, -999.0), "-999 in "),
    "unknown": (replaced("manufacturer", 0.4, "UNKNOWN"), "'UNKNOWN' in "),
    "gone": (replaced("temp", 1.1, None), "missing in 100.0% of these rows, in 0.0% before"),
}


def only(evidence: Evidence) -> RootCause:
    (cause,) = find_causes(evidence)
    return cause


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_explained(fault: str) -> None:
    strike, about = FAULTS[fault]
    cause = only(struck(strike))
    assert cause.mapping is not None
    assert cause.mapping.about.startswith(about)
    assert cause.quiet
    assert cause.since - APRIL <= timedelta(hours=12)
    assert (cause.until, cause.where) == (None, "")
    assert cause.rows == cause.of == pytest.approx(6_596, abs=60)


@pytest.mark.parametrize("fault", ["kilometres", "lower case", "sentinel"])
def test_onset_is_told(fault: str) -> None:
    cause = only(struck(FAULTS[fault][0], C(TIME) > LATER))
    assert cause.mapping is not None
    assert timedelta() < cause.since - LATER <= timedelta(hours=2)
    assert cause.rows == pytest.approx(3_800, abs=300)


def test_fault_that_ended_is_told_from_when_to_when() -> None:
    ends = LATER + timedelta(days=2)
    cause = only(struck(FAULTS["kilometres"][0], C(TIME).is_between(LATER, ends)))
    assert cause.mapping is not None
    assert cause.until is not None
    assert abs(cause.since - LATER) <= timedelta(hours=1)
    assert abs(cause.until - ends) <= timedelta(hours=1)


@pytest.mark.parametrize("fault", ["kilometres", "two digits", "unknown", "sentinel"])
def test_fault_of_one_level_is_told_with_it(fault: str) -> None:
    cause = only(struck(FAULTS[fault][0], C("origin") == "JFK"))
    assert cause.where == "origin = 'JFK'"
    assert cause.mapping is not None
    assert cause.mapping.about.startswith(FAULTS[fault][1])
    assert cause.rows == pytest.approx(2_182, abs=100)
    assert cause.of > cause.rows


@pytest.mark.parametrize("fault", DATA_FAULTS, ids=lambda fault: fault.name)
def test_each_fault_of_the_drill_is_explained_or_rings_nothing_in_served_rows(
    fault: object,
) -> None:
    definition, features, rows = flights()
    ranked = ["distance", "seats", *features.expressions]
    at = find_columns(definition, features, rows.schema, ranked)
    meant: dict[str, Callable[[RootCause], bool]] = {
        "unit ×100": lambda cause: abs(cause.mapping.factor - 100) < 1e-6,
        "inch → cm": lambda cause: abs(cause.mapping.factor - 2.54) < 1e-6,
        "clock off by hours": lambda cause: cause.mapping.hours == -5,
        "null flood": lambda cause: cause.mapping.kind == "stand-in",
        "renamed category": lambda cause: cause.mapping.kind == "levels",
        "swapped columns": lambda cause: cause.mapping.kind == "swap",
    }
    causes = find_causes(struck(lambda window: fault.strike(window, at)))  # type: ignore[attr-defined]
    name = fault.name  # type: ignore[attr-defined]
    if name not in meant:  # a row may be asked about twice
        assert all(cause.mapping is None for cause in causes)
        return
    (cause,) = causes
    assert cause.mapping is not None
    assert meant[name](cause), describe_causes(causes)


def test_two_faults_are_two_causes_and_nothing_rings_without_both() -> None:
    both = changed(C("distance") * 1.609344, C("carrier").str.to_lowercase())
    causes = find_causes(struck(both))
    assert {cause.column for cause in causes} == {"distance", "carrier"}
    assert all(cause.mapping and cause.quiet for cause in causes)


def test_raw_column_is_told_apart_from_others_of_the_same_feature() -> None:
    later = (C("sched_dep_time") // 100 + 4) % 24 * 100 + C("sched_dep_time") % 100
    cause = only(struck(changed(later)))
    assert cause.column == "sched_dep_time"
    assert cause.mapping is not None
    assert cause.mapping.hours == 4
    assert "dep_minute" in cause.features


@pytest.mark.parametrize(
    "moves",
    [
        changed(C("distance").shuffle(3) * C("distance").shuffle(4) / 900),
        changed(C("distance") * (1.6 + 0.2 * (C("distance").shuffle(3) / C("distance").max()))),
        changed(C("carrier").shuffle(3).replace(["UA", "DL", "B6"], ["AA", "AA", "AA"])),
    ],
)
def test_what_no_mapping_makes_is_told_without_one(
    moves: Callable[[pl.DataFrame], pl.DataFrame],
) -> None:
    causes = find_causes(struck(moves))
    assert causes
    assert [cause.mapping for cause in causes] == [None] * len(causes)


def test_seasons_have_no_mapping_however_sensitive_the_alarm() -> None:
    definition, features, rows = flights()
    limits = tuple(each.model_copy(update={"most": 0.3 * each.most}) for each in april().limits)
    wary = april().model_copy(update={"limits": limits})
    told = []
    for week in range(0, 16, 6):
        begins = APRIL + week * WEEK
        near = rows.filter(C(TIME) > begins - 4 * WEEK, C(TIME) <= begins + WEEK)
        told += find_causes(Evidence(definition, features, wary, near, begins))
    assert len(told) > 4
    assert [cause.mapping for cause in told] == [None] * len(told)


def test_predictions_are_asked_for_again() -> None:
    struck_once = struck(changed(C("distance") * 1.609344))
    assert find_causes(struck(changed())) == ()
    answered = struck_once.rows.with_columns(pl.lit(0.5).alias(PREDICTION))
    again = Evidence(
        *(struck_once.definition, struck_once.features, struck_once.calibration),
        answered,
        APRIL,
        predict=lambda rows: pl.Series([0.5] * len(rows)),
    )
    assert only(again).quiet
