"""The materialise flow: compute a model's feature tables from its sources, for online lookup.

1. Definition: the champion's own, or the definition file's where there is no champion.
2. Materialisation: each table, as of a time, becomes a version under the root, which services load.
"""

import time
from datetime import datetime
from typing import Any

from prefect import flow

from flows.run_page import conclude, name_run
from flows.run_progress import show_progress
from tasks.core.definition_file import find_definition, project_of
from tasks.core.time_zones import in_utc
from tasks.feature_store.task import materialise_tables
from tasks.sources.preflight import find_tables
from tasks.storage.store import open_store, work_folder


@flow(name="materialise", flow_run_name=name_run)
def materialise(model: str, as_of: datetime | None = None) -> dict[str, Any]:
    """Materialise a model's feature tables as of a time (UTC without a zone), or as of now."""
    begun, path, store = time.monotonic(), find_definition(model), open_store()
    limit = as_of and in_utc(as_of)
    definition = find_tables(model, limit)
    shown = show_progress(definition.name, "materialising")
    with work_folder(store) as folder, shown:
        listing = materialise_tables(store.root, definition, project_of(path), limit, folder)
    done = {
        "model": definition.name,
        "tables": {k: v.model_dump(mode="json") for k, v in listing.tables.items()},
        "seconds": round(time.monotonic() - begun, 2),
    }
    count = len(listing.tables)
    said = "; ".join(f"{name}: {each.rows:,} rows" for name, each in listing.tables.items())
    return conclude(done, f"{count} table{'' if count == 1 else 's'}", said)
