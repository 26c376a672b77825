"""What a champion promised: how it did on its holdout, and what rows looked like when it was made.

Worked out once for a champion from its snapshot, and kept under `monitoring/NAME/champions/`. Owns
that it is made of the champion's own rows, by its own split. Refuses to look at what was served.
"""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl

from tasks.alarms.drift_decision import Calibration
from tasks.alarms.histograms import REPEATED, watch_columns
from tasks.alarms.thresholds import calibrate
from tasks.analysis.profile import Profile, from_bytes, profile_table, to_bytes
from tasks.core.columns import MATURED, PREDICTION, ROLE, TARGET, TIME
from tasks.core.definition import Definition
from tasks.core.errors import DataRefused
from tasks.evaluation.evaluate import SLICE
from tasks.evaluation.metrics import Array
from tasks.features.transform import Features, encode
from tasks.preparation.labels import label_rows, settle_target
from tasks.preparation.split import SplitRole, part_of_row
from tasks.registry.versions import (
    Published,
    code_digest,
    fetch_snapshot,
    find,
    publish_once,
    read_file,
    read_json,
    snapshot_path,
)
from tasks.serving.expected_answers import recall_plan
from tasks.storage.store import Store, reaching
from tasks.training.datasets import model_input
from tasks.training.train import read_model
from tasks.validation.champion_predictions import Recipe

_SMALL = range(2, 21)  # levels of a category that is worth a slice
_MOST_ROWS = 500_000


class ChampionReference:
    """A champion's holdout with predictions, its history's profile, and what alarms are set by."""

    def __init__(self, store: Store, published: Published) -> None:
        self._store, self._published = store, published

    def holdout(self) -> pl.DataFrame:
        return pl.read_parquet(BytesIO(self._read("holdout.parquet")))

    def profile(self) -> Profile:
        return from_bytes(self._read("history.profile"))

    def calibration(self) -> Calibration | None:
        """Give what alarms are judged by; None where rows carry no time."""
        data = self._read("calibration.json")
        return Calibration.model_validate_json(data) if data != b"null" else None

    def importance(self) -> dict[str, float]:
        found: dict[str, float] = json.loads(self._read("importance.json"))
        return found

    def _read(self, name: str) -> bytes:
        return read_file(self._store, self._published, name)


def watchable(recipe: Recipe) -> Features:
    """Leave out the features that the prediction log cannot give."""
    hidden = set(recipe.definition.serving.log_without)
    kept = {
        name: sql
        for name, sql in recipe.features.expressions.items()
        if not hidden & set(pl.sql_expr(sql).meta.root_names())
    }
    return Features(
        expressions=kept,
        categories=tuple(name for name in recipe.features.categories if name in kept),
        columns={k: v for k, v in recipe.features.columns.items() if k not in hidden},
    )


def choose_slices(definition: Definition, recipe: Recipe) -> dict[str, str]:
    """Name what quality is watched by: the slices asked for, or the small categories."""
    if definition.gate.slices is not None:
        return {sql: sql for sql in definition.gate.slices}
    return {
        name: recipe.features.expressions[name]
        for name, levels in recipe.vocabulary.categories.items()
        if len(levels) in _SMALL
    }


def recall_promise(
    store: Store, champion: Published, recipe: Recipe, folder: Path
) -> ChampionReference:
    """Read what a champion promised, or work it out; DataRefused where its snapshot is gone."""
    definition = recipe.definition
    path = f"monitoring/{definition.name}/champions/{champion.version}-{code_digest()[:10]}"
    found = find(store, path)
    if found is None:
        target = folder / "promise"
        write_promise(store, champion, recipe, folder, target)
        found = publish_once(store, target, path)
    return ChampionReference(store, found)


def write_promise(
    store: Store, champion: Published, recipe: Recipe, folder: Path, target: Path
) -> None:
    """Predict the champion's snapshot by its evaluated twin, and write what came of it."""
    rows = read_history(store, champion, recipe, folder)
    file = "twin.txt" if recipe.refit else "model.txt"
    text = read_file(store, champion, file).decode()
    raw = rows.select(list(recipe.features.columns))
    numbered = encode(raw.lazy(), recipe.features, recipe.vocabulary).collect()
    predicted = as_column(np.asarray(read_model(text).predict(model_input(numbered))))
    rows = rows.with_columns(predicted.alias(PREDICTION))
    holdout = rows.filter(pl.col(ROLE) == SplitRole.HOLDOUT)
    kept = [TIME, TARGET, PREDICTION, *(name for name in rows.columns if name.startswith(SLICE))]
    history = rows.rename({PREDICTION: PREDICTION}).drop(ROLE, TARGET)
    features = watchable(recipe)
    watched = watch_columns(recipe.definition, features, history)
    ranked = read_json(store, champion, "evaluation.json")["importance"]
    importance = {each["feature"]: each["share"] for each in ranked}
    calibration = "null"
    if history[TIME].null_count() < len(history):
        timed = history.drop_nulls(TIME)
        made = calibrate(recipe.definition, features, importance, timed)
        calibration = made.model_dump_json()
    profile = profile_table(watched.drop(TIME, REPEATED).lazy())
    with reaching(str(target)):
        target.mkdir()
        holdout.select(kept).write_parquet(target / "holdout.parquet")
        (target / "history.profile").write_bytes(to_bytes(profile))
        (target / "importance.json").write_text(json.dumps(importance))
        (target / "calibration.json").write_text(calibration)


def read_history(store: Store, champion: Published, recipe: Recipe, folder: Path) -> pl.DataFrame:
    """Read a champion's snapshot: moments, targets, parts, slices and what features need."""
    lineage = read_json(store, champion, "lineage.json")
    plan = recall_plan(store, champion, lineage, recipe.features)
    snapshot = find(store, snapshot_path(plan.snapshot))
    if snapshot is None:
        raise DataRefused(
            f"{champion.path}: its snapshot {plan.snapshot} is gone: nothing to compare with; "
            "restore it, or retrain"
        )
    rows = pl.scan_parquet(fetch_snapshot(store, snapshot, folder / "history"), glob=False)
    target, _ = settle_target(plan, rows)
    columns = rows.collect_schema().names()
    part = part_of_row(plan.definition, recipe.split, columns)
    known = pl.col(MATURED) & pl.col(TARGET).is_not_null()
    wanted = [*recipe.features.columns, *plan.definition.extract.key, plan.definition.extract.time]
    step = max(1, lineage["snapshot_rows"] // _MOST_ROWS)
    return (
        label_rows(plan, rows, target)
        .select(
            TIME,
            TARGET,
            pl.when(known).then(part).alias(ROLE),
            *slice_columns(choose_slices(plan.definition, recipe)),
            *dict.fromkeys(name for name in wanted if name is not None),
        )
        .filter((pl.col(ROLE) == SplitRole.HOLDOUT) | (pl.int_range(pl.len()) % step == 0))
        .collect()
    )


def slice_columns(slices: Mapping[str, str]) -> list[pl.Expr]:
    """Give each slice's value as text, as evaluation does."""
    return [
        pl.sql_expr(sql).cast(pl.String).fill_null("(missing)").alias(SLICE + name)
        for name, sql in slices.items()
    ]


def as_column(predicted: Array) -> pl.Series:
    """Put predictions into a column: a number a row, or a list of each class's probability."""
    return pl.Series(predicted.tolist() if predicted.ndim == 2 else predicted)
