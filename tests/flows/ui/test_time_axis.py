"""Drawings hold every look, release and alert, at its time; long times are thinned for the eye."""

from datetime import timedelta
from typing import Any

from looks import FIRST, make_look

from flows.ui.time_axis import FEATURES, LEFT, RIGHT, TIMES, WIDTH, draw_drift, draw_quality
from tasks.monitoring.looks import LiveQuality
from tasks.registry.ledger import Entry


def crown(version: str, day: int, **more: Any) -> Entry:
    said = {"number": 1, "previous": "", "action": "release", "version": version, "manifest": "m"}
    said |= {"approver": "Ada", "os_user": "ada", "reason": "", "time": FIRST + timedelta(days=day)}
    return Entry.model_validate({**said, **more})


def test_looks_stand_from_left_to_right_and_what_is_lost_is_marked() -> None:
    drawn = draw_quality([make_look("v1", day) for day in range(60)], [])
    assert drawn is not None
    dots = drawn["dots"]
    assert (dots[0]["x"], dots[-1]["x"]) == (LEFT, WIDTH - RIGHT)
    assert [place for place, each in enumerate(dots) if each["lost"]] == [29, 59]
    assert dots[29]["low"] > dots[29]["y"] > dots[29]["high"] > dots[29]["promised"]
    assert [each["reason"] for each in drawn["alerts"]] == [
        "auc fell <b>on day 29</b>",
        "auc fell <b>on day 59</b>",
    ]
    assert drawn["alerts"][0]["x"] == dots[29]["x"]
    assert drawn["ticks"][0]["text"] == "2020-01-01"


def test_releases_stand_at_their_time_and_not_beyond_the_axis() -> None:
    looks = [make_look("v1", day) for day in range(60)]
    drawn = draw_quality(looks, [crown("v1", 30), crown("v2", 100), crown("v1", 40)])
    assert drawn is not None
    assert [each["time"][:10] for each in drawn["releases"]] == ["2020-01-31", "2020-02-10"]


def test_of_looks_at_the_past_a_release_stands_at_the_first_look_at_its_answers() -> None:
    looks = [make_look("v1" if day < 20 else "v2", day) for day in range(60)]
    late = [each.model_copy(update={"at": FIRST + timedelta(days=900)}) for each in looks]
    drawn = draw_quality(late, [crown("v2", 899), crown("never-looked-at", 899)])
    assert drawn is not None
    (release,) = drawn["releases"]
    assert release["x"] == drawn["dots"][20]["x"]


def test_one_look_and_no_interval_are_drawn_too() -> None:
    bare = LiveQuality(metric="auc", value=0.7)
    drawn = draw_quality([make_look("v1", 0).model_copy(update={"quality": bare})], [])
    assert drawn is not None
    assert (drawn["band"], drawn["promised"]) == ("", "")
    assert draw_quality([], []) is None
    assert draw_drift([make_look("v1", 0).model_copy(update={"columns": ()})]) is None


def test_heat_map_ranks_features_and_thins_times_but_keeps_the_newest() -> None:
    looks = [make_look("v1", day, columns=40) for day in range(365)]
    drawn = draw_drift(looks)
    assert drawn is not None
    assert len(drawn["features"]) == FEATURES
    assert drawn["left_out"] == 15
    assert drawn["shown"] <= TIMES < drawn["looks"] == 365
    first = drawn["features"][0]
    assert first["feature"] == "feature-39"
    assert first["cells"][-1]["until"] == looks[-1].until.isoformat()
    assert all(0 <= cell["shade"] <= 9 for each in drawn["features"] for cell in each["cells"])
