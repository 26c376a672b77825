"""The champion's reference: its holdout with predictions, its reference profile and calibration.

Computed once for a champion, from the rows of its own snapshot and split, and kept under
`monitoring/NAME/champions/`. Served rows have no part in it.
"""

import json
from io import BytesIO
from pathlib import Path

import polars as pl

from tasks.alarms.calibration import Calibration
from tasks.alarms.histograms import REPEATED, watch_columns
from tasks.alarms.thresholds import calibrate
from tasks.analysis.profile import Profile, from_bytes, profile_table, to_bytes
from tasks.core.columns import PREDICTION, ROLE, TARGET, TIME
from tasks.evaluation.slices import SLICE, choose_slices, slice_columns
from tasks.features.transform import Features
from tasks.preparation.split import SplitRole
from tasks.registry.code_digest import code_digest
from tasks.registry.versions import Published, find, publish_once, read_file
from tasks.storage.store import Store, open_store, reaching
from tasks.training.published_model import PublishedModel, as_column

_MOST_ROWS = 500_000


class ChampionReference:
    """A champion's holdout with predictions, its reference profile, and the alarms' calibration."""

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


def watchable(champion: PublishedModel) -> Features:
    """Leave out the features that the prediction log cannot give."""
    hidden = set(champion.definition.serving.log_without)
    features = champion.features
    kept = {
        name: said
        for name, said in features.expressions.items()
        if not hidden & set(features.expression(name).meta.root_names())
    }
    return Features(
        expressions=kept,
        categories=tuple(name for name in features.categories if name in kept),
        columns={k: v for k, v in features.columns.items() if k not in hidden},
        built={name: each for name, each in features.built.items() if name in kept},
    )


def recall_reference(champion: PublishedModel, folder: Path) -> ChampionReference:
    """Read a champion's reference, or compute it; DataRefused where its snapshot is gone."""
    store, name = open_store(champion.root), champion.definition.name
    path = f"monitoring/{name}/champions/{champion.version}-{code_digest()[:10]}"
    found = find(store, path)
    if found is None:
        target = folder / "reference"
        write_reference(champion, folder, target)
        found = publish_once(store, target, path)
    return ChampionReference(store, found)


def write_reference(champion: PublishedModel, folder: Path, target: Path) -> None:
    """Predict the champion's snapshot by its evaluated twin, and write the reference."""
    rows = read_history(champion, folder)
    raw = rows.select(list(champion.features.columns))
    predicted = as_column(champion.predict(raw, twin=True))
    rows = rows.with_columns(predicted.alias(PREDICTION))
    holdout = rows.filter(pl.col(ROLE) == SplitRole.HOLDOUT)
    kept = [TIME, TARGET, PREDICTION, *(name for name in rows.columns if name.startswith(SLICE))]
    history = rows.drop(ROLE, TARGET)
    features = watchable(champion)
    watched = watch_columns(champion.definition, features, history)
    importance = champion.read_importance()
    calibration = "null"
    if history[TIME].null_count() < len(history):
        timed = history.drop_nulls(TIME)
        made = calibrate(champion.definition, features, importance, timed)
        calibration = made.model_dump_json()
    profile = profile_table(watched.drop(TIME, REPEATED).lazy())
    with reaching(str(target)):
        target.mkdir()
        holdout.select(kept).write_parquet(target / "holdout.parquet")
        (target / "history.profile").write_bytes(to_bytes(profile))
        (target / "importance.json").write_text(json.dumps(importance))
        (target / "calibration.json").write_text(calibration)


def read_history(champion: PublishedModel, folder: Path) -> pl.DataFrame:
    """Read a champion's snapshot: moments, targets, roles, slices and what features need."""
    extract = champion.definition.extract
    wanted = [*champion.features.columns, *extract.key, extract.time]
    step = max(1, champion.lineage["snapshot_rows"] // _MOST_ROWS)
    rows = champion.scan_snapshot(folder / "history")
    slices = choose_slices(champion.definition, champion.features, champion.vocabulary)
    return (
        rows.select(
            TIME,
            TARGET,
            ROLE,
            *slice_columns(slices, rows.collect_schema(), champion.published.path),
            *dict.fromkeys(name for name in wanted if name is not None),
        )
        .filter((pl.col(ROLE) == SplitRole.HOLDOUT) | (pl.int_range(pl.len()) % step == 0))
        .collect()
    )
