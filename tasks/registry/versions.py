"""Published versions of models, and which of them is the champion.

Responsible for a version's name and for its manifest, without which it does not exist. Not
responsible for how bytes are kept (`storage`), for decisions (`ledger`), and for what is in a
version's files (the production steps).
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
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


class Manifest(Frozen):
    """The SHA-256 of each file by name, the time of publication, and the subfolder they are in."""

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
    """A folder that was published: its path in the store, its manifest and that one's SHA-256."""

    path: str
    digest: str
    manifest: Manifest

    @property
    def version(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def age(self) -> tuple[datetime, datetime]:
        """The as-of time and the publication time; twice the latter for data without times."""
        published, stamp = self.manifest.time, self.version.partition("-")[0]
        try:
            return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC), published
        except ValueError:
            return published, published

    def path_of(self, name: str) -> str:
        return "/".join(part for part in (self.path, self.manifest.attempt, name) if part)


def name_version(as_of: datetime | None, *digests: str) -> str:
    """Name a version by its as-of time, where there is one, and a hash of all inputs' digests.

    >>> name_version(datetime(2013, 10, 1, tzinfo=UTC), "data", "code")
    '20131001T000000Z-7b0ef489b0'
    """
    stamp = f"{as_of.astimezone(UTC):{_STAMP}}-" if as_of else ""
    return stamp + hashlib.sha256("\n".join([str(as_of), *digests]).encode()).hexdigest()[:10]


def publish(store: Store, folder: Path, path: str) -> Published:
    """Publish a folder's files with a manifest of their digests, all at once.

    Raises FileExistsError if another run published there first, StoreError if storage fails.
    """
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
    """Publish a folder, or return what another run published there, before or meanwhile."""
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
    """Find what was published at a path; None where there is no manifest.

    Raises StoreError where the manifest is damaged.
    """
    return find_all(store, [path]).get(path)


def find_all(store: Store, paths: Iterable[str]) -> dict[str, Published]:
    """Find what was published at these paths, by path; those without a manifest are left out."""
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
    """Read published files at once; StoreError if one is missing or not as it was published."""
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
    """Read one published file; StoreError if it is missing or not as it was published."""
    return read_files(store, [(published, name)])[0]


def check_files(store: Store, published: Published) -> None:
    """Verify all files of a publication; StoreError names the one that was changed."""
    read_files(store, [(published, name) for name in published.manifest.files])


def read_json(store: Store, published: Published, name: str) -> Any:
    return json.loads(read_file(store, published, name))


def version_path(model: str, version: str) -> str:
    return f"{_model_path(model)}/{check_version(version)}"


def _model_path(model: str) -> str:
    return f"models/{check_model(model)}"


def list_models(store: Store) -> list[str]:
    """List the models that have a version or a decision; killed runs may leave empty folders."""
    with reaching(store.root):
        names = store.children("models")
    return [name for name in names if is_model(name) and _holds_anything(store, name)]


def list_versions(store: Store, model: str) -> dict[str, Published]:
    """List a model's versions by name: oldest as-of time first, then the first published."""
    paths = [version_path(model, name) for name in _list_names(store, model)]
    found = find_all(store, paths).values()
    return {each.version: each for each in sorted(found, key=lambda each: each.age)}


def find_version(store: Store, model: str, version: str) -> Published | None:
    return find(store, version_path(model, version))


def get_version(store: Store, model: str, version: str) -> Published:
    """Find a version by its name, or by the first letters of it that fit no other version.

    Raises DefinitionError where none or several fit.
    """
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
    """Find the champion: the version that the ledger released, or rolled back to, last.

    Raises StoreError where its manifest is not the approved one, or the ledger is not whole.
    """
    return find_released(store, model, read_trusted_ledger(store, model))


def find_released(store: Store, model: str, ledger: list[Entry]) -> Published | None:
    """Find the champion by a ledger that was read before."""
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
    """Find the champion and verify all its files; StoreError if one was edited."""
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
