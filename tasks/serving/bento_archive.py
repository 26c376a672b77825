"""Bento archives in the registry: kept with their proof, found, unpacked, offered.

Responsible for their form, and that one appears whole or not at all. Not responsible for building
them (`bento_build`), testing them (`acceptance_test`) and which counts (`registry`).
"""

import gzip
import io
import logging
import os
import re
import shutil
import tarfile
import zlib
from pathlib import Path

from tasks.core.errors import DecisionRefused, StoreError, first_line
from tasks.core.names import is_plain
from tasks.registry.ledger import Entry
from tasks.registry.released_bento import PROOF, bento_path, get_bento
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.registry.version_status import find_release
from tasks.registry.versions import Published, publish, read_file
from tasks.serving.acceptance_test import Proof
from tasks.serving.sbom import BILL
from tasks.storage.store import Store, lend_folder, reaching

_CREATED = re.compile(rb"^creation_time: '[-+.:0-9T]+'\n", re.MULTILINE)
ABOUT, _COMPILED = "bento.yaml", "__pycache__"
_LARGEST = 16 * 2**30  # bytes

log = logging.getLogger("perennial.serving")


def bento_tag(model: str, version: str) -> str:
    """Name a version's bento. BentoML has lower-case letters only.

    >>> bento_tag("flight-delay", "20130801T000000Z-6e05a89cc6")
    'flight-delay:20130801t000000z-6e05a89cc6'
    """
    return f"{model}:{version.lower()}"


def archive_name(tag: str) -> str:
    return tag.replace(":", "-") + ".bento"


def publish_bento(store: Store, built: Path, proof: Proof, folder: Path) -> Published | None:
    """Publish a proven bento with its proof; None where another one is there already."""
    path, tag = bento_path(proof.model, proof.version), bento_tag(proof.model, proof.version)
    ready = folder / "proven"
    with reaching(str(ready)):
        ready.mkdir()
        with tarfile.open(ready / archive_name(tag), "w:gz", compresslevel=1) as archive:
            archive.add(built, arcname=".", filter=_leave_compiled)
        (ready / PROOF).write_text(proof.model_dump_json(indent=1))
        shutil.copyfile(built / "src" / BILL, ready / BILL)
    try:
        return publish(store, ready, path)
    except FileExistsError:
        return None


def _leave_compiled(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what Python compiled while the bento was proven: nobody could read what it does."""
    return None if member.name.endswith(_COMPILED) else member


def read_proof(store: Store, bento: Published) -> Proof:
    return Proof.model_validate_json(read_file(store, bento, PROOF))


def describe_proofs(store: Store, model: str) -> dict[str, Proof]:
    """Read the proofs of what was released, by version; each is what its ledger entry names."""
    proofs = {}
    for entry in read_trusted_ledger(store, model):
        if entry.action == "release":
            try:
                proofs[entry.version] = read_proof(store, get_bento(store, model, entry))
            except StoreError as error:
                log.warning("%s", first_line(error))
    return proofs


def read_bill(store: Store, model: str, version: str) -> str:
    """Read the bill of materials of a version's bento, once it is released."""
    release = find_release(read_trusted_ledger(store, model), version)
    if release is None:
        raise DecisionRefused(f"{model}: {version} has no bento yet; approve it first")
    bento = get_bento(store, model, release)
    if BILL not in bento.manifest.files:
        raise StoreError(f"{bento.path}: was built before bentos had a bill; see a newer version")
    return read_file(store, bento, BILL).decode()


def offer_bento(store: Store, model: str, version: str, bento: Published) -> None:
    """Put a proven bento where a person's own `bentoml serve` looks; it is a convenience only."""
    tag, home = bento_tag(model, version), bentoml_home()
    try:
        place_bento(store, bento, tag, home)
    except (OSError, StoreError) as error:
        log.warning("%s is not in %s: %s", tag, home, first_line(error))


def bentoml_home() -> Path:
    """Name the folder in which a person's own BentoML keeps its bentos and models."""
    return Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml")


def unpack_bento(store: Store, entry: Entry, model: str, home: Path) -> Path:
    """Put a released bento into a BentoML home at once, as its ledger entry names it."""
    bento = get_bento(store, model, entry)
    return place_bento(store, bento, bento_tag(model, entry.version), home)


def place_bento(store: Store, bento: Published, tag: str, home: Path) -> Path:
    """Unpack a published bento aside, then rename it: BentoML never sees half of one."""
    target = home / "bentos" / tag.replace(":", "/")
    with lend_folder(home / "tmp") as folder, reaching(str(home)):
        if not target.is_dir():
            unpack(read_file(store, bento, archive_name(tag)), folder / "bento", target)
        point_latest(target, folder)
    return target


def point_latest(target: Path, folder: Path) -> None:
    """Make a bento or model the one that BentoML takes for `NAME:latest`, at once."""
    (folder / "latest").write_text(target.name)
    os.replace(folder / "latest", target.parent / "latest")


def find_difference(built: Path, found: Path) -> str:
    """Name the first file that two bentos do not share; when each was built may differ."""
    ours, theirs = list_files(built), list_files(found)
    own = {name for name in ours if _COMPILED not in name.split("/")}
    for name in sorted(own ^ set(theirs)):
        return name
    for name in sorted(own):
        one, other = ours[name].read_bytes(), theirs[name].read_bytes()
        if name == ABOUT:
            one, other = (_CREATED.sub(b"", each, count=1) for each in (one, other))
        if one != other:
            return name
    return ""


def list_files(folder: Path) -> dict[str, Path]:
    files = (each for each in folder.rglob("*") if each.is_file())
    return {each.relative_to(folder).as_posix(): each for each in files}


def check_members(archive: tarfile.TarFile) -> None:
    """Refuse what is no plain file or folder below the archive's own, or would fill the disk."""
    size = 0
    for member in archive:
        name = member.name.removeprefix("./")
        if not (member.isfile() or member.isdir()) or (name != "." and not is_plain(name)):
            raise StoreError(f"{name[:100]!r} in the archive is no plain file below it")
        size += member.size
        if size > _LARGEST:
            raise StoreError(f"the archive unpacks to more than {_LARGEST:,} bytes")


def unpack(data: bytes, draft: Path, target: Path) -> None:
    """Make an archive's folder appear at once; where another run was first, its folder counts."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            check_members(archive)
            archive.extractall(draft, filter="data")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StoreError(f"{target.name}: its archive is damaged: {first_line(error)}") from error
    try:
        draft.rename(target)
    except OSError:
        if not target.is_dir():
            raise
