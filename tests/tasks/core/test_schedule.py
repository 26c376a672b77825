"""Times that a definition may give, and what is said of the others."""

import polars as pl
import pytest
from pydantic import ValidationError

from tasks.core.definition import parse_definition
from tasks.core.definition_check import check_keys
from tasks.core.errors import DefinitionError
from tasks.core.schedule import Schedule, check_cron, check_zone

PLAIN = "name = 'm'\nsources.t = 't.csv'\ntarget = { value = 'y', kind = 'binary' }\n"


@pytest.mark.parametrize(
    "cron", ["0 4 * * 1", "*/15 * * * *", "0 4 1,15 * *", "0 6-18/2 * jan-jun mon-fri", "5 4 * * 7"]
)
def test_cron_is_taken_as_it_is_written(cron: str) -> None:
    assert check_cron(f" {cron.replace(' ', '  ')} ") == cron


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("weekly", "must be cron"),
        ("0 4 * *", "must be cron"),
        ("60 4 * * 1", "the minute '60' must be of 0 to 59"),
        ("0 4 * * 8", "the weekday '8'"),
        ("0 18-6 * * *", "the hour '18-6'"),
        ("0 4 0 * *", "the day '0'"),
        ("*/0 * * * *", r"the minute '\*/0'"),
        ("0 4 * janu *", "the month 'janu'"),
        ("0 *-4 * * *", "the hour"),
        ("; * * * *", "the minute ';'"),
    ],
)
def test_wrong_time_is_refused_by_its_field(cron: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Schedule(retrain=cron)
    with pytest.raises(DefinitionError, match=rf"m.toml: \[schedule\] retrain: .*{said}"):
        parse_definition(f"{PLAIN}schedule.retrain = '{cron}'", "m.toml")


def test_flow_that_never_runs_by_itself_has_no_time() -> None:
    assert dict(Schedule(retrain="never", materialise="never").times()) == {
        "monitor": "*/15 * * * *"
    }


def test_time_of_tables_does_nothing_without_tables() -> None:
    timed = parse_definition(f"{PLAIN}schedule.materialise = '5 * * * *'", "m.toml")
    with pytest.raises(DefinitionError, match=r"\[schedule\] materialise: does nothing without"):
        check_keys(timed, {"y": pl.Int64()})


def test_time_zone_that_is_not_known_is_refused_with_the_nearest() -> None:
    check_zone(Schedule(time_zone="America/New_York"))
    with pytest.raises(DefinitionError, match="did you mean 'Europe/Berlin'"):
        check_zone(Schedule(time_zone="Europe/Berln"))


def test_other_times_make_no_other_definition() -> None:
    timed = parse_definition(f"{PLAIN}schedule.retrain = '0 5 * * *'", "m.toml")
    assert timed.digest == parse_definition(PLAIN, "m.toml").digest
