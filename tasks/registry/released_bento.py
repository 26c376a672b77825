"""Which bento was proven for a version, and is the one that its ledger entry names.

Owns where bentos lie, and that nothing there counts but by a ledger's entry. Refuses to know what
is in one (`archives`) and how it is proven (`proof`): a service that follows asks here, too.
"""

from tasks.core.errors import StoreError
from tasks.core.names import check_model, check_version
from tasks.registry.ledger import Entry
from tasks.registry.versions import Published, find, read_json
from tasks.storage.store import Store

PROOF = "proof.json"


def bento_path(model: str, version: str) -> str:
    return f"bentos/{check_model(model)}/{check_version(version)}"


def find_bento(store: Store, model: str, version: str) -> Published | None:
    """Find what lies where a version's bento does; whether it counts, only a ledger can say."""
    return find(store, bento_path(model, version))


def get_bento(store: Store, model: str, entry: Entry) -> Published:
    """Find the bento that a ledger entry released, with a proof of the very files it is about."""
    bento = find_bento(store, model, entry.version)
    if bento is None or bento.digest != entry.bento:
        raise StoreError(f"{model}: the bento of {entry.version} is not what was released")
    proof = read_json(store, bento, PROOF)
    if (proof["model"], proof["version"], proof["manifest"]) != (
        model,
        entry.version,
        entry.manifest,
    ):
        raise StoreError(f"{model}: the bento of {entry.version} was proven for other files")
    return bento
