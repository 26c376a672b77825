"""Counters are written as Prometheus reads them, by its own library, when somebody asks."""

from prometheus_client.parser import text_string_to_metric_families

from bentos.metrics import Histogram, Metrics
from bentos.model import Model


def read(metrics: Metrics) -> dict[str, tuple[str, dict[tuple[str, ...], float]]]:
    """Give each family's kind and samples, by name and label values."""
    found: dict[str, tuple[str, dict[tuple[str, ...], float]]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            samples = found.setdefault(sample.name, (family.type, {}))[1]
            samples[tuple(sample.labels.values())] = sample.value
    return found


def test_every_counter_is_written_with_its_labels() -> None:
    metrics = Metrics()
    metrics.model = ("m", 'odd "name"\n')
    metrics.responses["/predict", 200] += 3
    metrics.followed["failed"] += 1
    metrics.dropped["queue full"] += 50
    metrics.others["carrier"] += 2
    metrics.in_flight, metrics.logged, metrics.waiting_to_log, metrics.rows = 1, 5, 7, 9
    found = read(metrics)
    assert found["perennial_model_info"] == ("gauge", {("m", 'odd "name"\n'): 1})
    assert found["perennial_responses_total"] == ("counter", {("/predict", "200"): 3})
    assert found["perennial_follow_total"] == ("counter", {("failed",): 1})
    assert found["perennial_log_dropped_rows_total"] == ("counter", {("queue full",): 50})
    assert found["perennial_other_categories_total"] == ("counter", {("carrier",): 2})
    assert found["perennial_requests_in_flight"] == ("gauge", {(): 1})
    assert found["perennial_log_rows_total"] == ("counter", {(): 5})
    assert found["perennial_log_waiting_rows"] == ("gauge", {(): 7})
    assert found["perennial_rows_total"] == ("counter", {(): 9})
    assert "perennial_table_age_seconds" not in found


def test_buckets_of_a_histogram_add_up() -> None:
    metrics = Metrics()
    for seconds in (0.0004, 0.02, 99.0):
        metrics.seconds.observe(seconds)
    kind, buckets = read(metrics)["perennial_answer_seconds_bucket"]
    assert (kind, buckets[("0.0005",)], buckets[("1.0",)], buckets[("+Inf",)]) == (
        *("histogram", 1, 2, 3),
    )
    assert read(metrics)["perennial_answer_seconds_count"][1] == {(): 3}
    assert read(metrics)["perennial_answer_seconds_sum"][1] == {(): 99.0204}


def test_a_value_at_a_bound_is_below_it() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.observe(1.0, times=2)
    assert (histogram.counts, histogram.total) == ([2, 0, 0], 2.0)


def test_what_one_prediction_answered_is_counted(classes: Model) -> None:
    metrics = Metrics()
    row = dict.fromkeys(classes.schema.types) | {"color": "never seen"}
    others = classes.count_others(classes.encode_rows([tuple(row.values())]))
    metrics.count_answered(1, others, 0.003)
    assert (metrics.rows, metrics.others) == (1, {"color": 1})
    assert sum(metrics.seconds.counts) == sum(metrics.gathered.counts) == 1
