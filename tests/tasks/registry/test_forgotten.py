"""Records of who was forgotten hold no value in clear, and still tell their rows from others'."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tasks.core.errors import DefinitionError, StoreError
from tasks.registry.forgotten import (
    add_record,
    conceal,
    is_forgotten,
    key_text,
    list_keys,
    read_records,
)
from tasks.storage.store import Store, open_store

ROWS = pl.DataFrame(
    {
        "who": ["ann", "bob", None, "ann"],
        "n": [7, 7, 7, 8],
        "f": [7.0, 7.5, None, 7.0],
        "t": [datetime(2020, 1, 1, tzinfo=UTC)] * 4,
    }
)
NOTHING = {"done": False, "versions": (), "unknown": (), "removed": {}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "root"))


def found(given: dict[str, str], rows: pl.DataFrame = ROWS) -> list[bool]:
    expression = is_forgotten([conceal([], given)], rows.schema)
    return rows.lazy().select(expression.alias("is")).collect()["is"].to_list()


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ({"who": "ann"}, [True, False, False, True]),
        ({"who": "ann", "n": "8"}, [False, False, False, True]),
        ({"f": "7"}, [True, False, False, True]),
        ({"f": "7.5"}, [False, True, False, False]),
        ({"t": "1577836800000000"}, [True] * 4),
        ({"who": "None"}, [False] * 4),
    ],
)
def test_rows_of_a_key_are_found(given: dict[str, str], rows: list[bool]) -> None:
    assert found(given) == rows


def test_key_is_found_however_its_numbers_and_times_are_kept() -> None:
    other = ROWS.with_columns(pl.col("n").cast(pl.Float32), pl.col("t").dt.cast_time_unit("ms"))
    for name in ("n", "t"):
        texts = [rows.select(key_text(name, rows.schema[name])).to_series().to_list()
                 for rows in (ROWS, other)]  # fmt: skip
        assert texts[0] == texts[1]


def test_column_by_which_somebody_was_forgotten_has_to_stay() -> None:
    with pytest.raises(DefinitionError, match="gives no column 'who', by which rows were forgot"):
        found({"who": "ann"}, ROWS.drop("who"))


def test_records_are_kept_in_order_with_one_salt_and_no_value(store: Store) -> None:
    first = conceal([], {"who": "a-name-that-is-secret"})
    add_record(store, "m", 0, key=first, **NOTHING)
    second = conceal(read_records(store, "m"), {"who": "bob"})
    assert (second.salt, second.digest != first.digest) == (first.salt, True)
    add_record(store, "m", 1, key=second, **NOTHING)
    add_record(store, "m", 2, key=first, **NOTHING)
    assert list_keys(read_records(store, "m")) == (first, second)
    kept = b"".join(path.read_bytes() for path in Path(store.root).rglob("*.json"))
    assert b"secret" not in kept
    assert b"bob" not in kept


def test_record_that_is_lost_damaged_or_taken_is_told(store: Store) -> None:
    for number in range(2):
        add_record(store, "m", number, key=conceal([], {"who": "x"}), **NOTHING)
    with pytest.raises(StoreError, match="run it again"):
        add_record(store, "m", 1, key=conceal([], {"who": "x"}), **NOTHING)
    first, second = sorted(Path(store.root, "forgotten", "m").iterdir())
    second.write_text("{")
    with pytest.raises(StoreError, match=r"000002\.json: is damaged"):
        read_records(store, "m")
    second.unlink()
    first.rename(second)
    with pytest.raises(StoreError, match=r"000001\.json: is missing"):
        read_records(store, "m")
