"""Export of a database source: its rows at one moment, as Parquet files in the work folder.

An export is used again until the server says that something was written, and within a run to its
end. What was not used for a day is deleted. Not responsible for SQL.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from tasks.core.data_sections import Source
from tasks.core.definition import Frozen
from tasks.core.errors import SourceChanged
from tasks.core.sql import refuse_clock
from tasks.sources.file_contents import digest_files, see_files
from tasks.sources.postgres import PostgresServer, reading
from tasks.storage.store import open_store, reaching

_KEPT_SECONDS = 24 * 3600
_STATE = "state.json"


class Exported(Frozen):
    """What the server was like when an export was made, and the digest of its files."""

    written: str
    digest: str


def export_source(source: Source, where: str, wanted: str | None = None) -> tuple[str, ...]:
    """Give Parquet files of what a source holds now, or of the content that is wanted by digest.

    SourceChanged where the server does not hold the wanted content any more.
    """
    refuse_clock(source.query or "", f"{where} query")
    asked = hashlib.sha256((source.model_dump_json() + pl.__version__).encode()).hexdigest()
    folder = open_store().workspace() / "exports" / asked[:16]
    if wanted is not None and (folder / wanted).is_dir():
        return _use(folder / wanted)
    with reading(source, where) as server, reaching(str(folder)):
        exported = _find(folder, server.written) or _export(server, folder, where)
    if wanted is not None and exported.name != wanted:
        raise SourceChanged(f"{where} changed while it was read; run again: it was written to")
    return _use(exported)


def _find(folder: Path, written: str) -> Path | None:
    """Find an export since which nothing was written."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in folder.iterdir():
        state = _read_state(each)
        if state is not None and state.written == written:
            return each
    return None


def _export(server: PostgresServer, folder: Path, where: str) -> Path:
    """Read all of a source, and give the export its name, which says what is in it."""
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=folder))
    digest = digest_files(see_files(server.write_parts(draft)), where)
    state = Exported(written=server.written, digest=digest)
    named = folder / state.digest
    with suppress(OSError):  # another run was first, with the same
        draft.rename(named)
    shutil.rmtree(draft, ignore_errors=True)
    beside = named / f".{os.getpid()}.json"
    beside.write_text(state.model_dump_json(), encoding="utf-8")
    beside.replace(named / _STATE)
    _clear(each for each in folder.iterdir() if each != named)
    return named


def _read_state(folder: Path) -> Exported | None:
    try:
        return Exported.model_validate_json((folder / _STATE).read_bytes())
    except (OSError, ValidationError):
        return None


def _clear(folders: Iterable[Path]) -> None:
    for each in folders:
        with suppress(FileNotFoundError):
            if each.stat().st_mtime < time.time() - _KEPT_SECONDS:
                shutil.rmtree(each)


def _use(folder: Path) -> tuple[str, ...]:
    os.utime(folder)
    return tuple(map(str, sorted(folder.glob("*.parquet"))))
