"""The champion's predictions for the holdout rows of a candidate.

Responsible for which rows the champion has not seen, and which of its two models predicts them. Its
own definition says how it reads and transforms the data. Not responsible for who is better.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from tasks.core.columns import FOUND, ROW, TIME
from tasks.core.definition import Definition, Frozen
from tasks.core.errors import DefinitionError, SourceChanged, SourceError, first_line
from tasks.evaluation.evaluate import Scored
from tasks.evaluation.metrics import Array
from tasks.evaluation.slices import read_rows
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.features.transform import Features
from tasks.preparation.row_parts import SplitRole, group_columns, part_of_row
from tasks.sources.file_formats import FAILURES
from tasks.sources.query import collect, open_table
from tasks.storage.store import reaching
from tasks.training.published_model import PublishedModel

_UNSEEN_SHARE = 0.2  # of the holdout: with less than this unseen, the twin is asked instead
_LOST_SHARE = 0.01  # of the holdout: rows that the champion's own extraction may lack

Model = Literal["released", "twin"]


class ChampionPredictions(Frozen, arbitrary_types_allowed=True):
    """A champion's predictions where `inside` is true: the holdout rows that it never saw.

    `model` says which of its models answered. `reason` says why none could; then all else is empty.
    `threshold` was chosen for it, as a part of it; None where a file's is taken for both.
    """

    version: str
    model: Model = "released"
    inside: Array = np.zeros(0, dtype=bool)
    predicted: Array = np.zeros(0)
    threshold: float | None = None
    reason: str = ""


class NotComparableError(Exception):
    """Why a champion cannot be asked about a candidate's holdout."""


def meet_champion(
    plan: Plan,
    snapshot: Snapshot,
    holdout: pl.DataFrame,
    classes: tuple[str, ...],
    champion: PublishedModel,
) -> ChampionPredictions:
    """Let the champion predict a candidate's holdout (its ROW and TIME), as it reads the data."""
    version = champion.version
    try:
        refuse_incomparable(plan, champion)
        rows = read_holdout(plan, champion, snapshot, holdout)
        model, inside = choose_model(plan, champion, rows)
        predicted = predict(champion, model, rows.filter(pl.Series(inside)))
        matched = match_classes(predicted, champion.vocabulary.classes, classes)
    except NotComparableError as why:
        return ChampionPredictions(version=version, reason=str(why))
    chosen = champion.definition.serving.threshold == "auto"
    return ChampionPredictions(
        version=version,
        model=model,
        inside=inside,
        predicted=matched,
        threshold=champion.definition.threshold if chosen else None,
    )


def keep_predictions(opponent: ChampionPredictions, scored: Scored) -> None:
    """Keep them beside the scored holdout, for whoever else compares the two."""
    told: dict[str, Any] = opponent.model_dump(exclude={"threshold"})
    with reaching(str(scored.path)):
        np.savez(_beside(scored), **told)


def recall_predictions(scored: Scored) -> ChampionPredictions | None:
    """Recall what was kept; None where there was no champion."""
    path = _beside(scored)
    if not path.exists():
        return None
    with reaching(str(path)), np.load(path) as found:
        arrays = {name: found[name] for name in ("inside", "predicted")}
        named = {name: str(found[name]) for name in ("version", "model", "reason")}
    return ChampionPredictions.model_validate(named | arrays)


def refuse_incomparable(plan: Plan, champion: PublishedModel) -> None:
    """Refuse a champion that answers another question, or whose rows cannot be told to be ours."""
    ours, theirs = plan.definition, champion.definition
    if ours.target.kind != theirs.target.kind or not _same_target(ours, theirs):
        raise NotComparableError(f"it predicts another target, {theirs.target.value!r}")
    if ours.target.quantiles != theirs.target.quantiles:
        named = [list(each.target.quantiles or ()) or "the mean" for each in (theirs, ours)]
        raise NotComparableError("it predicts {}, and [target] quantiles ask for {}".format(*named))
    if not _same_data(ours, theirs) and (
        ours.extract.key != theirs.extract.key or not ours.extract.key
    ):
        raise NotComparableError("it reads other data, and no common [extract] key joins the two")
    if champion.split.gap is not None and plan.as_of is None:
        raise NotComparableError("it knows what it has seen by time, and these rows carry none")


def read_holdout(
    plan: Plan, champion: PublishedModel, snapshot: Snapshot, holdout: pl.DataFrame
) -> pl.DataFrame:
    """Read the holdout's raw rows, in its order: from the snapshot, or as the champion extracts."""
    if not _same_data(plan.definition, champion.definition):
        return _join_holdout(plan, champion, snapshot, holdout)
    known = snapshot.scan().collect_schema()
    _refuse_changed(champion.features, known)
    hashed = champion.definition.extract.key or known.names()
    needed = {*champion.features.columns, *group_columns(champion.definition)}
    needed |= {*(() if champion.split.gap else hashed)}
    columns = [pl.col(name) for name in known if name in needed]  # whole rows are hashed in order
    rows = read_rows(snapshot, holdout[ROW], columns)
    return rows.with_columns(holdout[TIME], pl.lit(True).alias(FOUND))


def choose_model(plan: Plan, champion: PublishedModel, rows: pl.DataFrame) -> tuple[Model, Array]:
    """Choose the released model where enough rows are new to it, or else its evaluated twin."""
    lost = int((~rows[FOUND]).sum())
    if lost > _LOST_SHARE * len(rows):
        raise NotComparableError(f"its own extraction lacks {lost:,} of {len(rows):,} holdout rows")
    enough = max(plan.definition.gate.rows, int(_UNSEEN_SHARE * len(rows)))
    unseen = find_unseen(champion, rows, plan.definition.training.group is not None)
    for model, inside in unseen.items():
        if inside.sum() >= enough:
            return model, inside
    raise NotComparableError(
        f"it has seen all but {int(unseen['twin'].sum()):,} of the {len(rows):,} holdout rows, "
        f"and {enough:,} are needed"
    )


def find_unseen(champion: PublishedModel, rows: pl.DataFrame, grouped: bool) -> dict[Model, Array]:
    """Tell which rows are later than, or were held out from, what each champion's model saw.

    Where rows are `grouped`, it must not have seen other rows of their groups either.
    """
    split = champion.split
    if split.gap is None:
        columns = [name for name in rows.columns if name not in (TIME, FOUND)]
        twin = released = part_of_row(champion.definition, split, columns) == SplitRole.HOLDOUT
    elif grouped and champion.definition.training.group is not None:
        # The released model may know any group; which ones its twin knows, their hash says.
        apart = part_of_row(champion.definition, split, rows.columns) == SplitRole.HOLDOUT
        twin, released = apart, pl.lit(False) if champion.refit else apart
    else:
        twin = released = pl.col(TIME) >= split.gap
        if champion.refit:
            released = pl.col(TIME) > split.matured
    masks: dict[Model, pl.Expr] = {"released": released, "twin": twin}
    return {
        model: rows.select((pl.col(FOUND) & mask).fill_null(False)).to_series().to_numpy()
        for model, mask in masks.items()
    }


def predict(champion: PublishedModel, model: Model, rows: pl.DataFrame) -> Array:
    """Let one of the champion's models predict raw rows."""
    try:
        return champion.predict(rows, twin=model == "twin")
    except FAILURES as error:
        raise NotComparableError(f"its features fail on this data: {first_line(error)}") from error


def match_classes(predicted: Array, theirs: tuple[str, ...], ours: tuple[str, ...]) -> Array:
    """Order a champion's probabilities as the candidate's classes; a class it lacks gets none."""
    if theirs == ours:
        return predicted
    if len(set(theirs) & set(ours)) < 2:
        raise NotComparableError("it knows other classes")
    place = {label: predicted[:, column] for column, label in enumerate(theirs)}
    return np.column_stack([place.get(label, np.zeros(len(predicted))) for label in ours])


def _beside(scored: Scored) -> Path:
    return scored.path.with_name("champion.npz")


def _join_holdout(
    plan: Plan, champion: PublishedModel, snapshot: Snapshot, holdout: pl.DataFrame
) -> pl.DataFrame:
    theirs, key = champion.definition, list(plan.definition.extract.key)
    asked = read_rows(snapshot, holdout[ROW], [pl.col(name) for name in key])
    try:
        table = open_table(theirs, plan.project)
        _refuse_changed(champion.features, table.columns)
        for name in key:
            if asked.schema[name] != table.columns[name]:
                raise NotComparableError(f"key {name!r} is of another type there")
        period = table.rows
        if table.time is not None and theirs.extract.time == plan.definition.extract.time:
            period = period.filter(table.time.is_between(holdout[TIME].min(), holdout[TIME].max()))
        wanted = sorted({*key, *champion.features.columns, *group_columns(theirs)})
        once = period.select(wanted).unique(key, keep="first", maintain_order=True)
        found = collect(table, once.with_columns(pl.lit(True).alias(FOUND)))
    except SourceChanged:  # this run may be made again, and then compared
        raise
    except (SourceError, DefinitionError) as error:
        raise NotComparableError(f"its data cannot be read: {first_line(error)}") from error
    rows = asked.with_columns(holdout[TIME]).join(
        found, on=key, how="left", nulls_equal=True, maintain_order="left"
    )
    return rows.with_columns(pl.col(FOUND).fill_null(False))


def _refuse_changed(features: Features, columns: pl.Schema) -> None:
    """Refuse columns that are gone, or that hold text where there were numbers."""
    for name, dtype in features.columns.items():
        if name not in columns:
            raise NotComparableError(f"it needs column {name!r}, which is gone")
        if (dtype == "String") != (columns[name] == pl.String):
            raise NotComparableError(f"its column {name!r} was {dtype} and is {columns[name]} now")


def _same_target(ours: Definition, theirs: Definition) -> bool:
    return pl.sql_expr(ours.target.value).meta.eq(pl.sql_expr(theirs.target.value))


def _same_data(ours: Definition, theirs: Definition) -> bool:
    mine, other = (
        (each.sources, each.extract.query, each.tables, each.extract.time)
        for each in (ours, theirs)
    )
    return mine == other
