"""Parts of the log that are copies: only of settled days, and only what a piece holds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.monitoring.log_pieces import Piece, is_settled, list_copies, list_days, list_parts
from tasks.storage.store import Store, open_store

DAY = datetime(2020, 3, 1, tzinfo=UTC)
LATER = DAY + timedelta(days=9)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Keep two parts of a day, and a piece with one file that holds the first of them."""
    store = open_store(str(tmp_path / "root"))
    for name in ("a", "b"):
        store.create(f"predictions/m/date=2020-03-01/hour=03/{name}.parquet", b"rows")
    store.create("monitoring/m/pieces/2020-03-01/rows.parquet", b"rows")
    return store


def put_piece(store: Store, *parts: str, torn: str = "", file: str = "rows.parquet") -> None:
    files = {"v": (f"monitoring/m/pieces/2020-03-01/{file}",)}
    piece = Piece(parts=parts, torn={torn: "cannot be read"} if torn else {}, files=files, rows={})
    store.create("monitoring/m/pieces/2020-03-01/000.json", piece.model_dump_json().encode())


def test_days_and_parts_are_listed(store: Store) -> None:
    assert list_days(store, "m", DAY) == ["2020-03-01"]
    assert list_days(store, "m", LATER) == []
    assert list_parts(store, "m", "2020-03-01") == ["03/a.parquet", "03/b.parquet"]


def test_part_in_a_piece_is_a_copy_once_its_day_is_settled(store: Store) -> None:
    assert list_copies(store, "m", LATER) == []
    put_piece(store, "03/a.parquet")
    assert list_copies(store, "m", LATER) == ["predictions/m/date=2020-03-01/hour=03/a.parquet"]
    assert list_copies(store, "m", DAY + timedelta(days=1)) == []
    assert not is_settled("2020-03-01", DAY + timedelta(days=2))


def test_day_whose_parts_are_all_copies_is_one(store: Store) -> None:
    put_piece(store, "03/a.parquet", "03/b.parquet")
    assert list_copies(store, "m", LATER) == ["predictions/m/date=2020-03-01"]


@pytest.mark.parametrize(
    "piece",
    [
        {"torn": "predictions/m/date=2020-03-01/hour=03/a.parquet"},
        {"file": "lost.parquet"},
    ],
)
def test_part_that_is_nowhere_else_is_no_copy(store: Store, piece: dict[str, str]) -> None:
    put_piece(store, "03/a.parquet", **piece)
    assert list_copies(store, "m", LATER) == []
