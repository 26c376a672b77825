"""Bytes on a folder and on a real S3 server, one that stumbles included."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import pytest
from faults import FaultyS3, small_disk

from tasks.core.errors import PerennialError, SourceError, StorageFull, StoreError
from tasks.sources.file_contents import digest_content, list_files
from tasks.storage import s3 as bucket_module
from tasks.storage.store import (
    Store,
    deliver,
    open_store,
    reaching,
    scan_options,
    work_folder,
)

HOLD = """
import sys
from tasks.storage.store import open_store, work_folder
with work_folder(open_store(sys.argv[1])) as folder:
    (folder / "half.parquet").write_text("half")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return open_store(str(tmp_path / "root"))
    return open_store(request.getfixturevalue("bucket") + "/root")


@pytest.fixture
def faulty(bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    with FaultyS3(s3_server) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        yield server


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "512k") as disk:
        yield disk


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process that holds a work folder under `root` until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "root")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


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


def test_folder_marker_of_a_console_is_no_child(bucket: str) -> None:
    store = bucket_module.BucketStore(bucket)
    store.files.pipe_file(f"{bucket}/models/", b"")
    store.create("models/m/x", b"")
    assert store.children("models") == ["m"]


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


def test_unwritable_root_is_refused_before_any_work(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(StoreError, match=f"{disk}.*Read-only file system"):
        work_folder(open_store(str(disk / "root"))).__enter__()


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


def test_killed_run_leaves_nothing_to_the_next_one(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    left = Path(holder.stdout.readline().strip())
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (left / "half.parquet").exists()
    with work_folder(open_store(str(tmp_path / "root"))) as folder:
        assert not left.exists()
        assert {each.name for each in folder.parent.iterdir()} == {
            *("lock", folder.name, f"{folder.name}.lock")
        }
    assert [each.name for each in folder.parent.iterdir()] == ["lock"]


def test_live_run_keeps_its_folder_when_another_starts(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    held = Path(holder.stdout.readline().strip())
    with (
        work_folder(open_store(str(tmp_path / "root"))) as mine,
        work_folder(open_store(str(tmp_path / "root"))) as also_mine,
    ):
        assert len({held, mine, also_mine}) == 3
        assert (held / "half.parquet").exists()
        assert mine.is_dir()


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


def test_full_disk_leaves_no_half_file_and_room_mends_it(disk: Path) -> None:
    store = open_store(str(disk / "root"))
    (disk / "ballast").write_bytes(b"0" * 400_000)
    with (
        pytest.raises(StorageFull, match=r"the disk is full; free some room and run again"),
        reaching(store.root),
    ):
        store.create("models/large", b"1" * 200_000)
    assert store.children("models") == []
    assert [each.name for each in (disk / "root" / "tmp").iterdir()] == ["lock"]
    (disk / "ballast").unlink()
    store.create("models/large", b"1" * 200_000)
    assert len(store.read("models/large")) == 200_000


def test_file_is_replaced_and_a_folder_removed(store: Store) -> None:
    for text in (b"one", b"two"):
        store.replace("made/file", text)
        assert store.read("made/file") == text
    store.create("made/deeper/file", b"")
    store.remove("made")
    assert store.children("made") == []


def test_a_root_is_its_owner_s_unless_it_was_made_otherwise(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o750)
    for name, mode in (("new", 0o700), ("shared", 0o750)):
        open_store(str(tmp_path / name)).create("a/b", b"1")
        assert (tmp_path / name).stat().st_mode & 0o777 == mode


def test_probe_tells_the_time_of_the_root_and_leaves_nothing(store: Store) -> None:
    assert abs((datetime.now(UTC) - store.probe()).total_seconds()) < 60
    assert [name for name in store.children("") if name != "tmp"] == []


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


def test_folder_that_cannot_be_published_raises_what_stood_in_the_way(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "root"))
    (tmp_path / "made").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "v1").write_text("a file where a folder is to be")
    with pytest.raises(NotADirectoryError):
        store.publish(tmp_path / "made", "v1", "", "last")


def test_mistake_in_our_own_code_is_not_taken_for_the_disks(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), reaching(str(tmp_path)):
        _ = 1 // 0


def test_folder_that_cannot_be_removed_now_is_removed_by_the_next_run(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "root"))
    with ExitStack() as later:
        with work_folder(store) as folder:
            later.enter_context(small_disk(folder / "busy", "64k"))
        assert folder.exists()
    with work_folder(store):
        assert not folder.exists()


def modes(folder: Path) -> dict[str, str]:
    found = sorted(folder.rglob("*"))
    return {
        each.relative_to(folder).as_posix(): f"{each.stat().st_mode & 0o777:o}" for each in found
    }


def test_what_people_asked_is_for_the_owner_only_unless_the_folder_was_opened(
    tmp_path: Path,
) -> None:
    umask = os.umask(0o022)
    try:
        (tmp_path / "root").mkdir()
        store = open_store(str(tmp_path / "root"))
        store.create("predictions/m/date=1/part", b"asked")
        store.create("models/m/one", b"anyone's")
        (tmp_path / "root/predictions/m").chmod(0o750)
        (tmp_path / "root/predictions").chmod(0o750)
        store.create("predictions/m/date=2/part", b"asked")
    finally:
        os.umask(umask)
    assert modes(tmp_path / "root/predictions") == {
        "m": "750", "m/date=1": "700", "m/date=1/part": "600",
        "m/date=2": "750", "m/date=2/part": "640",
    }  # fmt: skip
    assert modes(tmp_path / "root/models") == {"m": "755", "m/one": "644"}
