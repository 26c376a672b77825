"""The page of a backtest and its short version."""

import pytest
from replayed import make_replay

from tasks.backtest.replay import Replay
from tasks.reports.backtest import draw_comparison, list_retrains, reach_gain


@pytest.fixture(scope="module")
def replay() -> Replay:
    return make_replay()


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
