"""Find the bento that was released for a version: the one whose digest its ledger entry names.

Responsible for where bentos are and for checking them against the ledger. Not responsible for what
is in one (`bento_archive`) and how it is tested (`acceptance_test`).
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
    """Find the bento at a version's path; only the ledger says whether it was released."""
    return find(store, bento_path(model, version))


def get_bento(store: Store, model: str, entry: Entry) -> Published:
    """Find the bento that a ledger entry released; StoreError if it, or its proof, is another."""
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
