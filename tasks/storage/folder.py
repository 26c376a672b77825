"""A local folder as a place for bytes, with exclusive creation and atomic publishing.

Responsible for hard links, locks and flushing to disk, and for the work folders of runs. Not
responsible for S3 (`s3`) or for opening the root (`store`).
"""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from tasks.core.errors import StoreError
from tasks.core.names import check_plain

_PRIVATE = frozenset(("predictions", "monitoring"))
_leased: dict[Path, int] = {}  # open handles, whose locks end with this process


class FolderStore:
    """A `Store` in a folder on a file system that knows hard links, atomic renames and locks.

    What is reported done survives a power cut: bytes are flushed before their name appears, and
    the name before the call returns.
    """

    def __init__(self, root: str) -> None:
        self.root = str(Path(root).expanduser().absolute())
        there = next(each for each in (self._at(""), *self._at("").parents) if each.exists())
        if not there.is_dir():
            raise StoreError(
                f"{there}: is a file; PERENNIAL_ROOT is a folder or s3://bucket/prefix"
            )

    def _at(self, path: str) -> Path:
        """Give the place of a path; StoreError where that is not below the root, by links too."""
        target = Path(self.root, path)
        if path:
            check_plain(path, self.root)
            self._refuse_link_out(target)
        return target

    def _refuse_link_out(self, target: Path) -> None:
        if not Path(os.path.realpath(target)).is_relative_to(os.path.realpath(self.root)):
            raise StoreError(f"{target}: is a link out of {self.root}; put the files there")

    def read(self, path: str) -> bytes:
        return self._at(path).read_bytes()

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Read what is there of many files, whose folders are followed once."""
        found, followed = {}, set[Path]()
        for path in paths:
            check_plain(path, self.root)
            target = Path(self.root, path)
            if target.is_symlink():
                self._refuse_link_out(target)
            elif target.parent not in followed:
                self._refuse_link_out(target.parent)
                followed.add(target.parent)
            with suppress(FileNotFoundError):
                found[path] = target.read_bytes()
        return found

    def create(self, path: str, data: bytes) -> None:
        target = self._at(path)
        with claim_folder(self.workspace()) as folder:
            draft = folder / "draft"
            draft.touch(0o600)
            draft.write_bytes(data)
            _make_folder(target.parent)
            draft.chmod(target.parent.stat().st_mode & 0o666)
            flush(draft)
            os.link(draft, target)  # unlike a rename, fails when the name is taken
        flush(target.parent)

    def replace(self, path: str, data: bytes) -> None:
        target = self._at(path)
        with claim_folder(self.workspace()) as folder:
            draft = folder / "draft"
            draft.write_bytes(data)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(draft, target)

    def children(self, path: str) -> list[str]:
        folder = self._at(path)
        return sorted(child.name for child in folder.iterdir()) if folder.is_dir() else []

    def remove(self, path: str) -> None:
        target = self._at(path)
        with claim_folder(self.workspace()) as folder, suppress(FileNotFoundError):
            os.rename(target, folder / "removed")  # atomic; another run may have been first
            flush(target.parent)

    def retire(self, path: str) -> bool:
        target = self._at(path)
        with suppress(FileNotFoundError):
            handle = _lease(target)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self.remove(path)
            os.close(_leased.pop(target))
        return True

    def size(self, path: str) -> int:
        target = self._at(path)
        files = [target] if target.is_file() else target.rglob("*")
        total = 0
        for file in files:
            with suppress(FileNotFoundError):  # others write and remove meanwhile
                total += file.lstat().st_size if file.is_file() else 0
        return total

    def new_attempt(self) -> str:
        return ""

    def publish(self, folder: Path, path: str, attempt: str, last: str) -> None:
        target = self._at(path)
        _make_folder(target.parent)
        for each in [*folder.rglob("*"), folder]:
            flush(each)
        try:
            os.rename(folder, target)  # atomic: readers see all of it or nothing
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise FileExistsError(path) from error
            raise
        flush(target.parent)

    def fetch(self, path: str, target: Path) -> Path:
        folder = self._at(path)
        _lease(folder)
        for each in folder.rglob("*"):
            self._at(f"{path}/{each.relative_to(folder).as_posix()}")
        return folder

    def workspace(self) -> Path:
        # What is in a root is for its owner, unless whoever made the folder decided otherwise.
        Path(self.root).mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = self._at("tmp")
        folder.mkdir(exist_ok=True)
        return folder

    def probe(self) -> datetime:
        with tempfile.NamedTemporaryFile(dir=self.workspace()) as file:
            file.write(b"?")
            file.flush()
            return datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)


def _lease(target: Path) -> int:
    """Keep other processes from retiring what this one reads in place, for as long as it lives."""
    handle = _leased.get(target)
    if handle is None or not os.path.samestat(os.fstat(handle), target.stat()):
        handle = _leased[target] = os.open(target, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    if not target.exists():  # it was retired before the lock was ours
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target))
    return handle


@contextmanager
def claim_folder(parent: Path) -> Iterator[Path]:
    """Make a folder that no other run clears away while this process lives: it holds its lock."""
    with _locked(parent):
        handle, name = tempfile.mkstemp(prefix="run-", suffix=".lock", dir=parent)
        fcntl.flock(handle, fcntl.LOCK_EX)
    lock = Path(name)
    folder = lock.with_suffix("")
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            lock.unlink(missing_ok=True)
        os.close(handle)


def clear_leftovers(parent: Path) -> None:
    """Remove the folders of runs that were killed: those whose lock nobody holds."""
    with _locked(parent):
        for lock in parent.glob("run-*.lock"):
            with suppress(OSError), lock.open("r+") as handle:  # a live run holds its own
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if lock.with_suffix("").exists():
                    shutil.rmtree(lock.with_suffix(""))
                lock.unlink()


@contextmanager
def _locked(parent: Path) -> Iterator[None]:
    """Let one process at a time claim or clear folders: none is cleared before it is locked."""
    with (parent / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make_folder(folder: Path) -> None:
    """Make the missing folders of a path; logs of requests are for their owner alone.

    A folder that is there keeps its mode, and a new one inside is never more open than it.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700 if each.name in _PRIVATE else 0o777, exist_ok=True)
        each.chmod(each.stat().st_mode & each.parent.stat().st_mode)
        flush(each.parent)


def flush(path: Path) -> None:
    """Write a file or folder entry through to the disk (fsync)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
