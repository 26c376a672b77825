"""The page of a backtest and its short version."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.backtest.replay import Replay
from tasks.reports.backtest import draw_comparison, list_retrains, reach_gain

TIMES = [datetime(2013, month, 1, tzinfo=UTC) for month in (1, 2, 3)]


MOVED = {
    "rows": 100,
    "predicted": 0.2,
    "observed": 0.3,
    "offset": 0.54,
    "error": 0.08,
    "left": 0.01,
    "share": 0.9,
}


def track(policy: str, *scores: float, **changes: Any) -> dict[str, Any]:
    metrics = [{"auc": score, "log_loss": 0.5} for score in scores]
    rest = {"rows": 100, "calibration": 0.08, "prior_shift": MOVED}
    periods = [
        {"start": start, "end": start, "metrics": each, **rest}
        for start, each in zip(TIMES, metrics, strict=False)
    ]
    mean = {"auc": sum(scores) / len(scores), "log_loss": 0.5}
    made = {"policy": policy, "periods": periods, "mean": mean, "retrains": ()}
    return made | {"broken": 0, "watching": 1.0} | changes


RETRAIN = {
    "as_of": TIMES[1],
    "reason": "<b>it is time</b>",
    "version": "v2",
    "promoted": True,
    "refused": "",
    "seconds": 2.0,
    "gain": {"value": -0.2424, "low": -0.3, "high": -0.1},
    "worse": True,
}


@pytest.fixture(scope="module")
def replay() -> Replay:
    tracks = [
        track("never", 0.6, 0.6),
        track("schedule", 0.7, 0.8, retrains=[RETRAIN]),
        track("drift", 0.6, 0.7, broken=3),
    ]
    made = {"model": "made", "start": TIMES[0], "end": TIMES[2], "every": "1mo", "metric": "auc"}
    rest = {"second": "log_loss", "first": "v1", "tracks": tracks, "seconds": 9.0}
    return Replay.model_validate(made | rest)


def test_policies_stand_side_by_side(replay: Replay) -> None:
    drawn = draw_comparison(replay)
    assert "| drift | 0.6500 | 0.5000 | 0.0800 | 33.3% | 0 | 0 | 0 | 1 |" in drawn["report.md"]
    page = drawn["report.html"]
    assert '<th scope="row">drift</th><td>0.6500</td>' in page
    assert '<th scope="row">2013-02-01</th><td>0.6000</td><td>0.8000</td>' in page
    assert "At 3 looks the data seemed broken" in page
    assert "0.0800, 90% of it a base rate that moved (+0.54)" in page
    assert "&lt;b&gt;it is time&lt;/b&gt;" in page
    assert drawn == draw_comparison(replay)


def test_share_of_the_gain_needs_something_to_be_gained(replay: Replay) -> None:
    never, schedule, drift = replay.tracks
    assert reach_gain(replay, drift) == pytest.approx(1 / 3)
    swapped = (
        schedule.model_copy(update={"policy": "never"}),
        never.model_copy(update={"policy": "schedule"}),
    )
    worse = replay.model_copy(update={"tracks": swapped})
    assert reach_gain(worse, worse.tracks[1]) is None


def test_promoted_model_that_did_worse_is_named(replay: Replay) -> None:
    (row,) = list_retrains(replay.tracks[1].retrains)
    assert row[3] == "-0.2424 (-0.3000 to -0.1000), significantly worse"
