"""Bytes on a folder and on a real S3 server, one that stumbles included."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.core.errors import StoreError
from tasks.sources.file_contents import list_files
from tasks.storage.store import Store, deliver, open_store, reaching, scan_options, work_folder


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return open_store(str(tmp_path / "root"))
    return open_store(request.getfixturevalue("bucket") + "/root")


def test_created_file_is_read_back_and_never_overwritten(store: Store) -> None:
    store.create("a/b.json", b"first")
    with pytest.raises(FileExistsError):
        store.create("a/b.json", b"second")
    with pytest.raises(FileExistsError):
        store.create("a/b.json", b"first")
    assert store.read("a/b.json") == b"first"
    assert store.children("a") == ["b.json"]


def test_many_files_are_read_at_once_and_missing_ones_left_out(store: Store) -> None:
    names = [f"a/{number}" for number in range(30)]
    for name in names:
        store.create(name, name.encode())
    found = store.read_many(["a/none", *reversed(names)])
    assert list(found.items()) == [(name, name.encode()) for name in reversed(names)]
    assert store.read_many([]) == {}


def test_what_does_not_exist_has_no_children(store: Store) -> None:
    assert store.children("nothing/here") == []


@pytest.mark.parametrize(
    ("root", "said"),
    [
        ("s3://", "names no bucket; write s3://bucket/prefix"),
        ("s3:///prefix", "names no bucket"),
        ("gs://bucket/prefix", "PERENNIAL_ROOT is a folder or s3://bucket/prefix"),
        ("file", "is a file"),
        ("file/below", "is a file"),
        ("s3://no-such-bucket/prefix", "there is no bucket 'no-such-bucket'"),
        ("s3://No Bucket/prefix", "Invalid bucket name"),
    ],
)
def test_root_that_cannot_be_is_refused_in_one_line(
    root: str, said: str, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=said) as refused:
        open_store(root)
    assert "\n" not in str(refused.value)


def test_runs_on_a_bucket_clear_nobody_elses_folders(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "perennial-checkout").mkdir()
    (tmp_path / "run-of-mine").mkdir()
    with work_folder(open_store(bucket)) as folder:
        assert folder.parent == tmp_path / f"perennial-{os.getuid()}"
        assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "perennial-checkout").is_dir()
    assert (tmp_path / "run-of-mine").is_dir()


def test_file_is_replaced_and_a_folder_removed(store: Store) -> None:
    for text in (b"one", b"two"):
        store.replace("made/file", text)
        assert store.read("made/file") == text
    store.create("made/deeper/file", b"")
    store.remove("made")
    assert store.children("made") == []


def test_several_may_remove_one_folder_at_once(store: Store) -> None:
    for number in range(40):
        store.create(f"made/hour={number % 5}/{number}", b"")
    with ThreadPoolExecutor(4) as together:
        for removed in [together.submit(store.remove, "made") for _ in range(8)]:
            removed.result()
    assert store.children("made") == []
    store.remove("made")  # there is nothing to remove any more


def test_probe_tells_the_time_of_the_root_and_leaves_nothing(store: Store) -> None:
    assert abs((datetime.now(UTC) - store.probe()).total_seconds()) < 60
    assert [name for name in store.children("") if name != "tmp"] == []


def test_result_is_delivered_whole_to_a_path_or_a_bucket(bucket: str, tmp_path: Path) -> None:
    for target in (str(tmp_path / "new" / "result.csv"), f"{bucket}/result.csv"):
        (tmp_path / "made").write_text("rows")
        deliver(tmp_path / "made", target)
        assert list(list_files(target)) == [target]
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["result.csv"]


def test_amazons_own_address_needs_no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    options = scan_options("s3://b/file")
    assert options is not None
    assert "aws_endpoint_url" not in options
    assert scan_options("file") is None


def test_mistake_in_our_own_code_is_not_taken_for_the_disks(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), reaching(str(tmp_path)):
        _ = 1 // 0
