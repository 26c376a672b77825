"""What the service counts, as Prometheus reads it. Label values come from small fixed sets.

Owns counters and their text form. Refuses to know why anything is counted. What several
threads count is counted under a lock.
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from bentos.lightgbm_predictor import Array
from bentos.model import Model
from bentos.online_features import OnlineFeatures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Labels = tuple[tuple[str, str], ...]


class Histogram:
    def __init__(self, bounds: tuple[float, ...] = _SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times


class Metrics:
    """The counters of one server."""

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

    def count_answered(self, model: Model, matrix: Array, seconds: float) -> None:
        """Count what one evaluation answered, for one request or for many."""
        others = model.count_others(matrix).tolist()
        with self._lock:
            self.rows += len(matrix)
            self.gathered.observe(len(matrix))
            self.seconds.observe(seconds)
            if any(others):
                self.others.update(dict(zip(model.features.categories, others, strict=True)))

    def render(self) -> str:
        """Write every counter in Prometheus' text format."""
        name, version = self.model
        lines = [
            *_family("model_info", "gauge", {(("model", name), ("version", version)): 1}),
            *_family(
                "responses_total",
                "counter",
                {
                    (("endpoint", path), ("status", str(status))): count
                    for (path, status), count in self.responses.items()
                },
            ),
            *_histogram("answer_seconds", self.seconds),
            *_histogram("gathered_rows", self.gathered),
            *_family("rows_total", "counter", {(): self.rows}),
            *_family("other_categories_total", "counter", _by("feature", self.others)),
            *_family("requests_in_flight", "gauge", {(): self.in_flight}),
            *_family("log_rows_total", "counter", {(): self.logged}),
            *_family("log_dropped_rows_total", "counter", _by("reason", self.dropped)),
            *_family("log_waiting_rows", "gauge", {(): self.waiting_to_log}),
            *_family("follow_total", "counter", _by("result", self.followed)),
            *self._render_tables(),
        ]
        return "\n".join(lines) + "\n"

    def _render_tables(self) -> Iterable[str]:
        """Write how old what is looked up is, and how often it was nothing, or too old."""
        if self.lookup is not None:
            ages: dict[Labels, float] = {
                (("table", name),): age for name, age in self.lookup.ages(datetime.now(UTC)).items()
            }
            yield from _family("table_age_seconds", "gauge", ages)
            yield from _family("table_missed_total", "counter", _by("table", self.lookup.missed))
            outlived = _by("table", self.lookup.outlived)
            yield from _family("table_outlived_total", "counter", outlived)


def _by(label: str, counter: Mapping[str, int]) -> dict[Labels, int]:
    return {((label, value),): count for value, count in counter.items()}


def _family(name: str, kind: str, values: Mapping[Labels, float]) -> Iterable[str]:
    yield f"# TYPE perennial_{name} {kind}"
    for labels, value in values.items():
        written = ",".join(f'{label}="{_escape(text)}"' for label, text in labels)
        yield f"perennial_{name}{{{written}}} {value}" if written else f"perennial_{name} {value}"


def _histogram(name: str, histogram: Histogram) -> Iterable[str]:
    yield f"# TYPE perennial_{name} histogram"
    seen = 0
    for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
        seen += count
        yield f'perennial_{name}_bucket{{le="{bound}"}} {seen}'
    yield f"perennial_{name}_sum {histogram.total}"
    yield f"perennial_{name}_count {seen}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
