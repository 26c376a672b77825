"""Score: the champion over a whole table, in parts, so that memory does not grow with it.

1. The champion, as the ledger names it.
2. Scoring: rows pass through the features and the model, into a file that appears when it is whole.
3. The prediction log, where it is asked for: what the service would have kept of these rows.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import polars as pl
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from pydantic import Field

from bentos.columns import parse_dtype
from tasks.beforehand import check_target, need_champion
from tasks.definition import Definition, find_definition, parse_definition, project_of
from tasks.features import Features, Vocabulary
from tasks.files import find_files, scan_source
from tasks.registry import Published, read_file, read_json
from tasks.scoring import Scorer, find_forest, score_table
from tasks.store import Store, open_store, reaching, work_folder
from tasks.tables import asked_columns, plan_tables, tabled_values, used_tables
from tasks.training import read_model

Word = Annotated[str, Field(min_length=1)]


@flow(name="score")
def score(model: Word, source: Word, target: Word, log: bool = False) -> dict[str, Any]:
    """Let a model's champion predict every row of a table: Parquet, CSV or NDJSON, or s3://."""
    begun = time.monotonic()
    check_target(target)
    store = open_store()
    champion = need_champion(store, model, "to score with")
    with work_folder(store) as folder:
        rows = score_champion(store.root, champion, source, target, folder, log)
        logged = publish_log(store, model, folder) if log else 0
    return {
        "model": model,
        "version": champion.path.rpartition("/")[2],
        "rows": rows,
        "output": target,
        "log_parts": logged,
        "seconds": time.monotonic() - begun,
    }


@task(name="scoring", cache_policy=NO_CACHE)
def score_champion(
    root: str, champion: Published, source: str, target: str, folder: Path, log: bool
) -> int:
    """Score a table with one version."""
    parts = folder / "log"
    parts.mkdir()
    scorer = load_scorer(open_store(root), champion)
    return score_table(scorer, source, target, folder, parts if log else None)


def load_scorer(store: Store, published: Published) -> Scorer:
    """Read what scoring needs of a version, each file checked against the manifest."""
    features = Features.model_validate_json(read_file(store, published, "features.json"))
    text = read_file(store, published, "definition.toml").decode()
    definition = parse_definition(text, published.path)
    model = read_file(store, published, "model.txt").decode()
    booster = read_model(model)
    profiled = read_json(store, published, "analysis.json")["columns"]
    asked = asked_columns(definition, features.columns)
    types = {name: profiled[name]["dtype"] for name in asked} | features.columns
    vocabulary = Vocabulary.model_validate_json(read_file(store, published, "vocabulary.json"))
    return Scorer(
        version=published.path.rpartition("/")[2],
        definition=definition,
        features=features,
        vocabulary=vocabulary,
        booster=booster,
        forest=find_forest(definition, model, booster),
        types={name: parse_dtype(dtype) for name, dtype in types.items()},
        tables=open_tables(definition, features, types),
    )


def open_tables(
    definition: Definition, features: Features, types: Mapping[str, str]
) -> dict[str, pl.LazyFrame]:
    """Make the feature tables that features need from the sources, for rows of any time."""
    used = used_tables(definition, features.columns)
    if not used:
        return {}
    project = project_of(find_definition(definition.name))
    given = {name: table.source for name, table in used.items()}
    frames = {
        name: scan_source(source, find_files(source, project, f"[sources] {name}"))
        for name, source in definition.sources.items()
        if name in given.values()
    }
    values = tabled_values(definition)
    sent = pl.Schema({k: parse_dtype(v) for k, v in types.items() if k not in values})
    only = definition.model_copy(update={"tables": used})
    planned = plan_tables(only, frames, sent)
    return {name: table.collect().lazy() for name, table in planned.items()}


def publish_log(store: Store, model: str, folder: Path) -> int:
    """Put the parts that scoring kept where the service's own are."""
    now = datetime.now(UTC)
    parts = sorted((folder / "log").iterdir())
    for part in parts:
        path = f"predictions/{model}/date={now:%Y-%m-%d}/hour={now:%H}/score-{part.name}"
        with reaching(store.root):
            store.create(path, part.read_bytes())
    return len(parts)
