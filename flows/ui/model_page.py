"""What the pages of one model say: the model with its history, a version, and a look at it."""

import hashlib
from typing import Any

from flows.ui.models_page import describe_champion, describe_look, find_waiting
from flows.ui.moved_features import find_moved
from flows.ui.reading import Reader
from flows.ui.refused_retrains import find_refused
from flows.ui.retrain_runs import describe_retrains
from flows.ui.time_axis import draw_drift, draw_quality
from tasks.core.errors import DefinitionError, StoreError
from tasks.core.names import check_model, check_version
from tasks.monitoring.looks import Look, list_looks
from tasks.registry.ledger import Entry, list_crowned
from tasks.registry.overview import describe_version
from tasks.registry.released_bento import PROOF, get_bento
from tasks.registry.signatures import find_signers
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.registry.version_status import find_release, is_open, list_champions
from tasks.registry.versions import (
    Published,
    find_unedited,
    find_version,
    read_file,
    read_json,
)
from tasks.storage.store import reaching


class NotThere(DefinitionError):
    """There is no such page."""


def describe_model(reader: Reader, model: str) -> dict[str, Any]:
    """Describe a model: what serves, its versions, decisions and looks, each by its time."""
    store = reader.store
    versions, ledger = reader.versions(model), read_trusted_ledger(store, model)
    definition = reader.definition(model)
    if not versions and not ledger and definition is None:
        raise NotThere(f"{model}: there is no such model in {store.root}")
    names = list_looks(store, model)
    looks = reader.looks(model, names)
    champions = list_champions(ledger)
    champion = find_unedited(store, model, ledger)
    return {
        "model": model,
        "description": definition.description if definition else "",
        "card": definition.card.model_dump() if definition else {},
        "champion": describe_champion(champion, ledger),
        "waiting": [each["version"] for each in find_waiting(reader, model, versions, ledger)],
        "refused": find_refused(reader, model, versions, champion, names),
        "previous": champions[:-1][::-1],
        "signed": find_signers(model) is not None,
        "known": len(ledger),
        "versions": [
            {**each, "state": name_state(ledger, model, each["version"])}
            for each in reversed(reader.summaries(versions.values()))
        ],
        "retrains": describe_retrains(model),
        "decisions": [describe_entry(each) for each in reversed(ledger)],
        "quality": draw_quality(looks, list_crowned(ledger)),
        "drift": draw_drift(looks),
        "moved": find_moved(reader, model, names, looks[-1]) if looks else [],
        "looks": [describe_look(each) for each in reversed(looks)],
    }


def describe_entry(entry: Entry) -> dict[str, Any]:
    """Describe a decision; a signature only by who gave it."""
    fields = {"number", "action", "version", "approver", "os_user", "time", "reason", "override"}
    return entry.model_dump(mode="json", include=fields | {"signer"})


def name_state(ledger: list[Entry], model: str, version: str) -> str:
    """Say in a word what became of a version."""
    champions = list_champions(ledger)
    if champions and champions[-1] == version:
        return "serves"
    if find_release(ledger, version):
        return "served"
    if any((each.action, each.version) == ("reject", version) for each in ledger):
        return "rejected"
    if not is_open(ledger, model, version):
        return "outdated"
    approved = any((each.action, each.version) == ("approve", version) for each in ledger)
    return "approved" if approved else "open"


def get_published(reader: Reader, model: str, version: str) -> Published:
    """Find a version by its whole name."""
    found = find_version(reader.store, check_model(model), check_version(version))
    if found is None:
        raise NotThere(f"{model}: there is no version {version}")
    return found


def describe_one(reader: Reader, model: str, version: str, beside: str) -> dict[str, Any]:
    """Describe a version: verdict, metrics beside another's, lineage, files and decisions."""
    store, published = reader.store, get_published(reader, model, version)
    ledger = read_trusted_ledger(store, model)
    state = name_state(ledger, model, version)
    other = describe_version(store, get_published(reader, model, beside)) if beside else None
    names = [each for each in reader.versions(model) if each != version]
    return {
        **describe_version(store, published),
        "state": state,
        "signed": find_signers(model) is not None,
        "known": len(ledger),
        "published": published.manifest.time.isoformat(),
        "files": published.manifest.files,
        "lineage": read_json(store, published, "lineage.json"),
        "decisions": [describe_entry(each) for each in ledger if each.version == version],
        "proof": find_proof(reader, model, ledger, version),
        "beside": other,
        "others": names[::-1],
        "serving": next(iter(list_champions(ledger)[-1:]), None),
    }


def find_proof(
    reader: Reader, model: str, ledger: list[Entry], version: str
) -> dict[str, Any] | None:
    """Read how a released version's service answered before it was released."""
    entry = find_release(ledger, version)
    if entry is None or not entry.bento:
        return None
    proof: dict[str, Any] = read_json(reader.store, get_bento(reader.store, model, entry), PROOF)
    return proof


def read_report(reader: Reader, model: str, version: str) -> bytes:
    """Read a version's report, as it was published."""
    return read_file(reader.store, get_published(reader, model, version), "report.html")


def get_look(reader: Reader, model: str, name: str) -> Look:
    """Find a look by its name."""
    found = reader.looks(check_model(model), [name])
    if not found:
        raise NotThere(f"{model}: there is no look {name}")
    return found[0]


def describe_one_look(reader: Reader, model: str, name: str) -> dict[str, Any]:
    """Describe a look, with the looks before and after it."""
    look, names = get_look(reader, model, name), list_looks(reader.store, model)
    try:
        page: str | None = "own" if read_look_page(reader, model, name)[1] else "later"
    except NotThere:
        page = None
    place = names.index(name) if name in names else 0
    return {
        "model": model,
        **look.model_dump(mode="json"),
        "name": name,
        "page": page,
        "before": names[place - 1] if place else None,
        "after": names[place + 1] if place + 1 < len(names) else None,
        "columns": [
            each.model_dump()
            for each in sorted(look.columns, key=lambda each: -each.distance * (each.weight + 0.01))
        ],
    }


def read_look_page(reader: Reader, model: str, name: str) -> tuple[bytes, bool]:
    """Read a look's page; False where that is of a later look about the same day."""
    look = get_look(reader, model, name)
    if not look.report.startswith(f"monitoring/{model}/reports/"):
        raise StoreError(f"{model}: the look {name} names another file as its page")
    with reaching(reader.store.root):
        page = reader.store.read_many([look.report]).get(look.report)
    if page is None:
        raise NotThere(f"{model}: the page of this look was removed: {look.report}")
    return page, hashlib.sha256(page).hexdigest() == look.digest
