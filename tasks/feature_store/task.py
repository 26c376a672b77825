"""Materialising as Prefect records it: feature values for serving."""

import logging
from datetime import datetime
from pathlib import Path

from tasks.core.definition import Definition
from tasks.core.steps import step
from tasks.feature_store.materialise import make_tables
from tasks.feature_store.online_tables import Listing, forget_old, read_listing
from tasks.storage.store import open_store

log = logging.getLogger("perennial.tables")


@step("materialising")
def materialise_tables(
    root: str, definition: Definition, project: Path, as_of: datetime | None, folder: Path
) -> Listing:
    """Materialise a definition's tables under the root, and leave the newest few there."""
    store = open_store(root)
    listing = read_listing(store, make_tables(definition, project, as_of, store, folder))
    forget_old(store, definition)
    counts = ", ".join(f"{name} {each.entities:,}" for name, each in listing.tables.items())
    log.info("%s: entities: %s", definition.name, counts)
    return listing
