"""Corrections are numbered, written once and whole, and read within bounds."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import StoreError
from tasks.registry.corrections import (
    Correction,
    find_correction,
    list_corrections,
    read_corrections,
    write_correction,
)
from tasks.storage.store import Store, open_store

NOW = datetime(2020, 1, 20, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


def correct(number: int, **changes: Any) -> Correction:
    given = {
        "number": number,
        "model": "made",
        "version": "v1",
        "time": NOW,
        "since": NOW - timedelta(days=14),
        "until": NOW,
        "rows": 500,
        "predicted": 0.2,
        "observed": 0.3,
        "before": 0.0,
        "offset": 0.54,
    }
    return Correction.model_validate(given | changes)


def test_newest_counts_and_none_is_overwritten(store: Store) -> None:
    assert find_correction(store, "made") is None
    assert read_corrections(store, "made") == {}
    for number in (1, 2, 10):
        write_correction(store, correct(number))
    assert find_correction(store, "made") == correct(10)
    assert list(read_corrections(store, "made")) == [1, 2, 10]
    with pytest.raises(FileExistsError):
        write_correction(store, correct(2, offset=-1.0))
    assert list_corrections(store, "made") == ["000001.json", "000002.json", "000010.json"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"offset": 1.6}, "is damaged: offset: .*1.5"),
        ({"offset": "NaN"}, "is damaged: offset: "),
        ({"observed": 1.2}, "is damaged: observed: "),
        ({"rows": 0}, "is damaged: rows: "),
        ({"since": "2020-02-01T00:00:00Z"}, "is damaged: it: since must be before until"),
        ({"more": 1}, "is damaged: more: "),
        ({"number": 8}, "is correction 8 of made"),
        ({"model": "other"}, "is correction 7 of other"),
        ({"model": "../x"}, "is correction 7 of ../x"),
    ],
)
def test_file_out_of_bounds_is_refused_by_its_path(
    store: Store, changes: dict[str, Any], said: str
) -> None:
    data = json.loads(correct(7).model_dump_json()) | changes
    store.create("monitoring/made/corrections/000007.json", json.dumps(data).encode())
    with pytest.raises(StoreError, match=rf"corrections/000007.json: {said}"):
        find_correction(store, "made")
    with pytest.raises(StoreError, match=rf"corrections/000007.json: {said}"):
        read_corrections(store, "made")
