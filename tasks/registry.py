"""Candidates, snapshots, decisions and the champion, on a folder or a bucket.

Owns what a version is called, what makes it exist (its manifest) and the ledger's chain. Refuses
to know how bytes are kept (`store`) and what is inside a version's files (the steps).
"""

import hashlib
import json
import platform
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from tasks.definition import Frozen
from tasks.errors import DefinitionError, StoreError, nearest
from tasks.store import MANIFEST, Store, digest_file, reaching

LIBRARIES = ("polars", "lightgbm", "numpy", "whylogs", "prefect", "pydantic", "altair")


class Manifest(Frozen):
    """The sha256 of each file, by name, and the subfolder that they were put in."""

    attempt: str = ""
    files: dict[str, str]


class Published(Frozen):
    """A folder that was published: where it is, and its manifest with its digest."""

    path: str
    digest: str
    manifest: Manifest

    def path_of(self, name: str) -> str:
        return "/".join(part for part in (self.path, self.manifest.attempt, name) if part)


class Entry(Frozen):
    """One line of a model's ledger. `previous` is the sha256 of the entry before it.

    `manifest` is the digest of the version's manifest, `bento` that of its proven bento's.
    """

    number: int
    previous: str
    action: Literal["approve", "reject", "release", "rollback"]
    version: str
    manifest: str
    approver: str
    os_user: str
    time: datetime
    reason: str
    override: bool = False
    bento: str = ""


@cache
def code_digest() -> str:
    """Identify the code that makes models: the modules in this folder and the libraries under it."""
    digest = hashlib.sha256()
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.name.encode() + module.read_bytes())
    digest.update(json.dumps(package_versions(), sort_keys=True).encode())
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    found = {name: installed_version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **found}


def name_version(as_of: datetime | None, *digests: str) -> str:
    """Derive a version: the as-of time, where there is one, and a digest of all that went in."""
    stamp = f"{as_of.astimezone(UTC):%Y%m%dT%H%M%SZ}-" if as_of else ""
    return stamp + hashlib.sha256("\n".join([str(as_of), *digests]).encode()).hexdigest()[:10]


def publish(store: Store, folder: Path, path: str) -> Published:
    """Publish a folder with a manifest of its files; FileExistsError if another run was first."""
    files = {
        file.relative_to(folder).as_posix(): digest_file(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }
    manifest = Manifest(attempt=store.new_attempt(), files=files)
    data = manifest.model_dump_json(indent=1).encode()
    (folder / MANIFEST).write_bytes(data)
    with reaching(store.root):
        store.publish(folder, path, manifest.attempt)
    return Published(path=path, digest=hashlib.sha256(data).hexdigest(), manifest=manifest)


def find(store: Store, path: str) -> Published | None:
    """Find what was published at a path; None where there is no manifest."""
    with reaching(store.root):
        try:
            data = store.read(f"{path}/{MANIFEST}")
        except FileNotFoundError:
            return None
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise StoreError(f"{store.root}/{path}/{MANIFEST}: is damaged") from error
    return Published(path=path, digest=hashlib.sha256(data).hexdigest(), manifest=manifest)


def read_file(store: Store, published: Published, name: str) -> bytes:
    """Read one published file; StoreError if its bytes are not those that were published."""
    path = published.path_of(name)
    with reaching(f"{store.root}/{path}"):
        data = store.read(path)
    if hashlib.sha256(data).hexdigest() != published.manifest.files.get(name):
        raise StoreError(f"{store.root}/{path}: was changed after it was published")
    return data


def read_json(store: Store, published: Published, name: str) -> Any:
    return json.loads(read_file(store, published, name))


def snapshot_path(digest: str) -> str:
    return f"snapshots/{digest}"


def fetch_snapshot(store: Store, snapshot: Published, target: Path) -> list[Path]:
    """Give a published snapshot's parts as local files, each checked against the manifest."""
    with reaching(store.root):
        folder = store.fetch(snapshot.path_of("").rstrip("/"), target)
    for name, expected in snapshot.manifest.files.items():
        if not (folder / name).is_file() or digest_file(folder / name) != expected:
            raise StoreError(f"{store.root}/{snapshot.path}/{name}: was changed after publication")
    return [folder / name for name in snapshot.manifest.files]


def version_path(model: str, version: str) -> str:
    return f"models/{model}/{version}"


def list_models(store: Store) -> list[str]:
    with reaching(store.root):
        return store.children("models")


def list_versions(store: Store, model: str) -> dict[str, Published]:
    """List a model's versions, oldest as-of first; what has no manifest does not exist."""
    with reaching(store.root):
        names = store.children(f"models/{model}")
    found = {name: find_version(store, model, name) for name in names if name != "ledger"}
    return {name: published for name, published in found.items() if published is not None}


def find_version(store: Store, model: str, version: str) -> Published | None:
    return find(store, version_path(model, version))


def get_version(store: Store, model: str, version: str) -> Published:
    """Find a version that must exist; its first letters are enough when only one version fits."""
    known = list_versions(store, model)
    fitting = [name for name in known if version and name.startswith(version)]
    if version in known or len(fitting) == 1:
        return known[version if version in known else fitting[0]]
    what = "is ambiguous" if fitting else "does not exist"
    raise DefinitionError(f"{model}: version {version!r} {what}; {nearest(version, known)}")


def read_ledger(store: Store, model: str) -> list[Entry]:
    """Read a model's ledger and verify its chain; StoreError names the entry that breaks it."""
    entries: list[Entry] = []
    previous = ""
    with reaching(store.root):
        names = store.children(f"models/{model}/ledger")
    for number, name in enumerate(names, start=1):
        where = f"{store.root}/models/{model}/ledger/{name}"
        with reaching(where):
            data = store.read(f"models/{model}/ledger/{name}")
        try:
            entry = Entry.model_validate_json(data)
        except ValidationError as error:
            raise StoreError(f"{where}: is damaged") from error
        if (entry.number, entry.previous, name) != (number, previous, _entry_name(number)):
            raise StoreError(f"{where}: does not follow the entry before it")
        entries.append(entry)
        previous = hashlib.sha256(data).hexdigest()
    return entries


def append_entry(store: Store, model: str, after: int | None = None, **fields: Any) -> Entry:
    """Add an entry to the ledger's end; FileExistsError if another one took the place first.

    `after` is how many entries the caller has seen: it decided on nothing but those.
    """
    entries = read_ledger(store, model)
    if after is not None and len(entries) != after:
        raise FileExistsError(f"{model}: the ledger has {len(entries)} entries by now, not {after}")
    previous = ""
    if entries:
        with reaching(store.root):
            last = store.read(f"models/{model}/ledger/{_entry_name(len(entries))}")
        previous = hashlib.sha256(last).hexdigest()
    entry = Entry(
        number=len(entries) + 1, previous=previous, time=datetime.now(UTC), **fields
    )
    path = f"models/{model}/ledger/{_entry_name(entry.number)}"
    with reaching(store.root):
        store.create(path, entry.model_dump_json(indent=1).encode())
    return entry


def find_champion(store: Store, model: str) -> Published | None:
    """Find the version that the ledger released last; its bytes must be those decided on."""
    for entry in reversed(read_ledger(store, model)):
        if entry.action in ("release", "rollback"):
            champion = find_version(store, model, entry.version)
            if champion is None or champion.digest != entry.manifest:
                raise StoreError(
                    f"{model}: champion {entry.version} is not what ledger entry {entry.number} "
                    "released; restore its files or roll back"
                )
            return champion
    return None


def _entry_name(number: int) -> str:
    return f"{number:06d}.json"
