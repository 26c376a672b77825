"""Tables are made as of the newest event, once for the same sources, by the plans of training."""

from datetime import timedelta
from pathlib import Path

import pytest
from entities import START, define_table, make_events, make_rows
from tables import write_file

from tasks.feature_store.materialise import make_tables
from tasks.feature_store.online_tables import read_listing, read_table
from tasks.registry.versions import read_file
from tasks.storage.store import Store, open_store

DEFINITION = define_table('time = "at"\nknown_after = "1h"\nover = "5h"', {"n": "COUNT(*)"})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    write_file(make_rows([(("a",), 1)]), tmp_path / "s.parquet")
    write_file(make_events([(("a",), 1, 1), (("a",), 3, 1)]), tmp_path / "events.parquet")
    return open_store(str(tmp_path / "root"))


def test_a_table_knows_events_until_the_newest_became_known(store: Store, tmp_path: Path) -> None:
    made = make_tables(DEFINITION, tmp_path, None, store, tmp_path / "work")
    listed = read_listing(store, made).tables["past"]
    assert (listed.as_of, listed.entities) == (START + timedelta(hours=4), 1)
    table = read_table(read_file(store, made, "past.parquet"))
    assert table.select("k", "n").rows() == [("a", 1), ("a", 2)]


def test_what_was_made_of_the_same_sources_is_the_answer(store: Store, tmp_path: Path) -> None:
    first = make_tables(DEFINITION, tmp_path, None, store, tmp_path / "first")
    assert make_tables(DEFINITION, tmp_path, None, store, tmp_path / "second") == first
    write_file(make_events([(("a",), 5, 1)]), tmp_path / "events.parquet")
    assert make_tables(DEFINITION, tmp_path, None, store, tmp_path / "third") != first


def test_nothing_later_than_as_of_is_known(store: Store, tmp_path: Path) -> None:
    as_of = START + timedelta(hours=3)
    made = make_tables(DEFINITION, tmp_path, as_of, store, tmp_path / "work")
    assert read_listing(store, made).tables["past"].as_of == START + timedelta(hours=2)
