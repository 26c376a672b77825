"""Predictions are joined to the label of their key, and each says why it has none."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tables import ROWS, Project

from tasks.core.columns import HIGH, LOGGED_TIME, LOGGED_VERSION, LOW, PREDICTION, TARGET, TIME
from tasks.core.errors import DataRefused
from tasks.extraction.run_plan import Plan
from tasks.monitoring.ground_truth_join import (
    attach_labels,
    choose_answers,
    collect_labels,
    count_labels,
    gather_answers,
)
from tasks.monitoring.prediction_log import LoggedPredictions
from tasks.prediction.log_schema import make_part

START = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TARGETS = 'value = "y"\nkind = "binary"\nmatures_after = "1d"'


def answer(key: int | None, logged: int, event: int, value: float = 0.5) -> dict[str, object]:
    """Make an answer about a row; times are hours after the first row's."""
    moments = {LOGGED_TIME: START + logged * HOUR, TIME: START + event * HOUR}
    return {**moments, LOGGED_VERSION: "v1", PREDICTION: value, "id": key}


def table(*answers: dict[str, object]) -> pl.DataFrame:
    moment = pl.Datetime("us", "UTC")
    return pl.DataFrame(answers, schema_overrides={LOGGED_TIME: moment, TIME: moment})


@pytest.fixture
def plan(made: Project) -> Plan:
    made.write(ROWS)
    return made.plan(target=TARGETS)


def test_last_answer_before_the_event_counts(plan: Plan) -> None:
    asked = table(answer(7, 1, 7, 0.1), answer(7, 2, 7, 0.2), answer(7, 9, 7, 0.9))
    kept, again = choose_answers(plan, asked)
    assert (kept[PREDICTION].to_list(), again) == ([0.2], 2)
    late, _ = choose_answers(plan, asked.tail(1))
    assert late[PREDICTION].to_list() == [0.9]  # of none before the event, the last one


def test_answers_are_counted_by_what_became_of_them(plan: Plan) -> None:
    young = 399  # the newest row: its label has not matured
    asked = table(answer(7, 6, 7), answer(None, 7, 8), answer(9_999, 8, 9), answer(young, 1, young))
    labels, more = collect_labels(plan, (), {"half": "k > 2"}, asked)
    joined = attach_labels(plan, asked, labels)
    assert more == {"twice": 0, "strange": 0}
    assert joined[TARGET].to_list() == [float(ROWS["y"][7]), None, None, None]
    counts = {"labelled": 1, "waiting": 1, "overdue": 0, "unknown": 1, "keyless": 1}
    assert count_labels(plan, joined) == counts


def test_rows_without_a_key_lead_to_no_label(made: Project) -> None:
    made.write(ROWS)
    plan = made.plan(extract='time = "t"', target=TARGETS)
    with pytest.raises(DataRefused, match=r"\[extract\] key is missing"):
        collect_labels(plan, (), {}, table(answer(7, 6, 7)))


def test_logged_intervals_come_with_their_answers_and_older_parts_have_none(
    made: Project, tmp_path: Path
) -> None:
    made.write(ROWS)
    target = 'value = "x"\nkind = "regression"'
    old, new = (made.plan(target=target, serving=serving) for serving in ("", "interval = 0.9"))
    files = {}
    for version, definition, answers in (
        ("v0", old.definition, [1.0, 2.0]),
        ("v1", new.definition, [(1.0, [0.5, 1.5]), (2.0, [1.0, 4.0])]),
    ):
        rows = ROWS.select("id", "t", "x", "k", "c").head(2)
        part = make_part(definition, version, rows, answers, [0, 1], ["r", "s"])
        part.write_parquet(tmp_path / f"{version}.parquet")
        files[version] = (str(tmp_path / f"{version}.parquet"),)
    log = LoggedPredictions(files=files, rows={"v0": 2, "v1": 2}, torn={})
    found = gather_answers(new, log).sort(LOGGED_VERSION, PREDICTION)
    assert found[LOW].to_list() == [None, None, 0.5, 1.0]
    assert found[HIGH].to_list() == [None, None, 1.5, 4.0]


def test_logged_quantiles_are_lists_and_those_of_a_mean_are_no_answers(
    made: Project, tmp_path: Path
) -> None:
    made.write(ROWS)
    target = 'value = "x"\nkind = "regression"'
    old, new = (made.plan(target=each) for each in (target, f"{target}\nquantiles = [0.1, 0.9]"))
    files = {}
    for version, definition, answers in (
        ("v0", old.definition, [1.0, 2.0]),
        ("v1", new.definition, [[0.5, 1.5], [1.0, 4.0]]),
    ):
        rows = ROWS.select("id", "t", "x", "k", "c").head(2)
        part = make_part(definition, version, rows, answers, [0, 1], ["r", "s"])
        part.write_parquet(tmp_path / f"{version}.parquet")
        files[version] = (str(tmp_path / f"{version}.parquet"),)
    log = LoggedPredictions(files=files, rows={"v0": 2, "v1": 2}, torn={})
    for plan, wanted in (
        (new, [None, None, [0.5, 1.5], [1.0, 4.0]]),
        (old, [1.0, 2.0, None, None]),
    ):
        found = gather_answers(plan, log).sort(LOGGED_VERSION, TIME)
        assert found[PREDICTION].to_list() == wanted
