"""Step 7, serving: an approved version in, a proven bento in the registry out.

Owns what a bento holds, that it is built in a process of its own, and where it is kept. Refuses to
decide (`decisions`) and to know what the service in it does (`bentos/`).
"""

import ast
import io
import json
import logging
import os
import shutil
import subprocess
import tarfile
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.definition import Frozen
from tasks.errors import BuildFailed, DecisionRefused, ProofFailed, StoreError, first_line
from tasks.ledger import Entry, check_approved, read_ledger
from tasks.materials import BILL, draw_bill
from tasks.proof import Proof, prove
from tasks.reference import read_definition
from tasks.registry import MANIFEST, Published, find, get_version, publish, read_file
from tasks.requirements import COMPILED_LOCK, read_lock, serving_requirements
from tasks.server import bento_environment, leash, start_server, stop_server
from tasks.store import Store, digest_file, lend_folder, open_store, reaching

log = logging.getLogger("perennial.serving")

_PACKAGES = Path(__file__).parents[1]
_ENTRY, _OPTIONS = "bentos.service", "bentofile.yaml"
_BUILD_SECONDS = 300
_CROWNING = ("release", "rollback")


class Bento(Frozen):
    """A built bento: the folder that `bentoml serve` takes, and the tag that names it."""

    folder: Path
    tag: str


def make_bento(store: Store, published: Published, folder: Path) -> Bento:
    """Build a version's bento in a process of its own; BuildFailed says what went wrong."""
    _, model, version = published.path.split("/")
    context, home = folder / "context", folder / "bentoml"
    with reaching(str(folder)):
        lay_out(store, published, context)
        home.mkdir()
    words = ["--name", model, "--version", version, "--output", "tag"]
    built = subprocess.run(
        leash("bentoml", "build", str(context), "-f", str(context / _OPTIONS), *words),
        cwd=folder,
        env=bento_environment(home),
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
    )
    tag = bento_tag(model, version)
    if built.returncode or built.stdout.split()[-1:] != [f"__tag__:{tag}"]:
        said = (built.stderr or built.stdout).strip().splitlines()[-1:] or ["nothing was said"]
        raise BuildFailed(f"{tag}: cannot be built: {said[0]}")
    return Bento(folder=home / "bentos" / tag.replace(":", "/"), tag=tag)


def lay_out(store: Store, published: Published, context: Path) -> None:
    """Write what a bento is built from: the service, what it imports, and the version's files."""
    for module in needed_modules():
        target = context / module.relative_to(_PACKAGES)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module, target)
    model = context / "model"
    model.mkdir()
    for name in published.manifest.files:
        (model / name).write_bytes(read_file(store, published, name))
    (model / MANIFEST).write_bytes(store.read(f"{published.path}/{MANIFEST}"))
    # A file of requirements would be refused where the root lies in a hidden folder.
    compiled = read_definition(store, published).serving.predictor == "compiled"
    requirements = serving_requirements(compiled=compiled)
    options = {
        "service": f"{_ENTRY}:service",
        "include": ["bentos/**", "tasks/**", "model/**", BILL],
        "python": {"packages": requirements.splitlines(), "lock_packages": False},
    }
    (context / BILL).write_text(list_materials(published, requirements))
    (context / _OPTIONS).write_text(json.dumps(options))  # JSON is YAML


def list_materials(published: Published, requirements: str) -> str:
    """Draw the bill of a version's bento. BentoML adds itself to what it is given."""
    _, model, version = published.path.split("/")
    itself = f"bentoml=={package_version('bentoml')}\n"
    locks = read_lock() + read_lock(COMPILED_LOCK)
    return draw_bill(model, version, published.manifest.files, itself + requirements, locks)


def read_bill(store: Store, model: str, version: str) -> str:
    """Read the bill of materials of a version's bento, once it is proven."""
    bento = find_bento(store, model, version)
    if bento is None:
        raise DecisionRefused(f"{model}: {version} has no bento yet; approve it first")
    return read_file(store, bento, BILL).decode()


def needed_modules() -> list[Path]:
    """List the modules of this project that the service imports, directly or not."""
    found: set[Path] = set()
    waiting = [_ENTRY]
    while waiting:
        path = _PACKAGES / (waiting.pop().replace(".", "/") + ".py")
        if path in found or not path.is_file():
            continue
        found |= {path, path.with_name("__init__.py")}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
            elif isinstance(node, ast.Import):
                waiting += [each.name for each in node.names]
    return sorted(found)


def bento_tag(model: str, version: str) -> str:
    """Name a version's bento. BentoML has lower-case letters only."""
    return f"{model}:{version.lower()}"


def bento_path(model: str, version: str) -> str:
    return f"bentos/{model}/{version}"


def publish_bento(store: Store, bento: Bento, proof: Proof, folder: Path) -> Published:
    """Publish a proven bento with its proof; where another run was first, its bento counts."""
    path = bento_path(proof.model, proof.version)
    ready = folder / "proven"
    with reaching(str(ready)):
        ready.mkdir()
        with tarfile.open(ready / archive_name(bento.tag), "w:gz", compresslevel=1) as archive:
            archive.add(bento.folder, arcname=".")
        (ready / "proof.json").write_text(proof.model_dump_json(indent=1))
        shutil.copyfile(bento.folder / "src" / BILL, ready / BILL)
    try:
        return publish(store, ready, path)
    except FileExistsError:
        log.info("%s was published by another run meanwhile", path)
        found = find_bento(store, proof.model, proof.version)
        assert found is not None
        return found


def archive_name(tag: str) -> str:
    return tag.replace(":", "-") + ".bento"


def find_bento(store: Store, model: str, version: str) -> Published | None:
    return find(store, bento_path(model, version))


def read_proof(store: Store, bento: Published) -> Proof:
    return Proof.model_validate_json(read_file(store, bento, "proof.json"))


def find_proven(store: Store, model: str, approval: Entry) -> Published | None:
    """Find the bento that an earlier run proved for this approval, or nothing."""
    bento = find_bento(store, model, approval.version)
    if bento is not None and read_proof(store, bento).manifest != approval.manifest:
        raise StoreError(f"{bento.path}: was made of other files than those that are approved")
    return bento


def unpack_champion(store: Store, model: str, home: Path) -> Path:
    """Unpack the champion's bento, or the last one before it that is whole."""
    ledger = read_ledger(store, model)
    entries = [each for each in ledger if each.action in _CROWNING]
    if not entries:
        raise DecisionRefused(f"{model}: has no champion to serve; approve a candidate first")
    for entry in reversed(entries):
        try:
            check_approved(ledger, entry)
            return unpack_bento(store, entry, model, home)
        except StoreError as error:
            log.warning("%s; trying the champion before it", first_line(error))
    raise StoreError(f"{model}: no released bento is whole in {store.root}; release again")


def serve_champion(store: Store, model: str, host: str, port: int, folder: Path) -> int:
    """Run the champion's bento until it ends; the service itself follows the ledger."""
    home = folder / "bentoml"
    bento = unpack_champion(store, model, home)
    given = {name: value for name, value in os.environ.items() if name.startswith("PERENNIAL_")}
    given |= {"PERENNIAL_FOLLOW": model, "PERENNIAL_ROOT": store.root}
    given.pop("PERENNIAL_MODEL", None)
    server = start_server(bento, host, port, bento_environment(home, **given))
    try:
        return server.wait()
    finally:
        stop_server(server)


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


def get_bento(store: Store, model: str, entry: Entry) -> Published:
    """Find the bento that a ledger entry released."""
    bento = find_bento(store, model, entry.version)
    if bento is None or bento.digest != entry.bento:
        raise StoreError(f"{model}: the bento of {entry.version} is not what was released")
    return bento


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


def unpack(data: bytes, draft: Path, target: Path) -> None:
    """Make an archive's folder appear at once; where another run was first, its folder counts."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(draft, filter="data")
    try:
        draft.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def offer_bento(store: Store, model: str, version: str, bento: Published) -> None:
    """Put a proven bento where a person's own `bentoml serve` looks; it is a convenience only."""
    tag = bento_tag(model, version)
    home = Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml")
    try:
        place_bento(store, bento, tag, home)
    except (OSError, StoreError) as error:
        log.warning("%s is not in %s: %s", tag, home, first_line(error))


def check_model(bento: Bento, published: Published) -> None:
    """Refuse a bento whose model is not, byte for byte, the version that was approved."""
    model = bento.folder / "src" / "model"
    for name, digest in published.manifest.files.items():
        if not (model / name).is_file() or digest_file(model / name) != digest:
            raise ProofFailed(f"{bento.tag}: {name} in the bento is not the one that was approved")
    if digest_file(model / MANIFEST) != published.digest:
        raise ProofFailed(f"{bento.tag}: holds another version than the one that was approved")


def describe_release(store: Store, model: str, entry: Entry) -> dict[str, Any]:
    """Tell what a ledger entry came to, in values and in a sentence for people."""
    by = f"by {entry.approver}" + (", overriding its gate" if entry.override else "")
    if entry.action not in _CROWNING:
        return {**_values(model, entry), "summary": f"{model} {entry.version}: rejected {by}"}
    bento = get_bento(store, model, entry)
    proof, tag = read_proof(store, bento), bento_tag(model, entry.version)
    how = "released" if entry.action == "release" else "rolled back to"
    return {
        **_values(model, entry),
        "bento": tag,
        "archive": f"{store.root}/{bento.path_of(archive_name(tag))}",
        "proof": proof.model_dump(),
        "summary": f"{model} {entry.version}: {how} {by}; {proof.summary}",
    }


def _values(model: str, entry: Entry) -> dict[str, Any]:
    kept = {"action", "version", "approver", "os_user", "reason", "override"}
    return {"model": model, **entry.model_dump(include=kept), "entry": entry.number}


@task(name="build", cache_policy=NO_CACHE)
def build_bento(root: str, model: str, approval: Entry, folder: Path) -> Bento:
    """Build the bento of exactly the version that was approved."""
    store = open_store(root)
    published = get_version(store, model, approval.version)
    if published.digest != approval.manifest:
        raise DecisionRefused(
            f"{model}: {approval.version} has other files than {approval.approver} approved"
        )
    bento = make_bento(store, published, folder)
    log.info("%s is built", bento.tag)
    return bento


@task(name="proof", cache_policy=NO_CACHE)
def prove_bento(root: str, model: str, version: str, bento: Bento, folder: Path) -> Published:
    """Boot the bento, hold its answers against the training path, and publish what holds."""
    store = open_store(root)
    published = get_version(store, model, version)
    check_model(bento, published)
    proof = prove(store, published, bento.folder, folder)
    log.info("%s", proof.summary)
    return publish_bento(store, bento, proof, folder)
