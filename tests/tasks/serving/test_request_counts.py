"""What servers counted by the hour is read back and added up."""

from datetime import UTC, datetime
from pathlib import Path

from counted import EVER, read_counts
from servers import MODEL

from tasks.monitoring.log_pieces import forget_days
from tasks.serving.request_counts import (
    Counters,
    add_up,
    quantile,
    read_counters,
    write_counters,
)
from tasks.storage.store import open_store


def test_only_hours_between_count_and_days_since_are_kept(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    for hour in (1, 5, 9):
        write_counters(store, MODEL, counters_of(hour))
    since, until = (datetime(2020, 1, 1, hour, tzinfo=UTC) for hour in (4, 6))
    counted, _ = read_counters(store, MODEL, since, until)
    assert [each.hour.hour for each in counted] == [5]
    forget_days(store, f"monitoring/{MODEL}/service", datetime(2020, 1, 1, 23, tzinfo=UTC))
    assert len(read_counts(store)) == 3


def test_servers_that_measure_by_other_bounds_are_not_added_up() -> None:
    total = add_up([counters_of(1), counters_of(2, bounds=(5.0,), answers=(7,))])
    assert total is not None
    assert total.answers == (1, 1)
    assert quantile(total, 0.99) == 1.0
    assert quantile(counters_of(1, answers=(0, 0)), 0.99) is None
    assert quantile(counters_of(1, answers=(0, 0, 9)), 0.99) is None


def test_damaged_file_is_named_and_left_out(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.create(f"monitoring/{MODEL}/service/2020-01-01/08-1.json", b"{")
    counted, damaged = read_counters(store, MODEL, *EVER)
    assert (counted, damaged) == ([], [f"monitoring/{MODEL}/service/2020-01-01/08-1.json"])


def counters_of(hour: int, server: str = "a", **given: object) -> Counters:
    said = {"versions": ("v1",), "rows": 1, "responses": {}, "dropped": {}}
    at = datetime(2020, 1, 1, hour, tzinfo=UTC)
    return Counters.model_validate(
        {"server": server, "hour": at, **said, "bounds": (0.1, 1.0), "answers": (1, 1), **given}
    )
