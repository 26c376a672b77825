"""Cached files: found again as they were written, never when damaged, and never many."""

import os
from pathlib import Path

from tasks.storage.local_cache import cache_file, cache_folder, find_cached, list_cached
from tasks.storage.store import open_store


def draft(folder: Path, text: str) -> Path:
    path = folder / "draft"
    path.write_text(text)
    return path


def test_file_is_found_by_its_name_as_it_was_written(tmp_path: Path) -> None:
    folder = cache_folder(str(tmp_path / "root"), "bins")
    assert find_cached(folder, "a") is None
    cache_file(draft(tmp_path, "one"), folder, "a", most=2)
    found = find_cached(folder, "a")
    assert found is not None
    assert found.read_text() == "one"
    assert not (tmp_path / "draft").exists()


def test_damaged_file_is_not_found_and_is_removed(tmp_path: Path) -> None:
    cache_file(draft(tmp_path, "one"), tmp_path / "bins", "a", most=2)
    (damaged,) = (tmp_path / "bins").iterdir()
    damaged.write_text("two")
    assert find_cached(tmp_path / "bins", "a") is None
    assert not damaged.exists()


def test_file_that_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    folder = tmp_path / "bins"
    for number, name in enumerate(("a", "b")):
        cache_file(draft(tmp_path, name), folder, name, most=2)
        (path,) = folder.glob(f"{name}-*")
        os.utime(path, (number, number))
    assert find_cached(folder, "a")  # used again: it is the newest now
    cache_file(draft(tmp_path, "c"), folder, "c", most=2)
    assert [bool(find_cached(folder, name)) for name in "abc"] == [True, False, True]


def test_files_of_every_kind_are_listed(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    assert list(list_cached(store)) == []
    for folder, name in (
        (cache_folder(str(tmp_path), "profiles"), "b"),
        (cache_folder(str(tmp_path), "bins"), "a"),
    ):
        folder.mkdir()
        (folder / name).touch()
    assert [path.name for path in list_cached(store)] == ["a", "b"]
