"""Proven bentos, as archives in the registry: kept with their proof, found, unpacked, offered.

Owns where they lie, and that one appears whole or not at all. Refuses to build any (`serving`)
and to say whether one is good (`proof`).
"""

import gzip
import io
import logging
import os
import shutil
import tarfile
import zlib
from pathlib import Path

from tasks.errors import DecisionRefused, StoreError, first_line
from tasks.ledger import Entry, read_ledger
from tasks.materials import BILL
from tasks.names import check_model, check_version, is_plain
from tasks.proof import Proof
from tasks.registry import Published, find, publish_once, read_file
from tasks.store import Store, lend_folder, reaching

_LARGEST = 16 * 2**30  # bytes

log = logging.getLogger("perennial.serving")


def bento_tag(model: str, version: str) -> str:
    """Name a version's bento. BentoML has lower-case letters only."""
    return f"{model}:{version.lower()}"


def bento_path(model: str, version: str) -> str:
    return f"bentos/{check_model(model)}/{check_version(version)}"


def archive_name(tag: str) -> str:
    return tag.replace(":", "-") + ".bento"


def publish_bento(store: Store, built: Path, proof: Proof, folder: Path) -> Published:
    """Publish a proven bento with its proof; where another run was first, its bento counts."""
    path, tag = bento_path(proof.model, proof.version), bento_tag(proof.model, proof.version)
    ready = folder / "proven"
    with reaching(str(ready)):
        ready.mkdir()
        with tarfile.open(ready / archive_name(tag), "w:gz", compresslevel=1) as archive:
            archive.add(built, arcname=".")
        (ready / "proof.json").write_text(proof.model_dump_json(indent=1))
        shutil.copyfile(built / "src" / BILL, ready / BILL)
    return publish_once(store, ready, path)


def find_bento(store: Store, model: str, version: str) -> Published | None:
    return find(store, bento_path(model, version))


def get_bento(store: Store, model: str, entry: Entry) -> Published:
    """Find the bento that a ledger entry released."""
    bento = find_bento(store, model, entry.version)
    if bento is None or bento.digest != entry.bento:
        raise StoreError(f"{model}: the bento of {entry.version} is not what was released")
    return bento


def find_proven(store: Store, model: str, approval: Entry) -> Published | None:
    """Find the bento that an earlier run proved for this approval, or nothing."""
    bento = find_bento(store, model, approval.version)
    if bento is not None and read_proof(store, bento).manifest != approval.manifest:
        raise StoreError(f"{bento.path}: was made of other files than those that are approved")
    return bento


def read_proof(store: Store, bento: Published) -> Proof:
    return Proof.model_validate_json(read_file(store, bento, "proof.json"))


def describe_proofs(store: Store, model: str) -> dict[str, Proof]:
    """Read the proofs of what was released, by version; each is what its ledger entry names."""
    proofs = {}
    for entry in read_ledger(store, model):
        if entry.action == "release":
            try:
                proofs[entry.version] = read_proof(store, get_bento(store, model, entry))
            except StoreError as error:
                log.warning("%s", first_line(error))
    return proofs


def read_bill(store: Store, model: str, version: str) -> str:
    """Read the bill of materials of a version's bento, once it is proven."""
    bento = find_bento(store, model, version)
    if bento is None:
        raise DecisionRefused(f"{model}: {version} has no bento yet; approve it first")
    if BILL not in bento.manifest.files:
        raise StoreError(f"{bento.path}: was built before bentos had a bill; see a newer version")
    return read_file(store, bento, BILL).decode()


def offer_bento(store: Store, model: str, version: str, bento: Published) -> None:
    """Put a proven bento where a person's own `bentoml serve` looks; it is a convenience only."""
    tag = bento_tag(model, version)
    home = Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml")
    try:
        place_bento(store, bento, tag, home)
    except (OSError, StoreError) as error:
        log.warning("%s is not in %s: %s", tag, home, first_line(error))


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
        (folder / "latest").write_text(target.name)
        os.replace(folder / "latest", target.parent / "latest")
    return target


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
