"""Score: the champion over a whole table, in parts, so that memory does not grow with it.

1. The champion, as the ledger names it.
2. Scoring: rows pass through the features and the model, into a file that appears when it is whole.
   The contributions that count most stand beside the predictions, where they are asked for.
3. The prediction log, where it is asked for: what the service would have kept of these rows.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import polars as pl
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from pydantic import Field

from bentos.columns import Column, read_columns, read_values
from flows.run_artifacts import leave, link_candidate, write_facts
from flows.run_page import conclude, name_run
from flows.run_progress import show_progress
from tasks.core.definition import Definition
from tasks.core.definition_file import find_definition, project_of
from tasks.extraction.run_plan import SCHEMAS
from tasks.features.feature_tables import plan_tables, used_tables
from tasks.features.transform import Features
from tasks.prediction.answer_columns import check_explainable
from tasks.prediction.batch_scoring import Scorer, find_forest, score_table
from tasks.prediction.log_schema import part_path
from tasks.registry.corrections import find_correction
from tasks.registry.versions import Published, read_json
from tasks.sources.file_contents import refuse_moved
from tasks.sources.files import find_files, scan_source
from tasks.sources.preflight import check_explain, check_target, need_champion
from tasks.storage.store import Store, open_store, reaching, work_folder
from tasks.training.published_model import load

Word = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1, strict=True)]


@flow(name="score", flow_run_name=name_run)
def score(
    model: Word, source: Word, target: Word, log: bool = False, explain: Count | None = None
) -> dict[str, Any]:
    """Let a model's champion predict every row of a table: Parquet, CSV or NDJSON, or s3://.

    `explain` is how many contributions, those that count most, are written beside each prediction.
    """
    begun = time.monotonic()
    check_target(target)
    store = open_store()
    champion = need_champion(store, model, "to score with")
    check_explain(store, champion, explain)
    with work_folder(store) as folder, show_progress(model, "scoring"):
        rows = score_champion(store.root, champion, source, target, folder, log, explain)
        logged = publish_log(store, model, folder) if log else 0
    done = {
        "model": model,
        "version": champion.version,
        "rows": rows,
        "output": target,
        "explain": explain,
        "log_parts": logged,
        "seconds": time.monotonic() - begun,
    }
    facts = {"Rows": f"{rows:,}", "Version": champion.version, "Output": target}
    took = {"Parts of the prediction log": f"{logged:,}", "Seconds": f"{done['seconds']:.1f}"}
    summary = write_facts(f"{model}: {rows:,} rows scored", (facts | took).items())
    leave(f"score-{model}", summary, link_candidate(model, champion.version, waits=False))
    return conclude(done, f"{rows:,} rows", f"{rows:,} rows scored by {champion.version}: {target}")


@task(name="scoring", cache_policy=NO_CACHE)
def score_champion(
    root: str,
    champion: Published,
    source: str,
    target: str,
    folder: Path,
    log: bool,
    explain: int | None,
) -> int:
    """Score a table with one version."""
    parts = folder / "log"
    parts.mkdir()
    scorer = load_scorer(open_store(root), champion, explain)
    return score_table(scorer, source, target, folder, parts if log else None)


def load_scorer(store: Store, published: Published, explain: int | None = None) -> Scorer:
    """Read what scoring needs of a version, each file checked against the manifest."""
    model = load(store, published)
    if explain is not None:
        check_explainable(model.version, model.read_text())
    definition, features = model.definition, model.features
    follows = definition.serving.follow_base_rate is not None
    columns = read_columns(
        definition, features, read_json(store, published, "analysis.json")["columns"]
    )
    schemas = read_json(store, published, SCHEMAS) if SCHEMAS in published.manifest.files else {}
    return Scorer(
        model=model,
        forest=find_forest(model) if definition.serving.predictor == "compiled" else None,
        types={
            column.name: column.dtype for column in (*columns, *read_values(definition, features))
        },
        schemas=schemas,
        tables=open_tables(definition, features, columns),
        explain=explain,
        correction=find_correction(store, definition.name) if follows else None,
    )


def open_tables(
    definition: Definition, features: Features, columns: tuple[Column, ...]
) -> dict[str, pl.LazyFrame]:
    """Make the feature tables that features need from the sources, for rows of any time."""
    used = used_tables(definition, features.columns)
    if not used:
        return {}
    project = project_of(find_definition(definition.name))
    given = {name: table.source for name, table in used.items()}
    files = {
        name: find_files(source, project, f"[sources] {name}")
        for name, source in definition.sources.items()
        if name in given.values()
    }
    frames = {name: scan_source(definition.sources[name], each) for name, each in files.items()}
    sent = pl.Schema({column.name: column.dtype for column in columns})
    only = definition.model_copy(update={"tables": used})
    planned = plan_tables(only, frames, sent)
    made = {name: table.collect().lazy() for name, table in planned.items()}
    for name, each in files.items():
        refuse_moved(each, f"[sources] {name}")
    return made


def publish_log(store: Store, model: str, folder: Path) -> int:
    """Put the parts that scoring kept where the service's own are."""
    now = datetime.now(UTC)
    parts = sorted((folder / "log").iterdir())
    for part in parts:
        with reaching(store.root):
            store.create(part_path(model, now, f"score-{part.stem}"), part.read_bytes())
    return len(parts)
