"""What the servers counted in the last window, added up."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tables import define

from tasks.core.definition import parse_definition
from tasks.monitoring.context import MonitoringContext
from tasks.monitoring.service_health import ServiceHealth, look_at_service
from tasks.serving.request_counts import Counters, write_counters
from tasks.storage.store import open_store

UNTIL = datetime(2020, 1, 8, tzinfo=UTC)


def look(folder: Path) -> ServiceHealth:
    definition = parse_definition(define(monitoring='window = "7d"'), "made.toml")
    watch = MonitoringContext.model_construct(
        definition=definition,
        asked=UNTIL,
        now=UNTIL,
    )
    return look_at_service(watch, open_store(str(folder)))


def test_hours_of_all_servers_in_the_window_are_added_up(tmp_path: Path) -> None:
    counted = {
        "responses": {"/predict 200": 97, "/predict 422": 1, "/predict 500": 2},
        "dropped": {},
        "bounds": (0.01, 0.1),
        "answers": (90, 10, 0),
    }
    store = open_store(str(tmp_path))
    for server, days in (("a", 1), ("b", 2), ("a", 30)):  # the last one is before the window
        hour = UNTIL - timedelta(days=days)
        write_counters(store, "made", Counters(server=server, hour=hour, **counted))  # type: ignore[arg-type]
    found = look(tmp_path)
    assert (found.answers, found.failed, found.refused) == (200, 4, 2)
    assert (found.median, found.slowest) == (0.01, 0.1)
    assert found.failing


def test_service_that_left_nothing_is_no_failure(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert found == ServiceHealth()
    assert not found.failing
