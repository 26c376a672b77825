"""Step 7, serving, as Prefect records it: build a bento, and prove it."""

import logging
from pathlib import Path

from tasks.core.errors import DecisionRefused, StoreError
from tasks.core.steps import step
from tasks.registry.ledger import Entry
from tasks.registry.released_bento import find_bento
from tasks.registry.versions import Published, get_version
from tasks.serving.acceptance_test import prove
from tasks.serving.bento_archive import publish_bento
from tasks.serving.bento_build import Bento, check_found, check_model, make_bento
from tasks.storage.store import open_store

log = logging.getLogger("perennial.serving")


@step("build")
def build_bento(root: str, model: str, approval: Entry, folder: Path) -> Bento:
    """Build the bento of exactly the version that was approved."""
    store = open_store(root)
    published = get_version(store, model, approval.version)
    if published.digest != approval.manifest:
        raise DecisionRefused(
            f"{model}: {approval.version} has other files than {approval.approver} approved"
        )
    bento = make_bento(store, published, folder)
    log.info("%s is built", bento.tag)
    return bento


@step("proof")
def prove_bento(root: str, model: str, version: str, bento: Bento, folder: Path) -> Published:
    """Boot the bento, hold its answers against the training path, and publish what holds.

    Where another one lies already, of a run that was interrupted or came first, it counts only if
    it is what was built here, byte by byte; and then it is that one which is proven.
    """
    store = open_store(root)
    published = get_version(store, model, version)
    check_model(bento, published)
    found = find_bento(store, model, version)
    if found is None:
        proof = prove(store, published, bento.folder, folder)
        log.info("%s", proof.summary)
        if made := publish_bento(store, bento.folder, proof, folder):
            return made
        found = find_bento(store, model, version)
    if found is None:
        raise StoreError(
            f"{model}: the bento of {version} has lost its manifest; remove its folder"
        )
    check_found(store, published, found, bento, folder)
    return found
