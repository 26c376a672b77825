"""Snapshots, versions and the champion, on a folder or a bucket.

Owns what a version is called and what makes it exist: its manifest. Refuses to know how bytes are
kept (`store`), how decisions are (`ledger`), and what is inside a version's files (the steps).
"""

import hashlib
import json
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError, model_validator

from tasks.core.definition import Frozen
from tasks.core.errors import DefinitionError, StoreError, nearest
from tasks.core.names import check_model, check_version, is_model, is_plain, is_version
from tasks.registry.ledger import Entry, check_approved, list_crowned
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.storage.store import Store, digest_file, reaching

MANIFEST = "MANIFEST.json"
_STAMP = "%Y%m%dT%H%M%SZ"
LIBRARIES = ("polars", "lightgbm", "numpy", "whylogs", "prefect", "pydantic", "altair")
# What makes a model: a change in any other package, or library, leaves its version as it is.
_MAKERS = (
    *("core", "features", "sources", "extraction", "preparation"),
    *("training", "evaluation", "validation"),
)
_MAKING_LIBRARIES = ("python", "polars", "lightgbm", "numpy")
_TASKS = Path(__file__).parents[1]


class Manifest(Frozen):
    """The sha256 of each file by name, when they were published, and the subfolder they are in."""

    time: datetime
    attempt: str = ""
    files: dict[str, str]

    @model_validator(mode="after")
    def _names_lie_in_its_folder(self) -> Self:
        for name in (*self.files, *([self.attempt] if self.attempt else [])):
            if not is_plain(name):
                raise ValueError(f"{name[:100]!r} is no name of a file in it")
        return self


class Published(Frozen):
    """A folder that was published: where it is, and its manifest with its digest."""

    path: str
    digest: str
    manifest: Manifest

    @property
    def version(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def age(self) -> tuple[datetime, datetime]:
        """Order versions by as-of time, or when published where they carry none."""
        published, stamp = self.manifest.time, self.version.partition("-")[0]
        try:
            return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC), published
        except ValueError:
            return published, published

    def path_of(self, name: str) -> str:
        return "/".join(part for part in (self.path, self.manifest.attempt, name) if part)


@cache
def maker_digest() -> str:
    """Identify the modules that make a model, which a version's name depends on."""
    return _digest_modules(module for room in _MAKERS for module in _list_modules(room))


@cache
def model_code_digest() -> str:
    """Identify the code that makes a model, and the libraries under it."""
    versions = {name: package_versions()[name] for name in _MAKING_LIBRARIES}
    return _digest(f"{maker_digest()}{json.dumps(versions, sort_keys=True)}".encode())


@cache
def code_digest() -> str:
    """Identify all code of the steps and all libraries: what is kept by it is made anew."""
    versions = json.dumps(package_versions(), sort_keys=True)
    return _digest(f"{_digest_modules(_list_modules('.'))}{versions}".encode())


def _list_modules(room: str) -> list[Path]:
    return sorted((_TASKS / room).rglob("*.py"))


def _digest_modules(modules: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for module in modules:
        digest.update(module.relative_to(_TASKS).as_posix().encode() + module.read_bytes())
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    found = {name: installed_version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **found}


def name_version(as_of: datetime | None, *digests: str) -> str:
    """Derive a version: the as-of time, where there is one, and a digest of all that went in."""
    stamp = f"{as_of.astimezone(UTC):{_STAMP}}-" if as_of else ""
    return stamp + hashlib.sha256("\n".join([str(as_of), *digests]).encode()).hexdigest()[:10]


def publish(store: Store, folder: Path, path: str) -> Published:
    """Publish a folder with a manifest of its files; FileExistsError if another run was first."""
    with reaching(str(folder)):
        files = {
            file.relative_to(folder).as_posix(): digest_file(file)
            for file in sorted(folder.rglob("*"))
            if file.is_file() and file != folder / MANIFEST
        }
        manifest = Manifest(time=datetime.now(UTC), attempt=store.new_attempt(), files=files)
        data = manifest.model_dump_json(indent=1).encode()
        (folder / MANIFEST).write_bytes(data)
    with reaching(store.root):
        store.publish(folder, path, manifest.attempt, MANIFEST)
    return Published(path=path, digest=_digest(data), manifest=manifest)


def publish_once(store: Store, folder: Path, path: str) -> Published:
    """Publish a folder, or find what another run published there, before or meanwhile."""
    if found := find(store, path):
        return found
    try:
        return publish(store, folder, path)
    except FileExistsError as error:
        if found := find(store, path):
            return found
        where = f"{store.root}/{path}"
        raise StoreError(f"{where}: has lost its manifest; remove it and run again") from error


def find(store: Store, path: str) -> Published | None:
    """Find what was published at a path; None where there is no manifest."""
    return find_all(store, [path]).get(path)


def find_all(store: Store, paths: Iterable[str]) -> dict[str, Published]:
    """Find what was published at these paths; what has no manifest does not exist."""
    with reaching(store.root):
        manifests = store.read_many(f"{path}/{MANIFEST}" for path in paths)
    found = {}
    for name, data in manifests.items():
        try:
            manifest = Manifest.model_validate_json(data)
        except ValidationError as error:
            named = [each["msg"] for each in error.errors() if each["type"] == "value_error"]
            said = named[0].removeprefix("Value error, ") if named else "is damaged"
            raise StoreError(f"{store.root}/{name}: {said}; restore it") from error
        path = name.removesuffix(f"/{MANIFEST}")
        found[path] = Published(path=path, digest=_digest(data), manifest=manifest)
    return found


def read_files(store: Store, wanted: Iterable[tuple[Published, str]]) -> list[bytes]:
    """Read published files at once; StoreError if one's bytes are not those that were published."""
    asked = [(each.path_of(name), each.manifest.files.get(name)) for each, name in wanted]
    with reaching(store.root):
        found = store.read_many(path for path, _ in asked)
    for path, digest in asked:
        if path not in found:
            raise StoreError(f"{store.root}/{path}: is missing; restore it")
        if _digest(found[path]) != digest:
            raise StoreError(f"{store.root}/{path}: was changed after it was published; restore it")
    return [found[path] for path, _ in asked]


def read_file(store: Store, published: Published, name: str) -> bytes:
    """Read one published file; StoreError if its bytes are not those that were published."""
    return read_files(store, [(published, name)])[0]


def check_files(store: Store, published: Published) -> None:
    """Read all files of what was published; StoreError names the one that is not as it was."""
    read_files(store, [(published, name) for name in published.manifest.files])


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
            where = f"{store.root}/{snapshot.path}"
            raise StoreError(
                f"{where}/{name}: was changed after it was published; remove {where} "
                "to have it extracted again"
            )
    return [folder / name for name in snapshot.manifest.files]


def version_path(model: str, version: str) -> str:
    return f"{_model_path(model)}/{check_version(version)}"


def _model_path(model: str) -> str:
    return f"models/{check_model(model)}"


def list_models(store: Store) -> list[str]:
    """List the models that have a version or a decision; a killed run may leave an empty name."""
    with reaching(store.root):
        names = store.children("models")
    return [name for name in names if is_model(name) and _holds_anything(store, name)]


def list_versions(store: Store, model: str) -> dict[str, Published]:
    """List a model's versions by what they know: oldest as-of first, then the first published."""
    paths = [version_path(model, name) for name in _list_names(store, model)]
    found = find_all(store, paths).values()
    return {each.version: each for each in sorted(found, key=lambda each: each.age)}


def find_version(store: Store, model: str, version: str) -> Published | None:
    return find(store, version_path(model, version))


def get_version(store: Store, model: str, version: str) -> Published:
    """Find a version that must exist; its first letters are enough when only one version fits."""
    names = _list_names(store, model)
    fitting = [name for name in names if version and name.startswith(version)]
    wanted = [version] if version in names else fitting
    found = list(find_all(store, [version_path(model, name) for name in wanted]).values())
    if len(found) == 1:
        return found[0]
    what = "is ambiguous" if found else "does not exist"
    known = [each.version for each in found] or list_versions(store, model)
    raise DefinitionError(f"{model}: version {version!r} {what}; {nearest(version, known)}")


def find_champion(store: Store, model: str) -> Published | None:
    """Find the version that the ledger released last; its bytes must be those decided on."""
    return find_released(store, model, read_trusted_ledger(store, model))


def find_released(store: Store, model: str, ledger: list[Entry]) -> Published | None:
    """Find the version that a ledger, read before, released last."""
    crowned = list_crowned(ledger)
    if not crowned:
        return None
    entry = crowned[-1]
    champion = find_version(store, model, entry.version)
    if champion is None or champion.digest != entry.manifest:
        raise StoreError(
            f"{model}: champion {entry.version} is not what ledger entry {entry.number} "
            "released; restore its files or roll back"
        )
    check_approved(ledger, entry)
    return champion


def find_unedited(store: Store, model: str, ledger: list[Entry]) -> Published | None:
    """Find the version that a ledger released last; StoreError if any file of it was edited."""
    champion = find_released(store, model, ledger)
    if champion is not None:
        check_files(store, champion)
    return champion


def _holds_anything(store: Store, model: str) -> bool:
    versions = reversed(_list_names(store, model))
    return any(find_version(store, model, name) for name in versions) or bool(
        read_trusted_ledger(store, model)
    )


def _list_names(store: Store, model: str) -> list[str]:
    with reaching(store.root):
        names = store.children(_model_path(model))
    return [name for name in names if name != "ledger" and is_version(name)]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
