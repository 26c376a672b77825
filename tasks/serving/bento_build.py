"""Step 7, serving: the build of a bento from an approved version.

Responsible for what a bento holds, and for building it in a process of its own. Not responsible for
decisions (`registry`), for keeping it (`bento_archive`) and for what the service in it does
(`bentos/`).
"""

import ast
import json
import logging
import shutil
import subprocess
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from tasks.core.definition import Frozen
from tasks.core.errors import (
    BuildFailed,
    ProofFailed,
    StoreError,
    harmless,
)
from tasks.processes.bento_server import bento_environment, leash
from tasks.registry.ledger import Entry
from tasks.registry.released_bento import get_bento
from tasks.registry.versions import MANIFEST, Published, read_file
from tasks.serving.acceptance_test import prove
from tasks.serving.bento_archive import (
    ABOUT,
    archive_name,
    bento_tag,
    find_difference,
    read_proof,
    unpack,
)
from tasks.serving.requirements import COMPILED_LOCK, read_lock, serving_requirements
from tasks.serving.sbom import BILL, draw_bill
from tasks.storage.store import Store, digest_file, reaching
from tasks.training.published_model import read_definition

log = logging.getLogger("perennial.serving")

# Where this code runs from, a clone or a wheel's site-packages: all that a bento takes lies there.
_PACKAGES = Path(__file__).parents[2]
_OURS = ("bentos", "tasks")
_ENTRY, _OPTIONS = "bentos.service", "bentofile.yaml"
_BUILD_SECONDS = 300
# Of a container made by `bentoml containerize`: its port is asked from outside.
_CONTAINER = {"BENTOML_HOST": "0.0.0.0", "BENTOML_DO_NOT_TRACK": "true"}
_SYSTEM_PACKAGES = ["libgomp1"]  # LightGBM's OpenMP
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
    words = ["--name", model, "--version", version]
    built = subprocess.run(
        leash("bentoml", "build", str(context), "-f", str(context / _OPTIONS), *words),
        cwd=folder,
        env=bento_environment(home),
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
    )
    tag = bento_tag(model, version)
    bento = home / "bentos" / tag.replace(":", "/")
    if built.returncode or not (bento / ABOUT).is_file():  # it is written last
        said = (built.stderr or built.stdout).strip().splitlines()[-1:] or ["nothing was said"]
        raise BuildFailed(f"{tag}: cannot be built: {said[0]}")
    return Bento(folder=bento, tag=tag)


def lay_out(store: Store, published: Published, context: Path) -> None:
    """Write what a bento is built from: the service, what it imports, and the version's files."""
    modules = needed_modules()
    pages = [module.with_suffix(".html") for module in modules]
    for file in [*modules, *filter(Path.is_file, pages)]:
        target = context / file.relative_to(_PACKAGES)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
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
        "docker": {"system_packages": _SYSTEM_PACKAGES},
        "envs": [{"name": name, "value": value} for name, value in _CONTAINER.items()],
    }
    (context / BILL).write_text(list_materials(published, requirements))
    (context / _OPTIONS).write_text(json.dumps(options))  # JSON is YAML


def list_materials(published: Published, requirements: str) -> str:
    """Draw the bill of a version's bento. BentoML adds itself to what it is given."""
    _, model, version = published.path.split("/")
    itself = f"bentoml=={package_version('bentoml')}\n"
    locks = read_lock() + read_lock(COMPILED_LOCK)
    return draw_bill(model, version, published.manifest.files, itself + requirements, locks)


def needed_modules() -> list[Path]:
    """List the modules of this project that the service imports, directly or not."""
    found: set[Path] = set()
    waiting = [_ENTRY]
    while waiting:
        name = waiting.pop()
        path = _PACKAGES / (name.replace(".", "/") + ".py")
        if name.partition(".")[0] not in _OURS or path in found or not path.is_file():
            continue  # other packages lie beside ours in site-packages
        above = path.relative_to(_PACKAGES).parents[:-1]
        found |= {path, *(_PACKAGES / folder / "__init__.py" for folder in above)}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
            elif isinstance(node, ast.Import):
                waiting += [each.name for each in node.names]
    return sorted(found)


def check_model(bento: Bento, published: Published) -> None:
    """Refuse a bento whose model is not, byte for byte, the version that was approved."""
    model = bento.folder / "src" / "model"
    for name, digest in published.manifest.files.items():
        if not (model / name).is_file() or digest_file(model / name) != digest:
            raise ProofFailed(f"{bento.tag}: {name} in the bento is not the one that was approved")
    if digest_file(model / MANIFEST) != published.digest:
        raise ProofFailed(f"{bento.tag}: holds another version than the one that was approved")


def describe_release(
    store: Store, model: str, entry: Entry, going_on: bool = False
) -> dict[str, Any]:
    """Tell what a ledger entry came to, in values and in a sentence for people.

    `going_on` says that a decision which was there already has been carried out.
    """
    by = f"by {harmless(entry.approver)}" + (", overriding its gate" if entry.override else "")
    kept = {"action", "version", "approver", "os_user", "reason", "override"}
    values = {"model": model, **entry.model_dump(include=kept), "entry": entry.number}
    if entry.action not in _CROWNING:
        return {**values, "summary": f"{model} {entry.version}: rejected {by}"}
    bento = get_bento(store, model, entry)
    proof, tag = read_proof(store, bento), bento_tag(model, entry.version)
    how = "released" if entry.action == "release" else "rolled back to"
    before = ", whose earlier approval this carried out" if going_on else ""
    return {
        **values,
        "bento": tag,
        "archive": f"{store.root}/{bento.path_of(archive_name(tag))}",
        "proof": proof.model_dump(),
        "summary": f"{model} {entry.version}: {how} {by}{before}; {proof.summary}",
    }


def check_found(
    store: Store, published: Published, found: Published, bento: Bento, folder: Path
) -> None:
    """Prove a bento that lay there already; StoreError where it is not what was built here."""
    log.info("%s lies there already; it is proven again", bento.tag)
    place, again = folder / "found", folder / "again"
    data = read_file(store, found, archive_name(bento.tag))
    unpack(data, folder / "unpacked", place)
    other = find_difference(bento.folder, place)
    if read_file(store, found, BILL) != (bento.folder / "src" / BILL).read_bytes():
        other = BILL
    if not other:
        again.mkdir()
        proof = prove(store, published, place, again)
        log.info("%s", proof.summary)
        other = "" if proof.agrees(read_proof(store, found)) else "its proof"
    if other:
        raise StoreError(
            f"{store.root}/{found.path}: is not what is built of {published.version} here: {other} "
            "differs; find out who put it there, remove it and approve again"
        )
