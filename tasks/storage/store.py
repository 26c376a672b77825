"""Where bytes are kept: a folder or an S3 bucket, behind the same few verbs.

Owns exclusive creation, publishing whole folders at once, and the work folders of runs. Refuses
to know what the bytes mean: versions, decisions and snapshots are the registry's.
"""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from tasks.core.errors import (
    DefinitionError,
    PerennialError,
    StorageFull,
    StoreError,
    first_line,
)
from tasks.core.names import check_plain
from tasks.storage.s3 import BucketStore, endpoint, explain, open_bucket

_PRIVATE = frozenset(("predictions", "monitoring"))


class Store(Protocol):
    """Named bytes under one root. A path is relative to it, with forward slashes."""

    root: str

    def read(self, path: str) -> bytes: ...

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Read many small files at once; what does not exist is left out."""

    def create(self, path: str, data: bytes) -> None:
        """Write all of a new file or nothing; FileExistsError if it is there already."""

    def replace(self, path: str, data: bytes) -> None:
        """Write a file whole, over one that may be there: who writes last has the say."""

    def children(self, path: str) -> list[str]: ...

    def remove(self, path: str) -> None:
        """Delete a folder and all that is in it; only what no version needs may go."""

    def new_attempt(self) -> str:
        """Name the subfolder that the files of one publication go to; empty for none."""

    def publish(self, folder: Path, path: str, attempt: str, last: str) -> None:
        """Make a folder appear, the file `last` last; FileExistsError if one is there already."""

    def fetch(self, path: str, target: Path) -> Path:
        """Give a local folder that holds these files: a copy in `target`, or the very place."""

    def workspace(self) -> Path:
        """Name an existing local folder in which runs may keep what is not finished."""

    def probe(self) -> datetime:
        """Write a small file and remove it again; give the time that the root's clock noted."""


class FolderStore:
    """A folder on a file system that knows hard links, atomic renames and locks.

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
            if not Path(os.path.realpath(target)).is_relative_to(os.path.realpath(self.root)):
                raise StoreError(f"{target}: is a link out of {self.root}; put the files there")
        return target

    def read(self, path: str) -> bytes:
        return self._at(path).read_bytes()

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        found = {}
        for path in paths:
            with suppress(FileNotFoundError):
                found[path] = self.read(path)
        return found

    def create(self, path: str, data: bytes) -> None:
        target = self._at(path)
        with _claimed_folder(self.workspace()) as folder:
            draft = folder / "draft"
            draft.touch(0o600)
            draft.write_bytes(data)
            _make_folder(target.parent)
            draft.chmod(target.parent.stat().st_mode & 0o666)
            _sync(draft)
            os.link(draft, target)  # unlike a rename, fails when the name is taken
        _sync(target.parent)

    def replace(self, path: str, data: bytes) -> None:
        target = self._at(path)
        with _claimed_folder(self.workspace()) as folder:
            draft = folder / "draft"
            draft.write_bytes(data)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(draft, target)

    def children(self, path: str) -> list[str]:
        folder = self._at(path)
        return sorted(child.name for child in folder.iterdir()) if folder.is_dir() else []

    def remove(self, path: str) -> None:
        with suppress(FileNotFoundError):  # another run removes it, too
            shutil.rmtree(self._at(path))

    def new_attempt(self) -> str:
        return ""

    def publish(self, folder: Path, path: str, attempt: str, last: str) -> None:
        target = self._at(path)
        _make_folder(target.parent)
        for each in [*folder.rglob("*"), folder]:
            _sync(each)
        try:
            os.rename(folder, target)  # atomic: readers see all of it or nothing
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise FileExistsError(path) from error
            raise
        _sync(target.parent)

    def fetch(self, path: str, target: Path) -> Path:
        folder = self._at(path)
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


def open_store(root: str | None = None) -> Store:
    """Open the root: PERENNIAL_ROOT unless one is named, the environment's folder unless either is.

    PERENNIAL_ENV=staging gives `.perennial-staging/`; without it the folder is `.perennial/`.
    """
    root = root or _given_root() or environment_folder()
    if "://" in root and not is_bucket(root):
        raise StoreError(f"{root}: PERENNIAL_ROOT is a folder or s3://bucket/prefix")
    with reaching(root):
        return BucketStore(root) if is_bucket(root) else FolderStore(root)


def environment_folder() -> str:
    """Name the local folder of what goes by PERENNIAL_ENV; environments share nothing."""
    name = os.environ.get("PERENNIAL_ENV", "")
    if not re.fullmatch(r"[a-z0-9-]{0,32}", name):
        raise DefinitionError(f"PERENNIAL_ENV={name}: must be small letters, digits and hyphens")
    return f".perennial-{name}" if name else ".perennial"


def _given_root() -> str:
    """Take PERENNIAL_ROOT; DefinitionError where its path is not that of PERENNIAL_ENV.

    A whole part of the path has to say so: `nonprod`, or `non-prod`, is no root of `prod`.
    """
    given, folder = os.environ.get("PERENNIAL_ROOT", ""), environment_folder()
    name = folder.removeprefix(".perennial").removeprefix("-")
    known = {name, folder, folder.removeprefix(".")}
    if given and name and known.isdisjoint(given.split("/")):
        raise DefinitionError(
            f"PERENNIAL_ROOT={given} is no root of the environment {name!r}: no part of it is "
            f"{name!r} or {folder.removeprefix('.')!r}; give each environment a root of its own, "
            "or leave PERENNIAL_ROOT out"
        )
    return given


@contextmanager
def work_folder(store: Store) -> Iterator[Path]:
    """Lend a folder that is gone afterwards; clear away those that killed runs left behind."""
    with reaching(store.root):
        parent = store.workspace()
    with lend_folder(parent) as folder:
        yield folder


@contextmanager
def lend_folder(parent: Path) -> Iterator[Path]:
    """Lend a folder in a local one, as `work_folder` does in the root's own."""
    with reaching(str(parent)):
        parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(parent)
    with _claimed_folder(parent) as folder:
        yield folder


@contextmanager
def _claimed_folder(parent: Path) -> Iterator[Path]:
    """Make a folder that counts as a live run's for as long as this process lives."""
    with reaching(str(parent)), _starting(parent):
        handle, name = tempfile.mkstemp(prefix="run-", suffix=".lock", dir=parent)
        fcntl.flock(handle, fcntl.LOCK_EX)
    lock = Path(name)
    folder = lock.with_suffix("")
    try:
        with reaching(str(parent)):
            folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            lock.unlink(missing_ok=True)
        os.close(handle)


def _clear_leftovers(parent: Path) -> None:
    with _starting(parent):
        for lock in parent.glob("run-*.lock"):
            with suppress(OSError), lock.open("r+") as handle:  # a live run holds its own
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if lock.with_suffix("").exists():
                    shutil.rmtree(lock.with_suffix(""))
                lock.unlink()


@contextmanager
def _starting(parent: Path) -> Iterator[None]:
    """Let one process at a time claim or clear folders: none is cleared before it is locked."""
    with (parent / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def is_bucket(uri: str) -> bool:
    return uri.startswith("s3://")


def digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scan_options(uri: str) -> dict[str, str | int] | None:
    """Give what Polars needs to read this address itself; credentials stay in the environment."""
    if not is_bucket(uri):
        return None
    options: dict[str, str | int] = {"max_retries": 8, "retry_timeout_ms": 60_000}
    address = endpoint()
    if address:
        insecure = str(address.startswith("http://")).lower()
        options |= {"aws_endpoint_url": address, "aws_allow_http": insecure}
    return options


@contextmanager
def reaching(where: str, kind: type[PerennialError] = StoreError) -> Iterator[None]:
    """Turn what a disk or bucket throws into one line that says where and what to do."""
    try:
        yield
    except (FileExistsError, PerennialError):
        raise
    except Exception as error:
        full = is_disk_full(error)
        if is_bucket(where):  # a local file on the way to it is named itself
            where = getattr(error, "filename", None) or (tempfile.gettempdir() if full else where)
        if full:
            raise StorageFull(f"{where}: the disk is full; free some room and run again") from error
        said = explain(error) if is_bucket(where) else _explain(error)
        if said is None:
            raise
        raise kind(f"{where}: {said}") from error


def _explain(error: Exception) -> str | None:
    if not isinstance(error, OSError):
        return None
    said = error.strerror or first_line(error)
    denied = isinstance(error, PermissionError)
    return f"access is denied ({said}); check who may write there" if denied else said


def is_disk_full(error: BaseException) -> bool:
    """Tell a full disk, which Polars reports in words only."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or (
        "No space left on device" in str(error)
    )


def deliver(file: Path, uri: str) -> None:
    """Put a finished file where it was asked for, whole or not at all."""
    if is_bucket(uri):
        with reaching(uri):
            open_bucket(uri).put_file(str(file), uri)
        return
    target = Path(uri)
    with reaching(uri):
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            shutil.move(file, beside)
            _sync(beside)
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Make what is missing of a path; what people asked is for its owner, unless one opened it.

    A folder that is there keeps its mode, and what is made in it is no more open than it is.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700 if each.name in _PRIVATE else 0o777, exist_ok=True)
        each.chmod(each.stat().st_mode & each.parent.stat().st_mode)
        _sync(each.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
