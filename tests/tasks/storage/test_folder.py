"""A folder as a store: whose it is, a full disk, and what killed runs leave."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from faults import small_disk

from tasks.core.errors import StorageFull, StoreError
from tasks.storage.store import open_store, reaching, work_folder

HOLD = """
import sys
from tasks.storage.store import open_store, work_folder
with work_folder(open_store(sys.argv[1])) as folder:
    (folder / "half.parquet").write_text("half")
    print(folder, flush=True)
    sys.stdin.read()
"""


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


def test_unwritable_root_is_refused_before_any_work(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(StoreError, match=f"{disk}.*Read-only file system"):
        work_folder(open_store(str(disk / "root"))).__enter__()


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


def test_a_root_is_its_owner_s_unless_it_was_made_otherwise(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o750)
    for name, mode in (("new", 0o700), ("shared", 0o750)):
        open_store(str(tmp_path / name)).create("a/b", b"1")
        assert (tmp_path / name).stat().st_mode & 0o777 == mode


def test_folder_that_cannot_be_published_raises_what_stood_in_the_way(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "root"))
    (tmp_path / "made").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "v1").write_text("a file where a folder is to be")
    with pytest.raises(NotADirectoryError):
        store.publish(tmp_path / "made", "v1", "", "last")


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


def test_what_another_process_reads_is_not_retired(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "root"))
    store.create("made/file", b"rows")
    reading = (
        "import sys; from pathlib import Path; from tasks.storage.store import open_store;"
        "open_store(sys.argv[1]).fetch('made', Path('.')); print('reads', flush=True); input()"
    )
    words = [sys.executable, "-c", reading, store.root]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"reads\n"
        assert not store.retire("made")
        assert store.read("made/file") == b"rows"
        other.communicate(b"\n", timeout=30)
    store.fetch("made", tmp_path)  # what this process has read, it may retire
    assert store.size("made") == 4
    assert store.retire("made")
    assert store.retire("made")
    assert (store.size("made"), store.children("")) == (0, ["tmp"])
