"""Released versions among BentoML's models: `bentoml models list`, `bentoml models get NAME`.

Responsible for what BentoML tells of a version, and that it appears there whole or not at all. Not
responsible for what was released: the registry says so, and all that is written here is a copy of
it that may be deleted.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.core.definition import parse_definition
from tasks.core.errors import StoreError, first_line
from tasks.registry.ledger import Entry
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.registry.versions import MANIFEST, Published, find_version, read_files
from tasks.serving.bento_archive import bento_tag, bentoml_home, point_latest
from tasks.storage.folder import flush
from tasks.storage.store import Store, lend_folder, reaching

_ABOUT = "model.yaml"

log = logging.getLogger("perennial.serving")


def offer_models(store: Store, model: str) -> None:
    """Put each released version where a person's own BentoML lists models, if it is not there.

    BentoML's own `save` is not used: it writes in place, and a half model that a killed one leaves
    makes every later `bentoml models list` fail.
    """
    home = bentoml_home()
    with _only_warning(model, home):
        releases = [each for each in read_trusted_ledger(store, model) if each.action == "release"]
        with lend_folder(home / "tmp") as folder:
            for entry in releases:
                with _only_warning(bento_tag(model, entry.version), home):
                    point_latest(place_model(store, model, entry, home, folder), folder)


@contextmanager
def _only_warning(what: str, home: Path) -> Iterator[None]:
    """Tell what fails, whatever it is: the release that came before must not fail by it."""
    try:
        yield
    except Exception as error:
        log.warning("%s: is not among the models in %s: %s", what, home, first_line(error))


def place_model(store: Store, model: str, entry: Entry, home: Path, folder: Path) -> Path:
    """Write a released version's files aside in `folder`, then rename that to its place."""
    tag = bento_tag(model, entry.version)
    target, draft = home / "models" / tag.replace(":", "/"), folder / entry.version
    if (target / _ABOUT).is_file():
        return target
    published = find_version(store, model, entry.version)
    if published is None or published.digest != entry.manifest:
        raise StoreError(f"it is not what ledger entry {entry.number} released; restore its files")
    names = list(published.manifest.files)
    files = dict(zip(names, read_files(store, [(published, each) for each in names]), strict=True))
    files[MANIFEST] = store.read(f"{published.path}/{MANIFEST}")
    with reaching(str(home)):
        draft.mkdir()
        for name, data in files.items():
            (draft / name).write_bytes(data)
        write_about(draft / _ABOUT, tag, published, files, entry)
        for each in (*draft.iterdir(), draft):
            flush(each)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.rename(target)
        except OSError:
            if not (target / _ABOUT).is_file():  # else another run was first
                raise
    return target


def write_about(
    path: Path, tag: str, published: Published, files: dict[str, bytes], entry: Entry
) -> None:
    """Write what BentoML tells of a model, in BentoML's own form."""
    from bentoml import Tag  # not at the start of every command
    from bentoml._internal.models.model import ModelContext, ModelInfo

    lineage = json.loads(files["lineage.json"])
    packages = lineage["packages"]
    context = ModelContext(
        framework_name="lightgbm",
        framework_versions={"lightgbm": packages["lightgbm"]},
        python_version=packages["python"],
    )
    info = ModelInfo(
        tag=Tag.from_str(tag),
        module="",
        labels={"version": entry.version, "approver": entry.approver},
        options={},
        metadata=describe(files, lineage, entry),
        context=context,
        signatures={},
        api_version="v1",
        creation_time=published.manifest.time,
    )
    with path.open("w", encoding="utf-8") as file:
        info.dump(file)


def describe(files: dict[str, bytes], lineage: dict[str, Any], entry: Entry) -> dict[str, Any]:
    """Tell what a version was made of, how good it is and who let it out; no value is null."""
    evaluation, verdict, analysis = (
        json.loads(files[f"{name}.json"]) for name in ("evaluation", "verdict", "analysis")
    )
    traced = ("snapshot", "sources", "definition", "code", "modules", "packages", "parameters")
    released = {"manifest", "approver", "time", "reason", "bento", "signer"}
    described = {
        "as_of": lineage["as_of"],
        "period": {**find_period(files, analysis), **lineage["split"]},
        "rows": {
            "snapshot": lineage["snapshot_rows"],
            **lineage["rows"],
            **{name: lineage[name] for name in ("unlabelled", "immature")},
        },
        "metrics": {
            **evaluation["metrics"],
            **{name: evaluation[name] for name in ("baseline", "simple")},
        },
        "gate": {
            each["name"]: {"passed": each["passed"], **each["numbers"]}
            for each in verdict["checks"]
        },
        "lineage": {name: lineage[name] for name in (*traced, "rounds", "refit", "champion")},
        "release": {
            "entry": entry.number,
            "override": entry.override,
            **entry.model_dump(mode="json", include=released, exclude_defaults=True),
        },
    }
    kept: dict[str, Any] = _without_nulls(described)
    return kept


def find_period(files: dict[str, bytes], analysis: dict[str, Any]) -> dict[str, str]:
    """Find the first and the last event's time in the snapshot; empty for data without times."""
    definition = parse_definition(files["definition.toml"].decode("utf-8-sig"), "definition.toml")
    column = analysis["columns"].get(definition.extract.time)
    if column is None or not column["dtype"].startswith("Date"):
        return {}
    first, last = (datetime.fromtimestamp(column[end], UTC).isoformat() for end in ("min", "max"))
    return {"first": first, "last": last}


def _without_nulls(value: Any) -> Any:
    """Leave out what is null: BentoML's metadata takes none."""
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return value
