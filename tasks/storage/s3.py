"""An S3 bucket as a place for bytes, with exclusive creation (`If-None-Match`).

Responsible for s3fs, retries and what errors of a bucket mean. Not responsible for folders
(`folder`) or for what the bytes mean (`registry`). Exclusive creation is by hand: s3fs sends the
condition, but does not know its own file again when the answer to a try got lost.
"""

import os
import secrets
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from tasks.core.errors import StoreError
from tasks.core.names import check_plain

_CHUNK = 16 * 2**20  # of a large file; four are in memory at once
_CONFLICT_WAITS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # seconds
# A first contact fails within seconds, but work under way sits out a minute of trouble. `tries`
# are the client's; s3fs's `rounds` around them also ask again for an answer that broke off.
_HASTY = {"connect_timeout": 4, "read_timeout": 6, "tries": 2, "rounds": 1}
_PATIENT = {"connect_timeout": 5, "read_timeout": 60, "tries": 10, "rounds": 2}


class BucketStore:
    """A `Store` in a bucket whose server honours `If-None-Match`, as Amazon's does."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self.files = open_bucket(root)

    def _at(self, path: str) -> str:
        if path:
            check_plain(path, self.root)
        return f"{self.root}/{path}"

    def read(self, path: str) -> bytes:
        # With more than one request at a time, s3fs would first ask how large the file is.
        data: bytes = self.files.cat_file(self._at(path), max_concurrency=1)
        return data

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        asked = list(paths)
        answers = self.files.cat_ranges(
            [self._at(path) for path in asked], None, None, on_error="return", max_concurrency=1
        )
        found = {}
        for path, answer in zip(asked, answers, strict=True):
            if isinstance(answer, bytes):
                found[path] = answer
            elif not isinstance(answer, FileNotFoundError):
                raise answer
        return found

    def create(self, path: str, data: bytes) -> None:
        """Create an object, or raise FileExistsError: of many writers at once exactly one wins."""
        mark = {"writer": secrets.token_hex(8)}
        for wait in _CONFLICT_WAITS:
            try:
                self.files.pipe_file(self._at(path), data, mode="create", Metadata=mark)
                return
            except OSError as error:
                refusal = error
            if _code(refusal) != "ConditionalRequestConflict":  # S3 has yet to decide who is first
                break
            time.sleep(wait)
        if _code(refusal) not in ("PreconditionFailed", "412"):
            raise refusal
        # A try whose answer got lost may have succeeded: then what is there carries our mark.
        if self._metadata(path) != mark:
            raise FileExistsError(path) from refusal

    def replace(self, path: str, data: bytes) -> None:
        self.files.pipe_file(self._at(path), data)

    def _metadata(self, path: str) -> dict[str, str]:
        bucket, key, _ = self.files.split_path(self._at(path))
        head = self.files.call_s3("head_object", Bucket=bucket, Key=key)
        return dict(head["Metadata"])

    def children(self, path: str) -> list[str]:
        try:
            found = self.files.ls(self._at(path), detail=False, refresh=True)
        except FileNotFoundError:
            return []
        marker = self._at(path).removeprefix("s3://") + "/"  # consoles keep an empty folder by it
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found if name != marker)

    def remove(self, path: str) -> None:
        with suppress(FileNotFoundError):  # what makes a folder count goes first
            self.files.rm_file(f"{self._at(path)}/MANIFEST.json")
        with suppress(FileNotFoundError):  # another run removes it, too
            self.files.rm(self._at(path), recursive=True)

    def retire(self, path: str) -> bool:
        self.remove(path)
        return True

    def size(self, path: str) -> int:
        try:
            return int(self.files.du(self._at(path)))
        except FileNotFoundError:
            return 0

    def new_attempt(self) -> str:
        return secrets.token_hex(4)

    def publish(self, folder: Path, path: str, attempt: str, last: str) -> None:
        """Upload to a place of this run's own; the last file, created exclusively, makes it count.

        From then on no other attempt at this path can ever count. So the winner clears away what
        killed runs left of theirs, and a live run that comes too late does so itself. A multipart
        upload that a killed run left unfinished is for a lifecycle rule of the bucket to end.
        """
        files = [file for file in folder.rglob("*") if file.is_file()]
        names = [name for file in files if (name := file.relative_to(folder).as_posix()) != last]
        sources = [str(folder / name) for name in names]
        targets = [self._at(f"{path}/{attempt}/{name}") for name in names]
        self.files.put(sources, targets, chunksize=_CHUNK)
        try:
            self.create(f"{path}/{last}", (folder / last).read_bytes())
        except FileExistsError:
            self._clear(path, attempt)
            raise
        self._clear(path, *(name for name in self.children(path) if name not in (attempt, last)))

    def _clear(self, path: str, *attempts: str) -> None:
        from botocore.exceptions import BotoCoreError

        with suppress(OSError, BotoCoreError):  # who may write to a bucket may not always delete
            for attempt in attempts:
                self.files.rm(self._at(f"{path}/{attempt}"), recursive=True)

    def fetch(self, path: str, target: Path) -> Path:
        at = self._at(path).removeprefix("s3://") + "/"
        names = [found.removeprefix(at) for found in self.files.find(self._at(path))]
        for name in names:  # a key may hold anything
            check_plain(name, f"{self.root}/{path}")
        self.files.get([f"{at}{name}" for name in names], [str(target / name) for name in names])
        return target

    def workspace(self) -> Path:
        folder = Path(tempfile.gettempdir(), f"perennial-{os.getuid()}")
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise StoreError(f"{folder}: belongs to another user; set TMPDIR to a folder of yours")
        return folder

    def probe(self) -> datetime:
        path = self._at(f"probe-{secrets.token_hex(4)}")
        self.files.pipe_file(path, b"?")
        try:
            written: datetime = self.files.info(path)["LastModified"]
        finally:
            self.files.rm_file(path)
        return written


def endpoint() -> str | None:
    """Give the S3 server's address, where it is not Amazon's."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def open_bucket(uri: str) -> Any:
    """Connect to the bucket of an s3:// address and give its file system (s3fs).

    Raises OSError within seconds where the bucket is missing or no server answers.
    """
    bucket = uri.removeprefix("s3://").partition("/")[0]
    if not bucket:
        raise OSError("names no bucket; write s3://bucket/prefix")
    _find_bucket(bucket, endpoint())
    return _files(endpoint(), **_PATIENT)


@cache
def _find_bucket(bucket: str, at: str | None) -> None:
    try:
        _files(at, **_HASTY).call_s3("head_bucket", Bucket=bucket)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise FileNotFoundError(f"there is no bucket {bucket!r}") from error
        if not _code(error):
            raise
        # It answers. Whether it lets us in, the first real request tells in better words.


def _files(at: str | None, tries: int, rounds: int, **timeouts: int) -> Any:
    import s3fs

    retries = {"total_max_attempts": tries, "mode": "standard"}
    files = s3fs.S3FileSystem(
        endpoint_url=at,
        config_kwargs={"retries": retries, "max_pool_connections": 32, **timeouts},
        default_block_size=_CHUNK,
        max_concurrency=4,
        use_listings_cache=False,
    )
    files.retries = rounds
    return files


def explain(error: Exception) -> str | None:
    """Say what an error of a bucket means; None for an error of another kind."""
    from botocore import exceptions

    said = " ".join(str(error).split())
    if isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
        return "no S3 credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if isinstance(error, PermissionError):
        return f"access is denied ({said}); check the S3 credentials"
    unreachable = exceptions.BotoCoreError, exceptions.ClientError, TimeoutError, ConnectionError
    if isinstance(error, unreachable):
        return f"cannot be reached: {said}"
    return (error.strerror or said) if isinstance(error, OSError) else None


def _code(error: OSError) -> str:
    """Give S3's own code of an error that s3fs translated; empty where S3 did not answer."""
    answer: dict[str, Any] = getattr(error.__cause__, "response", {})
    return str(answer.get("Error", {}).get("Code", ""))
