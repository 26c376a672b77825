"""Replays: calendar dates, looks, and how answers and promotions are measured."""

from datetime import UTC, datetime, timedelta

import pytest
from predicted import DEFINITION, START, rows

from tasks.backtest.replay import (
    Replay,
    Track,
    compare_promoted,
    list_dates,
    list_looks,
)
from tasks.core.columns import PREDICTION
from tasks.core.errors import DefinitionError
from tasks.core.model_sections import Gate
from tasks.reports.backtest import draw_comparison, name_starts


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_months_end_where_months_end() -> None:
    found = list_dates(day("2013-01-31"), day("2013-05-10"), "1mo")
    expected = ["2013-01-31", "2013-02-28", "2013-03-31", "2013-04-30", "2013-05-10"]
    assert found == [day(each) for each in expected]
    assert list_dates(day("2013-11-01"), day("2014-01-01"), "1mo")[-2:] == [
        day("2013-12-01"),
        day("2014-01-01"),
    ]
    with pytest.raises(DefinitionError, match="--every '1m': gives more than 1,000 dates"):
        list_dates(day("2013-11-01"), day("2014-01-01"), "1m")


def test_policies_look_between_dates_too() -> None:
    dates = list_dates(day("2013-01-01"), day("2013-02-01"), "2w")
    looks = list_looks(dates, timedelta(days=5))
    assert set(dates[1:]) <= set(looks)
    assert day("2013-01-06") in looks
    assert looks == sorted(looks)
    assert looks[0] > dates[0]


@pytest.mark.parametrize(
    ("start", "end", "every", "said"),
    [
        ("2013-02-01", "2013-02-01", "1mo", "is not before --to"),
        ("2013-01-01", "2013-02-01", "0mo", "longer than nothing"),
        ("2013-01-01", "2013-02-01", "0d", "longer than nothing"),
        ("2013-01-01", "2013-02-01", "monthly", "--every 'monthly': .* or months as in '1mo'"),
    ],
)
def test_dates_that_lead_nowhere_are_refused(start: str, end: str, every: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        list_dates(day(start), day(end), every)


def test_replay_without_a_period_to_measure_still_has_its_page() -> None:
    track = Track(policy="never", periods=(), mean={}, retrains=(), broken=0, watching=0.0)
    replay = Replay(
        model="made",
        start=START,
        end=day("2020-02-01"),
        every="1mo",
        metric="auc",
        second="log_loss",
        first="v1",
        tracks=(track,),
        seconds=1.0,
    )
    drawn = draw_comparison(replay)
    assert "No period has enough rows" in drawn["report.html"]
    assert "| never | – | – |" in drawn["report.md"]


def test_periods_of_several_years_are_told_apart() -> None:
    months = list_dates(day("2013-01-01"), day("2014-12-31"), "1mo")[:-1]
    assert name_starts(months[:12])[:2] == ["1 Jan", "1 Feb"]
    assert len(set(name_starts(months))) == 24
    assert name_starts(months)[12] == "1 Jan 2014"


def test_promoted_and_replaced_answer_each_by_the_threshold_that_it_chose() -> None:
    judged = DEFINITION.model_copy(update={"gate": Gate(metric="f1")})
    good = rows(30, 1.0)
    predicted = good[PREDICTION].to_numpy()
    gain, worse = compare_promoted(judged, good, predicted, predicted / 2, threshold=0.25)
    assert gain is not None
    assert (gain.value, gain.low, worse) == (0, 0, False)


def test_promoted_model_that_is_worse_is_told() -> None:
    good, bad = rows(30, 1.0), rows(30, 0.3)
    predicted = [each[PREDICTION].to_numpy() for each in (bad, good)]
    gain, worse = compare_promoted(DEFINITION, good, *predicted)
    assert gain is not None
    assert gain.value < 0
    assert worse
    better, fine = compare_promoted(DEFINITION, good, *reversed(predicted))
    assert better is not None
    assert better.low > 0
    assert not fine
    assert compare_promoted(DEFINITION, good.head(10), *(each[:10] for each in predicted)) == (
        None,
        False,
    )
