"""Superseded candidates: those that wait although a candidate of newer data passed as well.

Responsible for which ones these are. Closing one is a rejection by the system (`decisions`): every
reader of a ledger knows that action. Where decisions are signed and the system has no key here,
none is closed, and the message about the newer candidate names those that still wait.
"""

import os

from tasks.registry.decisions import reject_superseded
from tasks.registry.ledger import Entry
from tasks.registry.overview import describe_model
from tasks.registry.signatures import SYSTEM_KEY, find_signers
from tasks.registry.version_status import is_older
from tasks.registry.versions import Published, list_versions, read_json
from tasks.storage.store import Store


def close_superseded(store: Store, model: str, newer: str) -> list[Entry]:
    """Reject what waits and is of older data than `newer`, which passed; give the entries.

    What a person approved already is left: its release goes on.
    """
    if find_signers(model) is not None and not os.environ.get(SYSTEM_KEY):
        return []
    entries = [
        reject_superseded(store, model, published, newer)
        for published in find_superseded(store, model, newer)
    ]
    return [entry for entry in entries if entry is not None]


def find_superseded(store: Store, model: str, newer: str) -> list[Published]:
    """List the versions that wait and are of older data than `newer`, if that waits as well."""
    waiting = describe_model(store, model)["waiting"]
    if newer not in waiting:
        return []
    versions = list_versions(store, model)
    others = [versions[name] for name in waiting if name != newer]
    return [each for each in others if _is_of_older_data(store, each, versions[newer])]


def _is_of_older_data(store: Store, published: Published, newer: Published) -> bool:
    """Compare as-of times; where data has none, another snapshot that was published before."""
    if published.age[0] != published.age[1]:
        return is_older(published.version, newer.version)
    snapshots = {read_json(store, each, "lineage.json")["snapshot"] for each in (published, newer)}
    return len(snapshots) > 1 and published.age < newer.age
