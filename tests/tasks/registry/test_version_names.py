"""Versions on a folder: what names them, what orders them, and each word of a refusal."""

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import DefinitionError, StoreError
from tasks.registry import versions
from tasks.registry.ledger import append_entry, read_ledger
from tasks.registry.snapshots import snapshot_path
from tasks.registry.versions import (
    Manifest,
    Published,
    find,
    find_all,
    find_champion,
    find_released,
    find_version,
    get_version,
    list_models,
    list_versions,
    name_version,
    publish,
    read_files,
    read_json,
    version_path,
)
from tasks.storage.store import Store, open_store, work_folder

Put = Callable[..., Published]
OCTOBER = datetime(2013, 10, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "root"))


@pytest.fixture
def put(store: Store) -> Put:
    def publish_files(path: str = "models/m/v1", **files: str) -> Published:
        with work_folder(store) as folder:
            made = folder / "made"
            for name, text in (files or {"model.json": "[1]"}).items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).write_text(text)
            return publish(store, made, path)

    return publish_files


def refused(what: Callable[[], object], kind: type[Exception] = StoreError) -> str:
    with pytest.raises(kind) as refusal:
        what()
    return str(refusal.value)


def test_version_is_named_by_as_of_in_utc_and_by_all_that_went_in() -> None:
    digest = hashlib.sha256(b"2013-10-01 00:00:00+00:00\na\nb").hexdigest()[:10]
    assert name_version(OCTOBER, "a", "b") == f"20131001T000000Z-{digest}"
    assert name_version(None, "a") == hashlib.sha256(b"None\na").hexdigest()[:10]
    east = OCTOBER.astimezone(timezone(timedelta(hours=2)))
    assert name_version(east, "a").startswith("20131001T000000Z-")


def test_what_is_published_is_found_with_the_digest_of_each_file(store: Store, put: Put) -> None:
    before = datetime.now(UTC)
    published = put(**{"model.json": "[1]", "parts/one": "x", "sub/MANIFEST.json": "{}"})
    assert published.path == "models/m/v1"
    assert published.version == "v1"
    assert published.manifest.files == {
        name: hashlib.sha256(text).hexdigest()
        for name, text in (
            ("model.json", b"[1]"),
            ("parts/one", b"x"),
            ("sub/MANIFEST.json", b"{}"),
        )
    }
    assert before <= published.manifest.time <= datetime.now(UTC)
    written = store.read("models/m/v1/MANIFEST.json")
    assert published.digest == hashlib.sha256(written).hexdigest()
    assert written.startswith(b'{\n "time": ')
    assert find(store, "models/m/v1") == find_version(store, "m", "v1") == published
    assert find_all(store, ["models/m/v1", "models/m/v2"]) == {"models/m/v1": published}
    assert read_json(store, published, "model.json") == [1]
    with pytest.raises(FileExistsError):
        put()


def test_files_of_an_attempt_lie_in_a_subfolder_of_it() -> None:
    manifest = Manifest(time=OCTOBER, files={})
    published = Published(path="models/m/v1", digest="", manifest=manifest)
    assert published.path_of("file") == "models/m/v1/file"
    tried = manifest.model_copy(update={"attempt": "a1"})
    assert published.model_copy(update={"manifest": tried}).path_of("file") == "models/m/v1/a1/file"


def test_age_is_as_of_or_else_when_it_was_published() -> None:
    manifest = Manifest(time=OCTOBER + timedelta(days=99), files={})
    timed = Published(path="models/m/20131001T000000Z-ab", digest="", manifest=manifest)
    assert timed.age == (OCTOBER, manifest.time)
    timeless = timed.model_copy(update={"path": "models/m/abcdef"})
    assert timeless.age == (manifest.time, manifest.time)


def test_paths_are_where_users_find_them() -> None:
    assert snapshot_path("d1") == "snapshots/d1"
    assert version_path("m", "v1") == "models/m/v1"


def test_files_are_read_in_the_order_that_they_were_asked_for(store: Store, put: Put) -> None:
    one, two = put(a="1", b="2"), put("models/m/v2", a="3")
    assert read_files(store, [(two, "a"), (one, "b"), (one, "a")]) == [b"3", b"2", b"1"]


def test_each_refusal_names_the_file_and_what_to_do(store: Store, put: Put, tmp_path: Path) -> None:
    published = put(a="1")
    root = tmp_path / "root"
    assert refused(lambda: read_files(store, [(published, "b")])) == (
        f"{root}/models/m/v1/b: is missing; restore it"
    )
    (root / "models/m/v1/a").write_text("other")
    assert refused(lambda: read_files(store, [(published, "a")])) == (
        f"{root}/models/m/v1/a: was changed after it was published; restore it"
    )
    (root / "models/m/v1/MANIFEST.json").write_text("{")
    assert refused(lambda: find(store, "models/m/v1")) == (
        f"{root}/models/m/v1/MANIFEST.json: is damaged; restore it"
    )


def test_models_are_those_with_a_version_or_a_decision(store: Store, put: Put) -> None:
    assert list_models(store) == []
    put("models/b/v1")
    decide(store, "a", "reject", "v1", "")
    Path(store.root, "models", "empty", "v1").mkdir(parents=True)
    assert list_models(store) == ["a", "b"]
    assert list(list_versions(store, "b")) == ["v1"]
    assert list_versions(store, "a") == {}


def decide(store: Store, model: str, action: Any, version: str, manifest: str) -> None:
    append_entry(
        store, model, action=action, version=version, manifest=manifest, approver="A", reason=""
    )


def test_version_is_named_in_full_or_by_letters_that_fit_one(store: Store, put: Put) -> None:
    first, second = put("models/m/ab"), put("models/m/abc")
    assert get_version(store, "m", "ab") == first
    assert get_version(store, "m", "abc") == second
    assert get_version(store, "m", "abc"[:3]) == second
    ask = lambda word: refused(lambda: get_version(store, "m", word), DefinitionError)  # noqa: E731
    assert ask("a") == "m: version 'a' is ambiguous; did you mean 'ab'?"
    assert ask("zzz") == "m: version 'zzz' does not exist; known: 'ab', 'abc'"
    assert ask("") == "m: version '' does not exist; known: 'ab', 'abc'"
    Path(store.root, "models", "m", "half").mkdir()
    assert ask("half").startswith("m: version 'half' does not exist; ")
    assert refused(lambda: get_version(store, "n", "v"), DefinitionError) == (
        "n: version 'v' does not exist; there are none"
    )


def test_champion_is_the_last_released_or_rolled_back_to(store: Store, put: Put) -> None:
    one, two = put("models/m/v1"), put("models/m/v2", other="2")
    assert find_champion(store, "m") is None
    for published in (one, two):
        decide(store, "m", "approve", published.version, published.digest)
        decide(store, "m", "release", published.version, published.digest)
        assert find_champion(store, "m") == published
    decide(store, "m", "rollback", "v1", one.digest)
    decide(store, "m", "reject", "v2", two.digest)
    assert find_champion(store, "m") == one
    assert find_released(store, "m", read_ledger(store, "m")[:4]) == two


@pytest.mark.parametrize("lost", [True, False])
def test_champion_that_is_not_what_was_released_is_named(
    store: Store, put: Put, lost: bool
) -> None:
    published = put()
    decide(store, "m", "approve", "v1", published.digest)
    decide(store, "m", "release", "v1", published.digest if lost else "other")
    if lost:
        Path(store.root, "models/m/v1/MANIFEST.json").unlink()
    assert refused(lambda: find_champion(store, "m")) == (
        "m: champion v1 is not what ledger entry 2 released; restore its files or roll back"
    )


def test_root_that_cannot_be_reached_is_named_whatever_is_asked(
    store: Store, put: Put, tmp_path: Path
) -> None:
    published = put()
    Path(store.root).rename(tmp_path / "away")
    Path(store.root).write_text("a file")
    for ask in (
        lambda: find(store, "models/m/v1"),
        lambda: read_files(store, [(published, "model.json")]),
    ):
        assert re.match(rf"{store.root}: ", refused(ask))
    assert versions.MANIFEST == "MANIFEST.json"
