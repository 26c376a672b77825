"""What two versions' own files say that changed: definition, features, code, packages and data.

Responsible for naming each change with both of its sides. Not responsible for what it does to
predictions (`shared_rows`), and reads no rows.
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from difflib import unified_diff
from typing import Any, Literal

from tasks.analysis.profile import from_bytes
from tasks.analysis.profile_drift import ColumnDrift, measure_drift
from tasks.core.definition import Definition, Frozen
from tasks.core.durations import write_duration
from tasks.features.project_functions import FEATURE_CODE
from tasks.registry.versions import read_file, read_json
from tasks.storage.store import open_store
from tasks.training.published_model import PublishedModel

_BARE = re.compile(r"[A-Za-z0-9_-]+")  # what TOML needs no quotes for


class Change(Frozen):
    """Something that has another value; None where it has none."""

    name: str
    before: Any = None
    after: Any = None


class FeatureChange(Frozen):
    """A feature: what it is made of, and its share of all contributions on the holdout."""

    name: str
    change: Literal["added", "removed", "changed", "none"]
    before: str | None = None
    after: str | None = None
    share_before: float | None = None
    share_after: float | None = None


class CodeChange(Frozen):
    """A module of the project's own features: what changed in it, line by line."""

    module: str
    lines: tuple[str, ...]


class DataChanges(Frozen):
    """The snapshots behind two versions; nothing has drifted where it is the same one.

    `columns` are those that were added, removed or retyped, `drift` the others, the furthest first.
    """

    same: bool
    rows: tuple[Change, ...]
    sources: tuple[Change, ...]
    columns: tuple[ColumnDrift, ...] = ()
    drift: tuple[ColumnDrift, ...] = ()


class RecordedChanges(Frozen):
    """All that changed, by the files of both versions.

    `fitted` are what the definition does not say: LightGBM's other parameters, rounds, threshold.
    `modules` is the digest of Perennial's own code that makes models.
    """

    definition: tuple[Change, ...]
    features: tuple[FeatureChange, ...]
    fitted: tuple[Change, ...]
    modules: tuple[Change, ...]
    code: tuple[CodeChange, ...]
    packages: tuple[Change, ...]
    data: DataChanges

    @property
    def nothing(self) -> bool:
        """Whether nothing at all changed that a model is made of."""
        others = (self.definition, self.fitted, self.modules, self.code, self.packages)
        features = any(each.change != "none" for each in self.features)
        return self.data.same and not any(others) and not features


class Record(Frozen):
    """How a version was made, as its files say, or will say once it is published."""

    definition: Definition
    expressions: dict[str, str]
    importance: dict[str, float]
    lineage: dict[str, Any]
    code: dict[str, str]
    profile: bytes


def read_record(model: PublishedModel) -> Record:
    """Read a published version's files."""
    store, published = open_store(model.root), model.published
    written = FEATURE_CODE in published.manifest.files
    return Record(
        definition=model.definition,
        expressions=model.features.expressions,
        importance=model.read_importance(),
        lineage=model.lineage,
        code=read_json(store, published, FEATURE_CODE) if written else {},
        profile=read_file(store, published, "profile.bin"),
    )


def list_all_changes(before: Record, after: Record) -> RecordedChanges:
    """Compare how two versions were made."""
    one, other = before.lineage, after.lineage
    keys = compare_definitions(before.definition, after.definition)
    told = {each.name.removeprefix("training.params.") for each in keys}
    fitted = list_changes(_list_fitted(one), _list_fitted(other))
    return RecordedChanges(
        definition=keys,
        features=compare_features(before, after),
        fitted=tuple(each for each in fitted if each.name not in told),
        modules=list_changes(*({"modules": each.get("modules")} for each in (one, other))),
        code=compare_code(before.code, after.code),
        packages=list_changes(one["packages"], other["packages"]),
        data=compare_data(before, after),
    )


def list_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """List what differs between two mappings.

    >>> [each.name for each in list_changes({"a": 1, "b": 2}, {"b": 2, "c": 3})]
    ['a', 'c']
    """
    return tuple(
        Change(name=name, before=before.get(name), after=after.get(name))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    )


def compare_definitions(before: Definition, after: Definition) -> tuple[Change, ...]:
    """List the keys that have another value, defaults among them; features are told by theirs."""
    return list_changes(*(flatten(_dump(each)) for each in (before, after)))


def flatten(section: Mapping[str, Any], inside: str = "") -> dict[str, Any]:
    """Give each key by its path, as TOML writes it.

    >>> flatten({"training": {"holdout": timedelta(days=60)}, "checks": {"a.b": {"min": 0}}})
    {'training.holdout': '60d', 'checks."a.b".min': 0}
    """
    flat: dict[str, Any] = {}
    for key, value in section.items():
        path = inside + (key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False))
        flat |= flatten(value, f"{path}.") if isinstance(value, dict) and value else {path: value}
    return {
        path: write_duration(value) if isinstance(value, timedelta) else value
        for path, value in flat.items()
    }


def compare_features(before: Record, after: Record) -> tuple[FeatureChange, ...]:
    """Tell of each feature whether it changed, those that changed first, then the weightiest."""
    one, other = before.expressions, after.expressions
    found = [
        FeatureChange(
            name=name,
            change="added"
            if name not in one
            else "removed"
            if name not in other
            else "none"
            if one[name] == other[name]
            else "changed",
            before=one.get(name),
            after=other.get(name),
            share_before=before.importance.get(name),
            share_after=after.importance.get(name),
        )
        for name in dict.fromkeys([*other, *one])
    ]
    return tuple(sorted(found, key=lambda each: (each.change == "none", -_weight(each))))


def compare_code(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[CodeChange, ...]:
    """Compare modules line by line, as `diff -u` does."""
    return tuple(
        CodeChange(
            module=each.name,
            lines=tuple(
                unified_diff(
                    (each.before or "").splitlines(),
                    (each.after or "").splitlines(),
                    "before",
                    "after",
                    lineterm="",
                )
            ),
        )
        for each in list_changes(before, after)
    )


def compare_data(before: Record, after: Record) -> DataChanges:
    """Compare the snapshots by their profiles. The event time is left out: it always moves."""
    one, other = before.lineage, after.lineage
    same = one["snapshot"] == other["snapshot"]
    drift = () if same else measure_drift(*(from_bytes(each.profile) for each in (before, after)))
    times = {before.definition.extract.time, after.definition.extract.time}
    known = [each for each in drift if each.psi is not None and each.column not in times]
    return DataChanges(
        same=same,
        rows=list_changes(*map(_list_rows, (one, other))),
        sources=list_changes(one["sources"], other["sources"]),
        columns=tuple(each for each in drift if each.change != "none"),
        drift=tuple(sorted(known, key=lambda each: -(each.psi or 0))),
    )


def _dump(definition: Definition) -> dict[str, Any]:
    """Give all that a definition says: `schedule` makes no other model, but it is a key."""
    told = definition.model_dump(exclude={"features"})
    return told | {"schedule": definition.schedule.model_dump()}


def _list_fitted(lineage: Mapping[str, Any]) -> dict[str, Any]:
    settled = {name: lineage.get(name) for name in ("rounds", "threshold", "refit")}
    return {**lineage["parameters"], **settled}


def _list_rows(lineage: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: lineage.get(name) for name in ("unlabelled", "immature", "forgotten")}
    return {
        "as of": lineage["as_of"],
        "all rows": lineage["snapshot_rows"],
        **lineage["rows"],
        **kept,
    }


def _weight(each: FeatureChange) -> float:
    return max(each.share_before or 0, each.share_after or 0)
