"""A base rate that is followed: which answers count, and when a correction is written."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from predicted import rows
from scipy.special import expit, logit
from tables import define

from tasks.core.columns import (
    LOGGED_CORRECTION,
    LOGGED_PREDICTION,
    LOGGED_VERSION,
    PREDICTION,
    TARGET,
    TIME,
)
from tasks.core.definition import parse_definition
from tasks.monitoring.base_rate import (
    BaseRate,
    describe_base_rate,
    follow_base_rate,
    plain_answers,
)
from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.ground_truth_join import GroundTruth
from tasks.monitoring.prediction_log import LoggedPredictions
from tasks.registry.corrections import FARTHEST, Correction, read_corrections, write_correction
from tasks.registry.versions import publish, version_path
from tasks.storage.store import open_store
from tasks.training.published_model import PublishedModel

DEFINITION = define(serving='follow_base_rate = "14d"')
UNTIL = datetime(2020, 1, 31, tzinfo=UTC)
Follow = Callable[..., BaseRate | None]


@pytest.fixture
def follow(tmp_path: Path) -> Follow:
    """Follow the base rate of made-up answers, by a real store with a real version in it."""
    store = open_store(str(tmp_path / "root"))
    folder = tmp_path / "version"
    folder.mkdir()
    (folder / "definition.toml").write_text(DEFINITION)
    published = publish(store, folder, version_path("made", "v1"))

    def run(answers: pl.DataFrame, until: datetime = UNTIL, **changes: Any) -> BaseRate | None:
        definition = parse_definition(changes.pop("definition", DEFINITION), "made.toml")
        champion = PublishedModel.model_construct(root=store.root, published=published)
        given = {"definition": definition, "root": store.root, "asked": None}
        watch = MonitoringContext.model_construct(**given | {"champion": champion} | changes)
        answers.write_ipc(tmp_path / "answers.arrow")
        log = LoggedPredictions(files={}, rows={}, torn={})
        asked = ServedRows(log=log, since=until - timedelta(days=91), until=until, rows={})
        outcomes = GroundTruth(path=tmp_path / "answers.arrow", rows=len(answers))
        return follow_base_rate(watch, asked, outcomes)

    return run


def answered(by: float, version: str = "v1", days: int = 30) -> pl.DataFrame:
    history = rows(days, 1.0)
    low = expit(logit(history[PREDICTION].to_numpy()) - by)
    return history.with_columns(
        pl.Series(PREDICTION, low),
        pl.lit(version).alias(LOGGED_VERSION),
        pl.lit(None, pl.Int64).alias(LOGGED_CORRECTION),
    )


def written(tmp_path: Path) -> dict[int, Correction]:
    return read_corrections(open_store(str(tmp_path / "root")), "made")


def test_correction_says_by_what_it_came_about(follow: Follow, tmp_path: Path) -> None:
    found = follow(answered(1.0))
    assert found is not None
    assert found.written
    (made,) = written(tmp_path).values()
    assert made == found.correction
    assert (made.number, made.version, made.before) == (1, "v1", 0.0)
    assert made.offset == pytest.approx(1, abs=0.2)
    assert (made.until - made.since, made.until) == (timedelta(days=56), UNTIL)
    inside = answered(1.0).filter(pl.col(TIME) > made.since, pl.col(TIME) <= made.until)
    ages = np.array([(made.until - each) / timedelta(days=14) for each in inside[TIME]])
    for found_mean, column in ((made.observed, TARGET), (made.predicted, PREDICTION)):
        assert found_mean == pytest.approx(np.average(inside[column], weights=0.5**ages))
    assert made.rows == len(inside)
    assert "correction 1 moves log odds by +" in describe_base_rate(found)


def test_newer_labels_count_more(follow: Follow, tmp_path: Path) -> None:
    history = answered(1.0)
    turned = UNTIL - timedelta(days=14)
    shifted = pl.when(pl.col(TIME) > turned).then(1.0).otherwise(0.0)
    rate = history.with_columns(shifted.alias(TARGET))
    follow(rate)
    (made,) = written(tmp_path).values()
    # Half of all weight lies in the newest half-life, but for what is older than there are rows.
    assert made.observed == pytest.approx(0.5 / (1 - 0.5 ** (30 / 14)), abs=0.01)


def test_correction_reaches_back_as_far_as_the_look(follow: Follow, tmp_path: Path) -> None:
    slow = DEFINITION.replace('"14d"', '"90d"')
    follow(answered(1.0), definition=slow)
    (made,) = written(tmp_path).values()
    assert made.since == UNTIL - timedelta(days=91)


def test_answers_are_taken_as_they_were_without_their_correction(
    follow: Follow, tmp_path: Path
) -> None:
    first = follow(answered(1.0))
    assert first is not None
    assert first.correction is not None
    moved = expit(logit(answered(1.0)[PREDICTION].to_numpy()) + first.correction.offset)
    corrected = answered(1.0).with_columns(
        pl.Series(PREDICTION, moved), pl.lit(1).alias(LOGGED_CORRECTION)
    )
    again = follow(corrected, UNTIL + timedelta(days=1, minutes=1))
    assert again is not None
    if again.written:  # by a day's rows less
        assert written(tmp_path)[2].offset == pytest.approx(first.correction.offset, abs=0.1)


def test_one_a_day_is_written_and_only_if_it_is_another(follow: Follow, tmp_path: Path) -> None:
    follow(answered(1.0))
    soon = follow(answered(0.0), UNTIL + timedelta(hours=23))
    assert soon is not None
    assert "less than a day old" in soon.reason
    same = follow(answered(1.0, days=60), UNTIL + timedelta(days=1))
    assert same is not None
    follow(answered(-0.5, days=60), UNTIL + timedelta(days=3))
    found = written(tmp_path)
    assert found[max(found)].offset < 0
    assert found[max(found)].before == found[max(found) - 1].offset


def test_correction_is_bounded(follow: Follow) -> None:
    found = follow(answered(5.0))
    assert found is not None
    assert found.correction is not None
    assert found.correction.offset == FARTHEST


@pytest.mark.parametrize(
    ("answers", "changes", "said"),
    [
        (answered(1.0, days=1), {"until": datetime(2020, 1, 1, 12, tzinfo=UTC)}, "100 are needed"),
        (answered(1.0, "gone"), {}, "0 answers of the window have a label"),
        (answered(1.0).with_columns(pl.lit(0.0).alias(TARGET)), {}, "10 of either class"),
        (answered(1.0), {"asked": UNTIL}, "writes no correction"),
        (answered(1.0).with_columns(pl.lit(9).alias(LOGGED_CORRECTION)), {}, "0 answers"),
    ],
)
def test_nothing_is_written_without_labels_to_go_by(
    follow: Follow, tmp_path: Path, answers: pl.DataFrame, changes: dict[str, Any], said: str
) -> None:
    found = follow(answers, **changes)
    assert found is not None
    assert not found.written
    assert said in found.reason
    assert said in describe_base_rate(found)
    assert written(tmp_path) == {}


def test_damaged_correction_stops_it_and_is_told(follow: Follow, tmp_path: Path) -> None:
    open_store(str(tmp_path / "root")).create("monitoring/made/corrections/000001.json", b"{}")
    found = follow(answered(1.0))
    assert found is not None
    assert "000001.json: is damaged" in found.reason


def test_model_that_does_not_follow_has_none(follow: Follow) -> None:
    assert follow(answered(1.0), definition=define()) is None


def test_other_run_that_was_first_wins(
    follow: Follow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tasks.monitoring.base_rate as module

    def race(store: Any, correction: Correction) -> None:
        write_correction(store, correction.model_copy(update={"offset": 0.1}))
        write_correction(store, correction)

    monkeypatch.setattr(module, "write_correction", race)
    found = follow(answered(1.0))
    assert found is not None
    assert "another look" in found.reason
    assert written(tmp_path)[1].offset == 0.1
    assert np.isfinite(written(tmp_path)[1].predicted)


def test_alarms_look_at_answers_without_their_correction(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    given = {"number": 1, "model": "made", "version": "v1", "time": UNTIL, "until": UNTIL}
    rates = {"rows": 9, "predicted": 0.2, "observed": 0.3, "before": 0, "offset": 0.7}
    since = {"since": UNTIL - timedelta(days=14)}
    write_correction(store, Correction.model_validate(given | rates | since))
    logged = pl.DataFrame(
        {LOGGED_PREDICTION: [0.5, expit(0.7), None], LOGGED_CORRECTION: [None, 1, 1]}
    )
    definition = parse_definition(DEFINITION, "made.toml")
    found = plain_answers(store, definition, logged)[PREDICTION]
    assert found.to_list()[:2] == pytest.approx([0.5, 0.5])
    plain = plain_answers(store, definition, logged.drop(LOGGED_CORRECTION))
    assert plain[PREDICTION].to_list() == logged[LOGGED_PREDICTION].to_list()
