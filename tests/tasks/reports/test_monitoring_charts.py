"""Which charts the monitor's page has, and what they are drawn from."""

from monitored import FOUND, make_result

from tasks.reports.monitoring_charts import draw_drift, draw_latency, draw_quality


def test_quality_is_drawn_over_time_and_by_slice() -> None:
    over_time, slices = draw_quality(make_result())
    assert over_time.title == "Quality over time"
    assert ">carrier = AA (553)<" in slices.svg
    bare = FOUND["performance"] | {"spans": (), "slices": ()}
    assert list(draw_quality(make_result(performance=bare))) == []


def test_drift_is_drawn_with_each_column_s_importance() -> None:
    drawn = draw_drift(make_result())
    assert drawn is not None
    assert ">temp (60%)<" in drawn.svg
    assert ">carrier (0%)<" in drawn.svg


def test_latency_is_drawn_where_a_server_counted_any() -> None:
    drawn = draw_latency(make_result())
    assert drawn is not None
    assert all(text in drawn.svg for text in (">≤ 1 ms<", ">90.0%<", ">longer<"))
    counters = FOUND["service"]["counters"]
    silent = {"counters": counters | {"answers": (0, 0, 0)}}
    assert draw_latency(make_result(service=silent)) is None
    assert draw_latency(make_result(service={})) is None
