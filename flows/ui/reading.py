"""Reads what the pages show: versions, ledgers and looks; what cannot change is read once.

Versions and looks never change under their names, nor a ledger under its newest entry, which holds
the digests of all before; the least used of what is kept in memory goes first. A page on which one
decides reads the ledger whole, and the champion's files are verified each time. Not responsible for
what a page says of them.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from tasks.core.checks import say_failed
from tasks.core.definition import Definition
from tasks.core.definition_file import list_definitions, load_definition
from tasks.core.errors import DefinitionError
from tasks.core.names import check_model, is_model, is_version
from tasks.monitoring.looks import Look, read_looks
from tasks.registry.ledger import Entry, ledger_path
from tasks.registry.overview import list_warnings
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.registry.versions import Published, find_all, read_files, version_path
from tasks.storage.store import Store, reaching

_KEPT = {"look": 2_500}  # of the most, about 25 KB each
_KEPT_OTHERS = 5_000
_PARTS = ("lineage.json", "evaluation.json", "verdict.json", "analysis.json")


class Reader:
    """Reads one root for all requests."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._kept: dict[str, OrderedDict[str, Any]] = {}
        self._lock = Lock()

    def models(self) -> list[str]:
        """List the models that have a folder in the root or a definition here, whole or not."""
        with reaching(self.store.root):
            names = self.store.children("models")
        return sorted(filter(is_model, {*names, *list_definitions()}))

    def versions(self, model: str) -> dict[str, Published]:
        """List a model's versions as `list_versions` does; of known ones only whether they are."""
        with reaching(self.store.root):
            names = self.store.children(f"models/{check_model(model)}")
        paths = [version_path(model, name) for name in names if is_version(name)]
        found = self._recall("manifest", paths, lambda missing: find_all(self.store, missing))
        return {each.version: each for each in sorted(found.values(), key=lambda each: each.age)}

    def ledger(self, model: str) -> list[Entry]:
        """Read a ledger, which is verified where it has another newest entry than before."""
        with reaching(self.store.root):
            names = self.store.children(ledger_path(model))
            newest = self.store.read(f"{ledger_path(model)}/{names[-1]}") if names else b""
        key = f"{model} {len(names)} {hashlib.sha256(newest).hexdigest()}"

        def read(missing: list[str]) -> dict[str, list[Entry]]:
            return {name: read_trusted_ledger(self.store, model) for name in missing}

        entries: list[Entry] = self._recall("ledger", [key], read)[key]
        return entries

    def definition(self, model: str) -> Definition | None:
        """Read a model's definition as it is now; None where this folder has none."""
        path = list_definitions().get(model)
        if path is None:
            return None
        try:
            seen = path.stat()
        except OSError as error:
            raise DefinitionError(f"{path}: {error.strerror}") from error
        key = f"{path} {seen.st_mtime_ns} {seen.st_size}"
        found = self._recall("definition", [key], lambda _: {key: load_definition(path)})
        definition: Definition = found[key]
        return definition

    def looks(self, model: str, names: Iterable[str]) -> list[Look]:
        """Read looks by name, in the order of the names; what is gone meanwhile is left out."""

        def read(missing: list[str]) -> dict[str, Look]:
            known = [name.rpartition("/")[2] for name in missing]
            found = read_looks(self.store, model, known)
            return {f"{model}/{name}": look for name, look in found.items()}

        return list(self._recall("look", [f"{model}/{name}" for name in names], read).values())

    def summaries(self, versions: Iterable[Published]) -> list[dict[str, Any]]:
        """Read what a list shows of each version, all at once: a bucket takes its time for each."""
        wanted = {each.digest: each for each in versions}

        def read(missing: list[str]) -> dict[str, dict[str, Any]]:
            asked = [(wanted[digest], name) for digest in missing for name in _PARTS]
            parsed = map(json.loads, read_files(self.store, asked))
            return {
                digest: summarise(wanted[digest], *(next(parsed) for _ in _PARTS))
                for digest in missing
            }

        return list(self._recall("version", wanted, read).values())

    def _recall(
        self, kind: str, names: Iterable[str], read: Callable[[list[str]], dict[str, Any]]
    ) -> dict[str, Any]:
        """Give what is known by these names, in their order, and read what is not."""
        names = list(names)
        with self._lock:
            kept = self._kept.setdefault(kind, OrderedDict())
            known = {name: kept.get(name) for name in names}
        missing = [name for name, value in known.items() if value is None]
        made = read(missing) if missing else {}
        with self._lock:
            for name in names:
                if (value := made.get(name, known[name])) is not None:
                    kept[name] = value
                    kept.move_to_end(name)
            while len(kept) > _KEPT.get(kind, _KEPT_OTHERS):
                kept.popitem(last=False)
        found = {name: made.get(name, known[name]) for name in names}
        return {name: value for name, value in found.items() if value is not None}


def summarise(
    published: Published,
    lineage: dict[str, Any],
    evaluation: dict[str, Any],
    verdict: dict[str, Any],
    analysis: dict[str, Any],
) -> dict[str, Any]:
    """Summarise a version: what it is of, how good it is, and what speaks against it."""
    warned = list_warnings(lineage, verdict, analysis)
    broken = [each for each in analysis["checks"] if not each["passed"]]
    return {
        "version": published.version,
        "as_of": lineage["as_of"],
        "published": published.manifest.time.isoformat(),
        "passed": verdict["passed"],
        "failed": [each["name"] for each in verdict["checks"] if not each["passed"]],
        "refusal": "" if verdict["passed"] else say_failed(verdict["checks"]),
        "warnings": [*warned, *(f"{each['name']}: {each['detail']}" for each in broken)],
        "metrics": evaluation["metrics"]["holdout"],
        **({"unit": lineage["unit"]} if "unit" in lineage else {}),
        "simple": evaluation["simple"],
        "rows": evaluation.get("rows"),
        "against": (verdict["champion"] or {}).get("version"),
    }
