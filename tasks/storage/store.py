"""The root where Perennial keeps its bytes: a folder or an S3 bucket, behind the same methods.

Responsible for the protocol that both implement, for opening the root that the environment names,
and for one-line messages where storage fails. Not responsible for what the bytes mean: versions,
decisions and snapshots are the registry's.
"""

import errno
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from tasks.core.errors import DefinitionError, PerennialError, StorageFull, StoreError, first_line
from tasks.storage.folder import FolderStore, claim_folder, clear_leftovers, flush
from tasks.storage.s3 import BucketStore, endpoint, explain, open_bucket


class Store(Protocol):
    """Named bytes under one root. A path is relative to it, with forward slashes."""

    root: str

    def read(self, path: str) -> bytes: ...

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Read many small files at once; what does not exist is left out."""

    def create(self, path: str, data: bytes) -> None:
        """Write all of a new file or nothing; FileExistsError if it is there already."""

    def replace(self, path: str, data: bytes) -> None:
        """Write a file whole, over one that may be there: the last writer wins."""

    def children(self, path: str) -> list[str]: ...

    def remove(self, path: str) -> None:
        """Delete a folder and all that is in it, at once; only what no version needs may go."""

    def retire(self, path: str) -> bool:
        """Delete a folder as `remove` does, unless a process of this machine reads it in place."""

    def size(self, path: str) -> int:
        """Count the bytes of a file, or of all files in a folder; 0 where there is none."""

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


def open_store(root: str | None = None) -> Store:
    """Open `root`, or else PERENNIAL_ROOT, or else the environment's own folder.

    PERENNIAL_ENV=staging gives `.perennial-staging/`; without it the folder is `.perennial/`.
    Raises StoreError for an address that is neither a folder nor s3://, or cannot be reached.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = open_store(folder)
    ...     store.create("notes/first", b"one")
    ...     store.children("notes"), store.read("notes/first")
    (['first'], b'one')
    """
    root = root or _given_root() or environment_folder()
    if "://" in root and not is_bucket(root):
        raise StoreError(f"{root}: PERENNIAL_ROOT is a folder or s3://bucket/prefix")
    with reaching(root):
        return BucketStore(root) if is_bucket(root) else FolderStore(root)


def environment_folder() -> str:
    """Name the folder of the environment in PERENNIAL_ENV; environments share nothing.

    Raises DefinitionError where the environment's name cannot be part of a folder's name.
    """
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
    """Give a temporary folder for one run, and remove those that killed runs left behind.

    It is gone when the `with` block ends. Raises StoreError where none can be made.
    """
    with reaching(store.root):
        parent = store.workspace()
    with lend_folder(parent) as folder:
        yield folder


@contextmanager
def lend_folder(parent: Path) -> Iterator[Path]:
    """Give a temporary folder inside `parent`, as `work_folder` does inside the root."""
    with ExitStack() as claimed:
        with reaching(str(parent)):
            parent.mkdir(parents=True, exist_ok=True)
            clear_leftovers(parent)
            folder = claimed.enter_context(claim_folder(parent))
        yield folder


def is_bucket(uri: str) -> bool:
    return uri.startswith("s3://")


def digest_file(path: Path) -> str:
    """Give the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scan_options(uri: str) -> dict[str, str | int] | None:
    """Give Polars' `storage_options` for an address; None for a local one.

    Credentials stay in the environment, where Polars finds them.
    """
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
    """Turn an error of a disk or bucket into one line that says where it was and what to do.

    Raises StorageFull for a full disk, else `kind`. Errors that are no storage's pass unchanged.
    """
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
    """Recognise a full disk, which Polars reports in words only."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or (
        "No space left on device" in str(error)
    )


def deliver(file: Path, uri: str) -> None:
    """Move a finished file to a path or s3:// address, whole or not at all."""
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
            flush(beside)
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
