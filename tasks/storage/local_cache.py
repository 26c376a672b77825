"""Files that cost time to make and can be made again, kept by what they are made of.

Owns their place beside runs' work folders, the check that their bytes are those that were written,
and that there are never many. Refuses to know what is in them: losing one costs time only.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path

from tasks.storage.store import digest_file, open_store, reaching

log = logging.getLogger("perennial.kept")


def kept_folder(root: str, kind: str) -> Path:
    """Name the local folder of one kind of kept files."""
    return open_store(root).workspace() / kind


def find_kept(folder: Path, name: str) -> Path | None:
    """Find a kept file, if its bytes are those that were written."""
    for path in folder.glob(f"{name}-*"):
        with suppress(FileNotFoundError):  # another run may clear it away
            if digest_file(path) == path.name.rpartition("-")[2]:
                os.utime(path)
                return path
            log.warning("%s: is damaged; it is made again", path)
            path.unlink()
    return None


def keep_file(draft: Path, folder: Path, name: str, most: int) -> None:
    """Keep a file under its name and its digest; of too many, those used longest ago go."""
    with reaching(str(folder)):
        folder.mkdir(exist_ok=True)
        os.replace(draft, folder / f"{name}-{digest_file(draft)}")
        kept = [(path.stat().st_mtime, path) for path in folder.iterdir()]
        for _, path in sorted(kept)[:-most]:
            path.unlink(missing_ok=True)
