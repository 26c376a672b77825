"""A real S3 server, one that stumbles included."""

import os
import socket
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest
from faults import FaultyS3

from tasks.core.errors import PerennialError, SourceError, StoreError
from tasks.sources.file_contents import digest_content, list_files
from tasks.storage import s3 as bucket_module
from tasks.storage.store import open_store, reaching


@pytest.fixture
def faulty(bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    with FaultyS3(s3_server) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        yield server


def test_folder_marker_of_a_console_is_no_child(bucket: str) -> None:
    store = bucket_module.BucketStore(bucket)
    store.files.pipe_file(f"{bucket}/models/", b"")
    store.create("models/m/x", b"")
    assert store.children("models") == ["m"]


@pytest.mark.parametrize("kind", [StoreError, SourceError])
def test_server_that_is_not_there_is_told_within_seconds(
    kind: type[PerennialError], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(kind, match=f"{bucket}.*cannot be reached: Could not connect"):
            open_store(bucket) if kind is StoreError else list_files(f"{bucket}/*.parquet")


def test_server_that_never_answers_is_given_up(
    bucket: str, faulty: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bucket_module._HASTY, "read_timeout", 1)
    faulty.fault = lambda method, path: "hang"
    with pytest.raises(StoreError, match="cannot be reached: Read timeout"):
        open_store(bucket)
    assert len(faulty.requests) == 2


def test_refused_credentials_are_told(bucket: str, faulty: FaultyS3) -> None:
    faulty.fault = lambda method, path: 403
    store = open_store(bucket)
    with (
        pytest.raises(StoreError, match=r"access is denied.*check the S3 credentials"),
        reaching(bucket),
    ):
        store.children("models")


def test_missing_credentials_are_told(
    bucket: str, faulty: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StoreError, match="no S3 credentials; set AWS_ACCESS_KEY_ID"):
        open_store(bucket)


def test_source_that_is_missing_is_told(bucket: str) -> None:
    assert list_files(f"{bucket}/none/*.csv") == {}
    with pytest.raises(SourceError, match=f"{bucket}/none.csv"):
        digest_content(f"{bucket}/none.csv", (), "s")


def test_bucket_that_fails_every_second_call_is_tried_again(
    bucket: str, faulty: FaultyS3, tmp_path: Path
) -> None:
    answers = cycle((500, None, 503, None))
    faulty.fault = lambda method, path: next(answers)
    store = open_store(f"{bucket}/root")
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "one").write_text("1")
    (folder / "last").write_text("all")
    store.publish(folder, "made", "mine", "last")
    assert store.read("made/last") == b"all"
    assert (store.fetch("made/mine", tmp_path / "copy") / "one").read_text() == "1"


def test_writer_knows_its_own_file_when_the_answer_is_lost(bucket: str, faulty: FaultyS3) -> None:
    store = open_store(bucket)
    lost: list[str] = []

    def lose_first_put(method: str, path: str) -> str | None:
        return "lose" if method == "PUT" and not lost and not lost.append(path) else None

    faulty.fault = lose_first_put
    store.create("entry", b"mine")
    with pytest.raises(FileExistsError):
        store.create("entry", b"mine")
    assert store.read("entry") == b"mine"
    assert lost


def test_writer_waits_while_the_server_decides_between_two(bucket: str, faulty: FaultyS3) -> None:
    store = open_store(bucket)
    puts: list[str] = []

    def two_conflicts(method: str, path: str) -> int | None:
        puts.extend([path] if method == "PUT" else [])
        return 409 if method == "PUT" and len(puts) <= 2 else None

    faulty.fault = two_conflicts
    store.create("entry", b"mine")
    assert len(puts) == 3


def test_answer_that_breaks_off_is_read_again(
    bucket: str, faulty: FaultyS3, tmp_path: Path
) -> None:
    store = open_store(bucket)
    store.create("folder/large", b"0123456789" * 1000)
    cut: list[str] = []

    def cut_once(method: str, path: str) -> str | None:
        is_read = method == "GET" and path.endswith("large")
        return "cut" if is_read and path not in cut and not cut.append(path) else None

    faulty.fault = cut_once
    assert len(store.read("folder/large")) == 10_000
    cut.clear()
    assert (store.fetch("folder", tmp_path / "copy") / "large").stat().st_size == 10_000


@pytest.mark.parametrize("deaf", [403, 409])
def test_bucket_that_will_not_write_is_told(
    bucket: str, faulty: FaultyS3, monkeypatch: pytest.MonkeyPatch, deaf: int
) -> None:
    monkeypatch.setattr(bucket_module, "_CONFLICT_WAITS", (0.0, 0.0))
    store = open_store(f"{bucket}/root")
    faulty.fault = lambda method, path: deaf if method == "PUT" else None
    with pytest.raises(StoreError, match=bucket), reaching(store.root):
        store.create("file", b"")


def test_bucket_that_denies_one_of_many_files_is_told(bucket: str, faulty: FaultyS3) -> None:
    store = open_store(f"{bucket}/root")
    for name in ("one", "two"):
        store.create(name, b"")
    faulty.fault = lambda method, path: 403 if path.endswith("two") else None
    with pytest.raises(StoreError, match=bucket), reaching(store.root):
        store.read_many(["one", "two"])


def test_work_folder_of_another_user_is_refused(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(bucket)
    monkeypatch.setattr(bucket_module.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = tmp_path / f"perennial-{os.getuid()}"
    folder.mkdir()
    try:
        os.chown(folder, 54321, -1)
    except PermissionError:
        pytest.skip("only root may give a folder away")
    with pytest.raises(StoreError, match=f"{folder}: belongs to another user; set TMPDIR"):
        store.workspace()
