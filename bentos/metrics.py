"""What the service counts, and its exposition for Prometheus.

While requests are answered, counters are plain numbers and dicts; `prometheus_client` writes them
only when somebody scrapes. What several threads count is counted under a lock. Label values come
from small fixed sets.
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate

import msgspec
from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.samples import Sample

from bentos.online_features import OnlineFeatures

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Labels = tuple[str, ...]


class Family(msgspec.Struct):
    """One metric as plain values: its name, what it says, its kind and its samples."""

    name: str
    said: str
    kind: str
    samples: list[tuple[str, dict[str, str], float]]


class Histogram:
    def __init__(self, bounds: tuple[float, ...] = _SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times


class Metrics:
    """The counters of one process; `elsewhere` counts what is in flight in others beside it."""

    elsewhere: Callable[[], int] | None = None

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.responses: Counter[tuple[str, int]] = Counter()
        self.seconds = Histogram()
        self.gathered = Histogram(tuple(float(2**n) for n in range(9)))
        self.rows = 0
        self.others: Counter[str] = Counter()
        self.in_flight = 0
        self.logged = 0
        self.dropped: Counter[str] = Counter()
        self.waiting_to_log = 0
        self.followed: Counter[str] = Counter()
        self.model = ("", "")
        self.lookup: OnlineFeatures | None = None

    def count_answered(
        self, rows: int, others: Mapping[str, int] | Sequence[str], seconds: float
    ) -> None:
        """Count what one evaluation answered, and in which features values were unseen or rare."""
        with self._lock:
            self.rows += rows
            self.gathered.observe(rows)
            self.seconds.observe(seconds)
            if others:
                self.others.update(others)

    def render(self) -> bytes:
        """Write every counter in Prometheus' text format."""
        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """Give every counter to `prometheus_client` as it is now."""
        responses: dict[Labels, float] = {
            (path, str(status)): n for (path, status), n in [*self.responses.items()]
        }
        yield _gauge("model_info", "The version that answers", {self.model: 1}, "model", "version")
        yield _counter("responses", "HTTP responses", responses, "endpoint", "status")
        yield _histogram("answer_seconds", "Seconds of each prediction", self.seconds)
        yield _histogram("gathered_rows", "Rows of each prediction", self.gathered)
        yield _counter("rows", "Predicted rows", {(): self.rows})
        others = _by_name(self.others)
        yield _counter("other_categories", "Unseen or rare categories", others, "feature")
        yield _gauge("requests_in_flight", "Requests being answered", {(): self.in_flight})
        yield _counter("log_rows", "Rows written to the log", {(): self.logged})
        yield _counter("log_dropped_rows", "Rows not logged", _by_name(self.dropped), "reason")
        yield _gauge("log_waiting_rows", "Rows to be logged", {(): self.waiting_to_log})
        yield _counter("follow", "Models and tables taken up", _by_name(self.followed), "result")
        if self.lookup is not None:
            ages = _by_name(self.lookup.ages(datetime.now(UTC)))
            missed, outlived = _by_name(self.lookup.missed), _by_name(self.lookup.outlived)
            yield _gauge("table_age_seconds", "Since a feature table's newest event", ages, "table")
            yield _counter("table_missed", "Entities that a table did not know", missed, "table")
            yield _counter("table_outlived", "Rows later than all of a table", outlived, "table")


class _Exposition:
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.said, family.kind)
            metric.samples = [Sample(*each) for each in family.samples]
            yield metric


def list_families(metrics: Metrics) -> list[Family]:
    """Give all that is counted, as plain values."""
    return [
        Family(
            each.name,
            each.documentation,
            each.type,
            [(sample.name, sample.labels, sample.value) for sample in each.samples],
        )
        for each in metrics.collect()
    ]


def write_families(families: Iterable[Family]) -> bytes:
    """Write plain values in Prometheus' text format."""
    return generate_latest(_Exposition(families))


def _by_name(values: Mapping[str, float]) -> dict[Labels, float]:
    return {(name,): value for name, value in [*values.items()]}


def _gauge(name: str, said: str, values: Mapping[Labels, float], *labels: str) -> Metric:
    return _fill(GaugeMetricFamily(f"perennial_{name}", said, labels=labels), values)


def _counter(name: str, said: str, values: Mapping[Labels, float], *labels: str) -> Metric:
    return _fill(CounterMetricFamily(f"perennial_{name}", said, labels=labels), values)


def _fill(
    family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[Labels, float]
) -> Metric:
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _histogram(name: str, said: str, histogram: Histogram) -> Metric:
    bounds = (*map(str, histogram.bounds), "+Inf")
    buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
    return HistogramMetricFamily(f"perennial_{name}", said, buckets, histogram.total)
