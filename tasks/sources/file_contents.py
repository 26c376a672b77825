"""File contents: which files an address names, their digests, and whether they have changed.

A digest needs a read of the whole file, so it is taken once, and again only where the file may have
changed: its stat is another one, or so young that a second write could have left it as it is. The
stat holds inode and change time, which no rename and no write leaves alone.
"""

import glob
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

from tasks.core.errors import SourceChanged, SourceError
from tasks.sources.hive_folders import read_folders
from tasks.storage.s3 import open_bucket
from tasks.storage.store import digest_file, is_bucket, reaching

Seen = tuple[int | str, ...]  # what tells a file from what it may become; empty where it is gone

_AT_ONCE = 8
_TICK_NS, _COARSE_TICK_NS = 100_000_000, 2_000_000_000  # within which two writes look like one
_KNOWN: dict[tuple[str, str], tuple[Seen, Any]] = {}


def list_files(uri: str) -> dict[str, Seen]:
    """List the files that a path, glob or s3:// address names, sorted, as they are now."""
    if is_bucket(uri):
        with reaching(uri, SourceError):
            return _list_objects(uri)
    if os.path.isdir(uri):
        raise SourceError(f"{uri}: is a folder; name the files in it, as in '{uri}/*.parquet'")
    if os.path.isfile(uri):
        return see_files([uri])
    found = sorted(glob.glob(uri, recursive=True))
    return see_files(each for each in found if os.path.isfile(each))


def see_files(files: Iterable[str]) -> dict[str, Seen]:
    """Look at files as they are now: on a disk by their stat, in a bucket by what it says."""
    names = list(files)
    if not any(map(is_bucket, names)):
        return {name: _see(name) for name in names}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(names, pool.map(_see, names), strict=True))


def refuse_moved(files: Mapping[str, Seen], where: str) -> None:
    """Refuse what was read of a source's files if one of them is not what was seen any more."""
    now = see_files(files)
    for file, seen in files.items():
        if now[file] != seen:
            raise changed(where, file)


def digest_files(files: Mapping[str, Seen], where: str) -> str:
    """Identify what files hold together, whatever they are called; `where` names their source."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda file: digest_content(file, files[file], where), files)
        return sha256("".join(found).encode()).hexdigest()


def digest_content(uri: str, seen: Seen, where: str) -> str:
    """Identify what a file holds: sha256 of a local one, ETag and size of an object.

    Values that its folders give belong to it. SourceChanged if it is not what was seen any more.
    """
    if is_bucket(uri):
        if not seen:
            raise SourceError(f"{uri}: is not there; check the address")
        digest = f"{seen[0]}-{seen[1]}"
    else:
        if _see(uri) != seen:
            raise changed(where, uri)
        digest = recall(uri, seen, "sha256", lambda: digest_file(Path(uri)))
    folders = read_folders(uri)
    return digest + json.dumps(folders) if folders else digest


def recall(uri: str, seen: Seen, question: str, find: Callable[[], Any]) -> Any:
    """Give what was found out about a file before, where it surely is what it was; or find out."""
    kept = _KNOWN.get((uri, question))
    if kept is not None and kept[0] == seen:
        return kept[1]
    settled = is_bucket(uri) or _is_settled(seen)  # before it is read
    answer = find()
    if settled:
        _KNOWN[uri, question] = seen, answer
    return answer


def changed(where: str, file: str) -> SourceChanged:
    """Say that a file changed while its source, `where`, was read."""
    return SourceChanged(f"{where} changed while it was read; run again: {file} is not what it was")


def _list_objects(uri: str) -> dict[str, Seen]:
    files = open_bucket(uri)
    if not glob.has_magic(uri):
        seen = _see(uri)
        return {uri: seen} if seen else {}
    found = sorted(files.glob(uri, detail=True).items())
    return {f"s3://{name}": _see_object(info) for name, info in found}


def _see(uri: str) -> Seen:
    with reaching(uri, SourceError):
        try:
            if is_bucket(uri):
                return _see_object(open_bucket(uri).info(uri))
            stat = os.stat(uri)
        except FileNotFoundError:
            return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _see_object(info: Mapping[str, Any]) -> Seen:
    # A listing gives fractions of a second that an object's own answer lacks.
    written = info.get("LastModified")
    second = int(written.timestamp()) if written else 0
    return info.get("ETag", "").strip('"'), info.get("size", 0), second


def _is_settled(seen: Seen) -> bool:
    """Tell whether whatever is written from now on gives a file another stat."""
    written = int(seen[-1]) if seen else 0
    tick = _TICK_NS if written % 1_000_000_000 else _COARSE_TICK_NS  # some disks count seconds
    return time.time_ns() - written > tick
