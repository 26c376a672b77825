"""The registry and its ledger: what a kill, a second writer or a changed byte does to them."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from faults import FaultyS3, small_disk

from tasks.core.errors import DefinitionError, StorageFull, StoreError
from tasks.registry import versions
from tasks.registry.ledger import Overtaken, append_entry, read_ledger
from tasks.registry.versions import (
    Published,
    find,
    find_champion,
    find_version,
    get_version,
    list_models,
    list_versions,
    name_version,
    publish,
    publish_once,
    read_file,
    version_path,
)
from tasks.storage.store import Store, open_store, work_folder

PUBLISHERS = Path(__file__).parents[2] / "support" / "publishers.py"
FILES = {"model.txt": "trees\n" * 1000, "report.html": "<p>fine</p>", "parts/one.bin": "1"}


@pytest.fixture(params=["folder", "bucket"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "root")
    return request.getfixturevalue("bucket") + "/root"


@pytest.fixture
def store(root: str) -> Store:
    return open_store(root)


@pytest.fixture
def folder_store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "root"))


def publish_files(store: Store, path: str, files: dict[str, str] = FILES) -> Published:
    with work_folder(store) as work:
        for name, text in files.items():
            (work / "made" / name).parent.mkdir(parents=True, exist_ok=True)
            (work / "made" / name).write_text(text)
        return publish(store, work / "made", path)


def decide(store: Store, published: Published, action: Any = "release", **given: Any) -> None:
    version, manifest = published.version, published.digest
    append_entry(
        store,
        "m",
        action=action,
        version=version,
        manifest=manifest,
        approver="Ada",
        reason="good",
        **given,
    )


def run_publishers(*words: object) -> Any:
    """Run processes that write; see `publishers.py`."""
    command = [sys.executable, str(PUBLISHERS), *map(str, words)]
    return json.loads(subprocess.check_output(command, text=True))


def files_of(store: Store, published: Published) -> dict[str, str]:
    return {name: read_file(store, published, name).decode() for name in published.manifest.files}


def test_version_is_whole_or_absent_wherever_a_kill_strikes(tmp_path: Path) -> None:
    lines = run_publishers("kill_at_lines", "publish_version", tmp_path, 2)
    whole = 0
    for line in range(1, lines, 2):
        store = open_store(str(tmp_path / str(line)))
        published = find_version(store, "m", "v1")
        if published is None:
            assert store.children("models/m") == []
            published = publish_files(store, version_path("m", "v1"))
        else:
            whole += 1
        assert files_of(store, published) == FILES
        with work_folder(store) as work:
            assert len(list(work.parent.iterdir())) == 3  # this run's own, and the lock
    assert 0 < whole < lines / 2


def test_decision_is_whole_or_absent_wherever_a_kill_strikes(tmp_path: Path) -> None:
    lines = run_publishers("kill_at_lines", "decide", tmp_path, 3)
    found = []
    for line in range(1, lines, 3):
        store = open_store(str(tmp_path / str(line)))
        before = read_ledger(store, "m")
        append_entry(store, "m", action="reject", version="v", manifest="", approver="A", reason="")
        assert len(read_ledger(store, "m")) == len(before) + 1
        found.append(len(before))
    assert set(found) == {0, 1}


def test_version_on_a_bucket_is_whole_or_absent_wherever_a_kill_strikes(
    bucket: str, s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = tmp_path / "pids"
    with FaultyS3(s3_server) as server:
        count: dict[str, int] = {}

        def kill_before_its_turn(method: str, path: str) -> None:
            """Kill the first process before its first request, the second before its second."""
            turn, pid = pids.read_text().split()
            count[turn] = count.get(turn, 0) + 1
            if count[turn] == int(turn):
                os.kill(int(pid), signal.SIGKILL)

        server.fault = kill_before_its_turn
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        requests = run_publishers("kill_at_requests", "publish_version", bucket, pids)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    assert requests > len(FILES) + 2
    for number in range(1, requests):
        store = open_store(f"{bucket}/{number}")
        published = find_version(store, "m", "v1") or publish_files(store, "models/m/v1")
        assert files_of(store, published) == FILES


@pytest.mark.parametrize("writers", [2, 5])
def test_one_of_many_writers_wins_and_its_files_count(
    root: str, s3_server: str, writers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultyS3(s3_server) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        outcomes = run_publishers("race", "publish_version", root, writers)
        store = open_store(root)
        published = find_version(store, "m", "v1")
        assert published is not None
        assert sorted(outcomes) == sorted([published.digest] + ["FileExistsError"] * (writers - 1))
        assert files_of(store, published) == FILES
        assert len(store.children("models/m/v1")) == (2 if root.startswith("s3://") else 4)


def test_one_of_many_decisions_wins_and_the_others_are_told(
    root: str, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultyS3(s3_server) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        outcomes = run_publishers("race", "decide", root, 4)
        assert sorted(outcomes) == ["1", "Overtaken", "Overtaken", "Overtaken"]
        assert [entry.number for entry in read_ledger(open_store(root), "m")] == [1]


def test_winner_clears_what_killed_uploads_left(bucket: str) -> None:
    store = open_store(bucket)
    store.create("models/m/v1/0badf00d/model.txt", b"half")
    published = publish_files(store, "models/m/v1")
    assert store.children("models/m/v1") == sorted([published.manifest.attempt, "MANIFEST.json"])
    with pytest.raises(FileExistsError):
        publish_files(store, "models/m/v1")
    assert store.children("models/m/v1") == sorted([published.manifest.attempt, "MANIFEST.json"])


def test_full_disk_leaves_no_version_and_room_mends_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "512k") as disk:
        store = open_store(str(disk / "root"))
        with work_folder(store) as work:
            (work / "made").mkdir()
            (work / "made" / "model.txt").write_text("trees")
            with suppress(OSError):
                (disk / "ballast").write_bytes(b"0" * 1_000_000)
            with pytest.raises(StorageFull, match=r"made: the disk is full"):
                publish(store, work / "made", "models/m/v1")
            assert find(store, "models/m/v1") is None
            with pytest.raises(StorageFull, match=f"{disk}/root: the disk is full"):
                decide(store, Published.model_construct(path="models/m/v1", digest=""))
            (disk / "ballast").unlink()
            published = publish(store, work / "made", "models/m/v1")
        decide(store, published, "approve")
        decide(store, published)
        assert find_champion(store, "m") == published


def test_changed_or_missing_file_is_refused_on_read(folder_store: Store, tmp_path: Path) -> None:
    published = publish_files(folder_store, "models/m/v1")
    model = tmp_path / "root" / "models" / "m" / "v1" / "model.txt"
    model.write_text("other trees")
    with pytest.raises(StoreError, match=f"{model}: was changed after it was published"):
        read_file(folder_store, published, "model.txt")
    model.unlink()
    with pytest.raises(StoreError, match=f"{model}: is missing"):
        read_file(folder_store, published, "model.txt")


def test_champion_that_is_not_what_was_released_is_refused(store: Store, tmp_path: Path) -> None:
    assert find_champion(store, "m") is None
    first = publish_files(store, "models/m/v1")
    decide(store, first, "approve")
    assert find_champion(store, "m") is None
    decide(store, first)
    assert find_champion(store, "m") == first
    decide(store, first.model_copy(update={"digest": "another"}), "rollback")
    with pytest.raises(StoreError, match="champion v1 is not what ledger entry 3 released"):
        find_champion(store, "m")


def test_champion_that_nobody_approved_is_refused(store: Store) -> None:
    decide(store, publish_files(store, "models/m/v1"))
    with pytest.raises(StoreError, match="makes v1 the champion, and nobody approved it"):
        find_champion(store, "m")


def change_word(ledger: Path) -> None:
    text = (ledger / "000003.json").read_text()
    (ledger / "000003.json").write_text(text.replace("reject", "release"))


def remove_second(ledger: Path) -> None:
    (ledger / "000002.json").unlink()


def swap_two(ledger: Path) -> None:
    second = (ledger / "000002.json").read_bytes()
    (ledger / "000003.json").rename(ledger / "000002.json")
    (ledger / "000003.json").write_bytes(second)


def tear_last(ledger: Path) -> None:
    text = (ledger / "000003.json").read_text()
    (ledger / "000003.json").write_text(text[: len(text) // 2])


def forge_second(ledger: Path) -> None:
    """Put an entry there that is sound in itself, from another ledger."""
    other = open_store(str(ledger.parents[2] / "other"))
    for _ in range(2):
        append_entry(
            other, "m", action="release", version="w", manifest="", approver="E", reason=""
        )
    shutil.copy(ledger.parents[2] / "other" / "models" / "m" / "ledger" / "000002.json", ledger)


def add_stray(ledger: Path) -> None:
    (ledger / ".DS_Store").write_text("")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (change_word, "000003.json: was changed after it was recorded"),
        (remove_second, "000002.json: is missing"),
        (swap_two, "000002.json: does not follow the entry before it"),
        (tear_last, "000003.json: is damaged"),
        (forge_second, "000002.json: does not follow the entry before it"),
        (add_stray, ".DS_Store: is no ledger entry"),
    ],
)
def test_harmed_ledger_is_refused_and_the_entry_named(
    harm: Callable[[Path], None], said: str, folder_store: Store, tmp_path: Path
) -> None:
    published = publish_files(folder_store, "models/m/v1")
    for action in ("approve", "release", "reject"):
        decide(folder_store, published, action)
    assert [each.action for each in read_ledger(folder_store, "m")] == [
        "approve",
        "release",
        "reject",
    ]
    harm(tmp_path / "root" / "models" / "m" / "ledger")
    with pytest.raises(StoreError, match=said):
        find_champion(folder_store, "m")


def test_decision_made_on_an_older_ledger_is_refused(folder_store: Store) -> None:
    published = publish_files(folder_store, "models/m/v1")
    decide(folder_store, published, "approve", after=0)
    with pytest.raises(Overtaken, match=r"Ada was first, with approve of v1 \(entry 1") as told:
        decide(folder_store, published, "release", after=0)
    assert told.value.exit_code == 1
    decide(folder_store, published, "release", after=1)
    assert len(read_ledger(folder_store, "m")) == 2


def test_versions_are_ordered_by_what_they_know_and_then_by_publication(
    folder_store: Store,
) -> None:
    later, sooner = datetime(2013, 10, 1, tzinfo=UTC), datetime(2013, 9, 1, tzinfo=UTC)
    names = [name_version(later, "b"), name_version(sooner, "a"), name_version(later, "a")]
    for name in names:
        publish_files(folder_store, version_path("m", name))
    assert list(list_versions(folder_store, "m")) == [names[1], names[0], names[2]]
    timeless = [name_version(None, each) for each in "abcdef"]
    for name in timeless:
        publish_files(folder_store, version_path("n", name))
    assert list(list_versions(folder_store, "n")) == timeless


def test_version_is_found_by_the_letters_it_begins_with(store: Store) -> None:
    for name in ("20131001T000000Z-aa", "20131001T000000Z-ab", "20131001T000000Z-abc"):
        publish_files(store, version_path("m", name))
    assert get_version(store, "m", "20131001T000000Z-aa").version.endswith("aa")
    assert get_version(store, "m", "20131001T000000Z-ab").version.endswith("ab")
    for word, said in (
        ("2013", "is ambiguous"),
        ("2014", "does not exist"),
        ("", "does not exist"),
    ):
        with pytest.raises(DefinitionError, match=f"version '{word}' {said}"):
            get_version(store, "m", word)


def test_what_a_killed_upload_left_is_no_model_and_no_version(store: Store) -> None:
    store.create("models/half/v1/0badf00d/model.txt", b"half")
    publish_files(store, "models/m/v1")
    append_entry(store, "old", action="reject", version="v", manifest="", approver="A", reason="")
    assert list_models(store) == ["m", "old"]
    assert list_versions(store, "half") == {}


def test_damaged_manifest_is_named(folder_store: Store, tmp_path: Path) -> None:
    publish_files(folder_store, "models/m/v1")
    manifest = tmp_path / "root" / "models" / "m" / "v1" / "MANIFEST.json"
    manifest.write_text(manifest.read_text()[:50])
    with pytest.raises(StoreError, match=f"{manifest}: is damaged"):
        find(folder_store, "models/m/v1")


def test_manifest_lists_one_deeper_down_as_a_file(store: Store) -> None:
    published = publish_files(store, "models/m/v1", {"bento/MANIFEST.json": "{}"})
    assert read_file(store, published, "bento/MANIFEST.json") == b"{}"


def test_folder_that_another_run_publishes_meanwhile_is_found(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, look, folder = version_path("m", "v9"), versions.find, tmp_path / "theirs"
    folder.mkdir()
    (folder / "model.txt").write_text("trees")
    theirs: list[Published] = []

    def look_too_early(store: Store, path: str) -> Published | None:
        """Tell what was there before the other run published its own."""
        found = look(store, path)
        if not theirs:
            theirs.append(publish(store, folder, path))
        return found

    monkeypatch.setattr(versions, "find", look_too_early)
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "model.txt").write_text("other trees")
    assert publish_once(store, ours, path) == theirs[0]
