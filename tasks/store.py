"""Where bytes are kept: a folder or an S3 bucket, behind the same few verbs.

Owns s3fs, exclusive creation and publishing whole folders at once. Refuses to know what the
bytes mean: versions, decisions and snapshots are the registry's.
"""

import errno
import fcntl
import glob
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from tasks.errors import PerennialError, SourceError, StorageFull, StoreError, first_line

MANIFEST = "MANIFEST.json"


class Store(Protocol):
    """Named bytes under one root. A path is relative to it, with forward slashes."""

    root: str

    def read(self, path: str) -> bytes: ...

    def create(self, path: str, data: bytes) -> None:
        """Write all of a new file or nothing; FileExistsError if it is there already."""

    def children(self, path: str) -> list[str]: ...

    def remove(self, path: str) -> None:
        """Delete a folder and all that is in it; only what no version needs may go."""

    def new_attempt(self) -> str:
        """Name the subfolder that the files of one publication go to; empty for none."""

    def publish(self, folder: Path, path: str, attempt: str) -> None:
        """Make a folder appear, its manifest last; FileExistsError if it was published before."""

    def fetch(self, path: str, target: Path) -> Path:
        """Give a local folder that holds these files: a copy in `target`, or the very place."""

    def workspace(self) -> Path:
        """Name an existing local folder in which runs may keep what is not finished."""


class FolderStore:
    def __init__(self, root: str) -> None:
        self.root = str(Path(root).absolute())

    def _at(self, path: str) -> Path:
        return Path(self.root, path)

    def read(self, path: str) -> bytes:
        return self._at(path).read_bytes()

    def create(self, path: str, data: bytes) -> None:
        target = self._at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = self.workspace() / secrets.token_hex(8)
        try:
            draft.write_bytes(data)
            _sync(draft)
            os.link(draft, target)  # unlike a rename, fails when the name is taken
        finally:
            draft.unlink(missing_ok=True)
        _sync(target.parent)

    def children(self, path: str) -> list[str]:
        folder = self._at(path)
        return sorted(child.name for child in folder.iterdir()) if folder.is_dir() else []

    def remove(self, path: str) -> None:
        shutil.rmtree(self._at(path))

    def new_attempt(self) -> str:
        return ""

    def publish(self, folder: Path, path: str, attempt: str) -> None:
        target = self._at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        for file in [*folder.rglob("*"), folder]:
            _sync(file)
        try:
            os.rename(folder, target)  # atomic: readers see all of it or nothing
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise FileExistsError(path) from error
            raise
        _sync(target.parent)

    def fetch(self, path: str, target: Path) -> Path:
        return self._at(path)

    def workspace(self) -> Path:
        folder = self._at("tmp")
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class BucketStore:
    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self.files = _bucket_files()

    def _at(self, path: str) -> str:
        return f"{self.root}/{path}"

    def read(self, path: str) -> bytes:
        data: bytes = self.files.cat_file(self._at(path))
        return data

    def create(self, path: str, data: bytes) -> None:
        self.files.pipe_file(self._at(path), data, mode="create")

    def children(self, path: str) -> list[str]:
        self.files.invalidate_cache()
        try:
            found = self.files.ls(self._at(path), detail=False)
        except FileNotFoundError:
            return []
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def remove(self, path: str) -> None:
        self.files.rm(self._at(path), recursive=True)

    def new_attempt(self) -> str:
        return secrets.token_hex(4)

    def publish(self, folder: Path, path: str, attempt: str) -> None:
        # Two runs may upload the same version at once. Each writes to a place of its own; the
        # manifest, created exclusively, says whose files count.
        for file in folder.rglob("*"):
            if file.is_file() and file.name != MANIFEST:
                name = file.relative_to(folder).as_posix()
                self.files.put_file(str(file), self._at(f"{path}/{attempt}/{name}"))
        self.create(f"{path}/{MANIFEST}", (folder / MANIFEST).read_bytes())

    def fetch(self, path: str, target: Path) -> Path:
        self.files.get(self._at(path), str(target), recursive=True)
        return target

    def workspace(self) -> Path:
        return Path(tempfile.gettempdir())


def open_store(root: str | None = None) -> Store:
    """Open the root: PERENNIAL_ROOT unless one is named, `.perennial/` unless either is."""
    root = root or os.environ.get("PERENNIAL_ROOT") or ".perennial"
    return BucketStore(root) if is_bucket(root) else FolderStore(root)


@contextmanager
def work_folder(store: Store) -> Iterator[Path]:
    """Lend a folder that is gone afterwards; clear away those that killed runs left behind."""
    parent = store.workspace()
    for left in parent.glob("perennial-*"):
        with suppress(OSError):  # held by a live run, or cleared by another one just now
            with _lock(left):
                shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix="perennial-", dir=parent))
    with _lock(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold a folder as long as this process lives; BlockingIOError if another one holds it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def is_bucket(uri: str) -> bool:
    return uri.startswith("s3://")


def list_files(uri: str) -> list[str]:
    """List the files that a path, glob or s3:// address names, sorted."""
    if is_bucket(uri):
        with reaching(uri, SourceError):
            found = _bucket_files().glob(uri)
        return sorted(f"s3://{name}" for name in found)
    if os.path.isdir(uri):
        raise SourceError(f"{uri}: is a folder; name the files in it, as in '{uri}/*.parquet'")
    if os.path.isfile(uri):
        return [uri]
    return sorted(name for name in glob.glob(uri, recursive=True) if os.path.isfile(name))


def digest_source(uri: str) -> str:
    """Identify a source file's content: sha256 of a local file, the ETag and size of an object."""
    if not is_bucket(uri):
        return digest_file(Path(uri))
    with reaching(uri, SourceError):
        found = _bucket_files().info(uri)
    return f"{found.get('ETag', '').strip(chr(34))}-{found['size']}"


def digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scan_options(uri: str) -> dict[str, str | int] | None:
    """Give what Polars needs to read this address itself; credentials stay in the environment."""
    if not is_bucket(uri):
        return None
    options: dict[str, str | int] = {"max_retries": 8, "retry_timeout_ms": 60_000}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        insecure = str(endpoint.startswith("http://")).lower()
        options |= {"aws_endpoint_url": endpoint, "aws_allow_http": insecure}
    return options


@contextmanager
def reaching(where: str, kind: type[PerennialError] = StoreError) -> Iterator[None]:
    """Turn what a disk or bucket throws into one line that says where and what to do."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except FileExistsError:
        raise
    except NoCredentialsError as error:
        raise kind(f"{where}: no S3 credentials; set AWS_ACCESS_KEY_ID and the secret") from error
    except (BotoCoreError, ClientError, TimeoutError, ConnectionError) as error:
        raise kind(f"{where}: cannot be reached: {first_line(error)}") from error
    except PermissionError as error:
        hint = "check the S3 credentials" if is_bucket(where) else "check who may write there"
        raise kind(f"{where}: access is denied ({first_line(error)}); {hint}") from error
    except OSError as error:
        if is_disk_full(error):
            raise _no_room(where) from error
        raise kind(f"{where}: {first_line(error)}") from error
    except Exception as error:
        if is_disk_full(error):
            raise _no_room(where) from error
        raise


def _bucket_files() -> Any:
    import s3fs

    retries = {"max_attempts": 8, "mode": "standard"}
    return s3fs.S3FileSystem(
        config_kwargs={"retries": retries, "connect_timeout": 5, "read_timeout": 60},
        use_listings_cache=False,
    )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_disk_full(error: BaseException) -> bool:
    """Tell a full disk, which Polars reports in words only."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or (
        "No space left on device" in str(error)
    )


def _no_room(where: str) -> StorageFull:
    return StorageFull(f"{where}: the disk is full; free some room and run again")


def deliver(file: Path, uri: str) -> None:
    """Put a finished file where it was asked for, whole or not at all."""
    if is_bucket(uri):
        with reaching(uri):
            _bucket_files().put_file(str(file), uri)
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
