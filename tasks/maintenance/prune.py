"""Prune: find what a root holds and nobody needs, and remove it.

Kept are the champions that rolling back leads to, what waits for a decision, the newest versions,
and what the ledger names as released, with all that they were made of. Responsible for what may go,
in which order, and for looking again right before a version goes. Not responsible for how bytes
disappear at once (`storage`), nor for Prefect's database and BentoML's own store.
"""

import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from tasks.core.definition import Frozen
from tasks.core.definition_file import list_definitions, load_definition
from tasks.core.errors import PerennialError
from tasks.features.feature_tables import tables_digest
from tasks.monitoring.log_pieces import list_copies
from tasks.registry.code_digest import code_digest
from tasks.registry.released_bento import bento_path
from tasks.registry.snapshots import snapshot_path
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.registry.version_status import is_open, list_champions
from tasks.registry.versions import (
    Published,
    find_all,
    list_models,
    list_versions,
    read_json,
    version_path,
)
from tasks.storage.local_cache import list_cached
from tasks.storage.store import Store, reaching
from tasks.training.published_model import read_definition

log = logging.getLogger("perennial.prune")

Kind = Literal["version", "bento", "snapshot", "log copy", "tables", "monitoring", "cache"]
KEPT_VERSIONS, SPARED = 5, timedelta(days=1)


class Waste(Frozen):
    """Something that may go: its path in the root, or on this machine, and why."""

    kind: Kind
    path: str
    bytes: int
    why: str


class Rule(Frozen):
    """What is kept: the newest `versions`, `released` ones, and whatever is younger than `spared`.

    A run that is under way has published only what is young.
    """

    versions: int = KEPT_VERSIONS
    released: bool = True
    spared: timedelta = SPARED


def find_waste(store: Store, rule: Rule, now: datetime) -> list[Waste]:
    """List what may go, in the order in which it has to."""
    found: list[Waste] = []
    snapshots: set[str] = set()
    for model in list_models(store):
        versions = list_versions(store, model)
        needed = choose_needed(store, model, versions, rule, now)
        kept = [each for name, each in versions.items() if name in needed]
        snapshots |= {str(read_json(store, each, "lineage.json")["snapshot"]) for each in kept}
        for name in versions.keys() - needed:
            path = version_path(model, name)
            found.append(_waste(store, "version", path, "neither released, waiting nor new"))
        found += _find_bentos(store, model, needed, rule, now)
        found += _find_copies(store, model, now)
        found += _find_tables(store, model, kept)
        found += _find_references(store, model, needed)
    found += _find_snapshots(store, snapshots, rule, now)
    return sorted(found, key=lambda each: each.kind != "version") + _find_caches(store, rule, now)


def choose_needed(
    store: Store, model: str, versions: dict[str, Published], rule: Rule, now: datetime
) -> set[str]:
    """Choose the versions that stay."""
    ledger = read_trusted_ledger(store, model)
    released = {entry.version for entry in ledger if entry.action == "release"}
    newest = [*versions][-rule.versions :] if rule.versions else []
    young = [name for name, each in versions.items() if now - each.manifest.time < rule.spared]
    opened = [name for name in versions if is_open(ledger, model, name)]
    waiting = [
        name for name in opened if read_json(store, versions[name], "verdict.json")["passed"]
    ]
    approved = {each.version for each in ledger if each.action == "approve"} & {*opened}
    needed = {*list_champions(ledger), *newest, *young, *waiting, *approved}
    return needed | (released if rule.released else set())


def remove_waste(store: Store, found: Iterable[Waste], rule: Rule) -> Iterator[Waste]:
    """Remove what was found, one thing after the other, and give what is gone.

    A version that someone decided on meanwhile stays, and so does a snapshot that a run reads.
    """
    stays: set[str] = set()
    for each in found:
        if each.kind == "cache":
            Path(each.path).unlink(missing_ok=True)
            yield each
            continue
        if each.kind == "version" and _is_needed_now(store, each.path, rule):
            stays |= {each.path.rpartition("/")[2], _snapshot_of(store, each.path)}
            continue
        if each.path.rpartition("/")[2] in stays:
            continue
        with reaching(store.root):
            gone = store.retire(each.path)
        if gone:
            yield each
        else:
            log.info("%s is being read and stays", each.path)


def _is_needed_now(store: Store, path: str, rule: Rule) -> bool:
    _, model, name = path.split("/")
    versions = list_versions(store, model)
    return name in choose_needed(store, model, versions, rule, datetime.now(UTC))


def _snapshot_of(store: Store, path: str) -> str:
    found = find_all(store, [path])
    return str(read_json(store, found[path], "lineage.json")["snapshot"]) if found else ""


def _waste(store: Store, kind: Kind, path: str, why: str) -> Waste:
    with reaching(store.root):
        return Waste(kind=kind, path=path, bytes=store.size(path), why=why)


def _find_bentos(
    store: Store, model: str, needed: set[str], rule: Rule, now: datetime
) -> Iterator[Waste]:
    """Find bentos of versions that go, and those that never became a release."""
    released = {each.version for each in read_trusted_ledger(store, model) if each.bento}
    with reaching(store.root):
        paths = [bento_path(model, name) for name in store.children(f"bentos/{model}")]
    for path, bento in find_all(store, paths).items():
        young = now - bento.manifest.time < rule.spared
        if bento.version not in needed & released and not young:
            yield _waste(store, "bento", path, "its version goes, or was never released")


def _find_snapshots(store: Store, needed: set[str], rule: Rule, now: datetime) -> Iterator[Waste]:
    with reaching(store.root):
        names = store.children("snapshots")
    for path, found in find_all(store, map(snapshot_path, names)).items():
        if found.version not in needed and now - found.manifest.time >= rule.spared:
            yield _waste(store, "snapshot", path, "no version that stays was made of it")


def _find_copies(store: Store, model: str, now: datetime) -> Iterator[Waste]:
    for path in list_copies(store, model, now):
        yield _waste(store, "log copy", path, "its rows are in a piece that the monitor reads")


def _find_tables(store: Store, model: str, kept: Iterable[Published]) -> Iterator[Waste]:
    """Find feature tables made as no definition that is in use makes them."""
    definitions = [read_definition(store, each) for each in kept]
    if path := list_definitions().get(model):
        try:
            definitions.append(load_definition(path))
        except PerennialError:
            return  # what it will need cannot be told
    used = {tables_digest(each)[:16] for each in definitions if each.tables}
    with reaching(store.root):
        names = store.children(f"tables/{model}")
    for name in names:
        if name not in used:
            why = "made as no definition makes them any more"
            yield _waste(store, "tables", f"tables/{model}/{name}", why)


def _find_references(store: Store, model: str, needed: set[str]) -> Iterator[Waste]:
    """Find what the monitor keeps of versions that go, or by code that is no longer there."""
    for folder, code in (("champions", f"-{code_digest()[:10]}"), ("yardsticks", "")):
        path = f"monitoring/{model}/{folder}"
        with reaching(store.root):
            names = store.children(path)
        for name in names:
            if name.removesuffix(code) not in needed:
                why = "it can be made again, or is of a version that goes"
                yield _waste(store, "monitoring", f"{path}/{name}", why)


def _find_caches(store: Store, rule: Rule, now: datetime) -> list[Waste]:
    """Find cached files that nobody used lately."""
    found = []
    for file in list_cached(store):
        seen = file.stat()
        if now - datetime.fromtimestamp(seen.st_mtime, UTC) >= rule.spared:
            why = "nobody used it lately"
            found.append(Waste(kind="cache", path=str(file), bytes=seen.st_size, why=why))
    return found
