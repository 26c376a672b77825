"""A cache of files on this machine that take long to make and can be made again.

Responsible for its folder, for checking that a file's bytes are those that were written, and for
evicting the least recently used ones. Not responsible for what is in them.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, get_args

from tasks.storage.store import Store, digest_file, open_store, reaching

log = logging.getLogger("perennial.cache")

Kind = Literal["bins", "profiles"]


def cache_folder(root: str, kind: Kind) -> Path:
    """Name the cache's folder for one kind of files."""
    return open_store(root).workspace() / kind


def list_cached(store: Store) -> Iterator[Path]:
    """List the cached files of all kinds."""
    with reaching(store.root):
        folders = [store.workspace() / kind for kind in get_args(Kind)]
    for folder in folders:
        yield from sorted(folder.iterdir()) if folder.is_dir() else ()


def find_cached(folder: Path, name: str) -> Path | None:
    """Find a cached file by name; None where there is none, or its digest is not its bytes'."""
    for path in folder.glob(f"{name}-*"):
        with suppress(FileNotFoundError):  # another run may clear it away
            if digest_file(path) == path.name.rpartition("-")[2]:
                os.utime(path)
                return path
            log.warning("%s: is damaged; it is made again", path)
            path.unlink()
    return None


def cache_file(draft: Path, folder: Path, name: str, most: int) -> None:
    """Move a file into the cache under its name and digest, and keep the `most` last used ones."""
    with reaching(str(folder)):
        folder.mkdir(exist_ok=True)
        os.replace(draft, folder / f"{name}-{digest_file(draft)}")
        kept = [(path.stat().st_mtime, path) for path in folder.iterdir()]
        for _, path in sorted(kept)[:-most]:
            path.unlink(missing_ok=True)
