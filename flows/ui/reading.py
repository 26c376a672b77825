"""Reads what the pages show: versions, ledgers and looks; what cannot change is read once.

A version's files are known by the digest of its manifest and a look by its name, so both are kept
in memory, the least used of them go first. Not responsible for what a page says of them.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from tasks.core.definition import Definition
from tasks.core.definition_file import list_definitions, load_definition
from tasks.core.errors import DefinitionError
from tasks.core.names import is_model
from tasks.monitoring.looks import Look, read_looks
from tasks.registry.versions import Published, read_files
from tasks.storage.store import Store, reaching

_KEPT = 6_000
_PARTS = ("lineage.json", "evaluation.json", "verdict.json", "analysis.json")


class Reader:
    """Reads one root for all requests."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._kept: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._lock = Lock()

    def models(self) -> list[str]:
        """List the models that have a folder in the root or a definition here, whole or not."""
        with reaching(self.store.root):
            names = self.store.children("models")
        return sorted(filter(is_model, {*names, *list_definitions()}))

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
            return read_looks(self.store, model, missing)

        return list(self._recall(f"look {model}", names, read).values())

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
            known = {name: self._kept.get((kind, name)) for name in names}
        made = read([name for name, value in known.items() if value is None])
        with self._lock:
            for name in names:
                if (value := made.get(name, known[name])) is not None:
                    self._kept[kind, name] = value
                    self._kept.move_to_end((kind, name))
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
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
    warned = analysis["warnings"] + lineage.get("warnings", [])
    broken = [each for each in analysis["checks"] if not each["passed"]]
    return {
        "version": published.version,
        "as_of": lineage["as_of"],
        "published": published.manifest.time.isoformat(),
        "passed": verdict["passed"],
        "failed": [each["name"] for each in verdict["checks"] if not each["passed"]],
        "warnings": [*warned, *(f"{each['name']}: {each['detail']}" for each in broken)],
        "metrics": evaluation["metrics"]["holdout"],
        "simple": evaluation["simple"],
        "rows": evaluation.get("rows"),
        "against": (verdict["champion"] or {}).get("version"),
    }
