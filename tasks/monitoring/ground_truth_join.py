"""The ground truth join: logged predictions joined by key to the labels in the sources.

Responsible for which prediction counts where a row was asked about twice, and which label where a
key has several. Every row is kept; one without a label yet has a null target.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tasks.core.columns import (
    EARLY,
    FOUND,
    HIGH,
    LOGGED_CORRECTION,
    LOGGED_INTERVAL,
    LOGGED_PREDICTION,
    LOGGED_TIME,
    LOGGED_VERSION,
    LOW,
    MATURED,
    PREDICTION,
    TARGET,
    TIME,
)
from tasks.core.definition import Frozen
from tasks.core.errors import DataRefused, PerennialError, first_line
from tasks.evaluation.slices import Slices, slice_columns
from tasks.extraction.run_plan import RunInputs
from tasks.features.transform import compile_target
from tasks.monitoring.prediction_log import LoggedPredictions, add_moment
from tasks.preparation.labels import label_rows, settle_target
from tasks.sources.query import SourceTable, collect, open_table
from tasks.storage.store import reaching


class GroundTruth(Frozen):
    """Predictions in one local Arrow file, with the `TARGET` (ground truth) where it is known.

    `rows` are those that count: `again` were asked about once more later. Of them `labelled` have
    a label, `waiting` are too young for one, `overdue` are old enough and have none, `unknown` have
    a key that the sources do not hold, and `keyless` came without a key. `twice` are keys with
    several labels in the sources, `strange` labels that the model has no class for. `problem` says
    why the sources could not be read: then no label is known.
    """

    path: Path
    rows: int
    labelled: int = 0
    waiting: int = 0
    overdue: int = 0
    unknown: int = 0
    keyless: int = 0
    again: int = 0
    twice: int = 0
    strange: int = 0
    problem: str = ""

    def read(self, version: str) -> pl.DataFrame:
        return pl.scan_ipc(self.path).filter(pl.col(LOGGED_VERSION) == version).collect()


def join_ground_truth(
    inputs: RunInputs,
    classes: tuple[str, ...],
    slices: Slices,
    log: LoggedPredictions,
    folder: Path,
) -> GroundTruth:
    """Join every prediction of the log to the label that is known by as-of."""
    answers, again = choose_answers(inputs, gather_answers(inputs, log))
    problem, counts = "", {"again": again}
    try:
        labels, more = collect_labels(inputs, classes, slices, answers)
        rows = attach_labels(inputs, answers, labels)
        counts |= more | count_labels(inputs, rows)
    except PerennialError as error:
        problem = first_line(error)
        rows = answers.with_columns(pl.lit(None, pl.Float64).alias(TARGET))
    path = folder / "answers.arrow"
    with reaching(str(path)):
        key = inputs.definition.extract.key
        rows.drop(FOUND, MATURED, *key, strict=False).write_ipc(path)
    return GroundTruth(path=path, rows=len(rows), problem=problem, **counts)


def gather_answers(inputs: RunInputs, log: LoggedPredictions) -> pl.DataFrame:
    """Read time, prediction, its interval if there is one, and key of every logged row."""
    key, kind = inputs.definition.extract.key, inputs.definition.target.kind
    several = kind == "multiclass" or inputs.definition.pinball is not None
    wanted: pl.DataType = pl.List(pl.Float64) if several else pl.Float64()
    frames = []
    for version in log.files:
        rows = add_moment(inputs.definition, log.scan(version))
        held = rows.collect_schema()
        lacking = [pl.lit(None).alias(name) for name in key if name not in held]
        # A version that predicted another kind of target has no prediction here.
        alike = isinstance(held[LOGGED_PREDICTION], pl.List) == several
        answer = pl.col(LOGGED_PREDICTION).cast(wanted) if alike else pl.lit(None, wanted)
        ends = [pl.col(LOGGED_INTERVAL).list.get(place) for place in (0, 1)]
        interval = [end.alias(name) for end, name in zip(ends, (LOW, HIGH), strict=True)]
        told = [answer.alias(PREDICTION), *(interval if LOGGED_INTERVAL in held else ())]
        rows = rows.with_columns(lacking)
        corrected = [LOGGED_CORRECTION] if LOGGED_CORRECTION in held else []
        frames.append(rows.select(TIME, LOGGED_TIME, LOGGED_VERSION, *told, *key, *corrected))
    return pl.concat(frames, how="diagonal_relaxed").collect() if frames else _no_answers(key)


def choose_answers(inputs: RunInputs, answers: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Keep one prediction by version and key: the last before the event, or else the last."""
    key = list(inputs.definition.extract.key)
    if not key:
        return answers, 0
    keyed = pl.all_horizontal(pl.col(key).is_not_null())
    ordered = answers.filter(keyed).with_columns((pl.col(LOGGED_TIME) <= pl.col(TIME)).alias(EARLY))
    ordered = ordered.sort(EARLY, LOGGED_TIME, maintain_order=True)
    kept = ordered.unique([LOGGED_VERSION, *key], keep="last", maintain_order=True).drop(EARLY)
    again = len(ordered) - len(kept)
    # In one order always: where rows share a time, the bootstrap depends on it.
    return pl.concat([kept, answers.filter(~keyed)]).sort(TIME, maintain_order=True), again


def collect_labels(
    inputs: RunInputs, classes: tuple[str, ...], slices: Slices, answers: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Read key, label, maturity and slices of the sources' rows in the answers' period."""
    key = list(inputs.definition.extract.key)
    if not key:
        raise DataRefused(
            f"{inputs.origin}: [extract] key is missing: no answer leads to its label"
        )
    table = open_table(inputs.definition, inputs.project)
    # Of a million rows, text several times over would be a lot.
    named = [
        each.cast(pl.Categorical) for each in slice_columns(slices, table.columns, inputs.origin)
    ]
    rows = _in_period(inputs, table, answers)
    target, strange = target_of(inputs, classes, table, rows)
    labelled = label_rows(inputs.definition, inputs.as_of, rows, target)
    chosen = labelled.select(*key, TARGET, MATURED, strange.alias(FOUND), *named)
    found = collect(table, chosen)
    counted = found.filter(pl.col(MATURED))
    labels = found.drop(FOUND).unique(key, keep="last", maintain_order=True)
    counts = {
        "twice": len(found) - len(labels),
        "strange": int(counted[FOUND].sum() or 0),
    }
    return labels, counts


def attach_labels(inputs: RunInputs, answers: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Put labels beside answers; one that has not matured by as-of is not known yet."""
    key = list(inputs.definition.extract.key)
    keyed = answers.with_columns(_as_key(name, labels.schema[name]) for name in key)
    joined = keyed.join(
        labels.with_columns(pl.lit(True).alias(FOUND)), on=key, how="left", maintain_order="left"
    )
    return joined.with_columns(pl.when(pl.col(MATURED)).then(TARGET).alias(TARGET))


def count_labels(inputs: RunInputs, rows: pl.DataFrame) -> dict[str, int]:
    """Count the predictions with a label, and the others by why they have none."""
    key = list(inputs.definition.extract.key)
    keyless = pl.any_horizontal(pl.col(key).is_null())
    found = pl.col(FOUND).fill_null(False)
    known = pl.col(TARGET).is_not_null()
    due = pl.lit(True)
    if inputs.as_of is not None:
        due = pl.col(TIME) <= inputs.as_of - inputs.definition.target.matures_after
    return rows.select(
        labelled=known.sum(),
        waiting=(~keyless & ~known & ~due).sum(),
        overdue=(found & ~known & due).sum(),
        unknown=(~keyless & ~found & due).sum(),
        keyless=keyless.sum(),
    ).row(0, named=True)


def target_of(
    inputs: RunInputs, classes: tuple[str, ...], table: SourceTable, rows: pl.LazyFrame
) -> tuple[pl.Expr, pl.Expr]:
    """Give the label as a model counts it, and whether it is one that the model cannot know."""
    if inputs.definition.target.kind != "multiclass":
        return settle_target(inputs.definition, inputs.as_of, rows, inputs.origin)[0], pl.lit(False)
    value = compile_target(inputs.definition, table.columns, inputs.origin).cast(pl.String)
    codes = pl.Series(range(len(classes)), dtype=pl.Float64)
    code = value.replace_strict(pl.Series(classes, dtype=pl.String), codes, default=None)
    return code, value.is_not_null() & code.is_null()


def _no_answers(key: Sequence[str]) -> pl.DataFrame:
    moment = pl.Datetime("us", "UTC")
    columns: dict[str, pl.DataType] = {
        TIME: moment,
        LOGGED_TIME: moment,
        LOGGED_VERSION: pl.String(),
    }
    return pl.DataFrame(
        schema={**columns, PREDICTION: pl.Float64(), **dict.fromkeys(key, pl.Null())}
    )


def _in_period(inputs: RunInputs, table: SourceTable, answers: pl.DataFrame) -> pl.LazyFrame:
    """Leave out source rows that no answer can be about: by time, or else by key."""
    key = inputs.definition.extract.key
    if table.time is not None and inputs.definition.extract.time in key:
        moments = answers[TIME]
        return table.rows.filter(table.time.is_between(moments.min(), moments.max()))
    asked = answers.lazy().select(_as_key(name, table.columns[name]) for name in key).unique()
    return table.rows.join(asked, on=list(key), how="semi")


def _as_key(name: str, dtype: pl.DataType) -> pl.Expr:
    """Read a logged key in the type that the sources have by now; what does not fit is unknown."""
    return pl.col(name).cast(dtype, strict=False)
