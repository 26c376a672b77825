"""Rows that neither of two versions has seen, and what both predict for them.

They are of the newer version's holdout: its evaluated twin never learned from those, and of them
the ones count that the older version's released model, or else its twin, never saw either. Each
version reads and encodes the rows by its own definition. Not responsible for what is compared on
them, nor for which model of the older version answers: the gate's own rules say that
(`validation.champion_predictions`).
"""

from pathlib import Path

import lightgbm
import numpy as np
import polars as pl

from tasks.core.columns import GROUP, MATURED, ROW, TARGET, TIME
from tasks.core.definition import Frozen
from tasks.core.errors import DataRefused, first_line
from tasks.evaluation.metrics import Array
from tasks.evaluation.slices import choose_slices, slice_columns
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot, open_snapshot
from tasks.preparation.labels import label_rows, settle_target
from tasks.preparation.row_parts import SplitRole, group_of_row, part_of_row
from tasks.preparation.weights import counted_columns, weigh_rows
from tasks.training.published_model import PublishedModel
from tasks.validation.champion_predictions import (
    Model,
    NotComparableError,
    choose_model,
    match_classes,
    predict,
    read_holdout,
    refuse_incomparable,
)


class Answers(Frozen, arbitrary_types_allowed=True):
    """What one of a version's models says of the shared rows, which are raw, as it reads them."""

    version: PublishedModel
    model: Model
    rows: pl.DataFrame
    predicted: Array

    def read_booster(self) -> lightgbm.Booster:
        return lightgbm.Booster(model_str=self.version.read_text(twin=self.model == "twin"))


class SharedRows(Frozen, arbitrary_types_allowed=True):
    """The rows with target, time and slices, by the newer version's `plan`; and both answers.

    `total` is how many rows the newer version held out. Classes are in the newer version's order.
    """

    plan: Plan
    total: int
    rows: pl.DataFrame
    older: Answers
    newer: Answers


def find_shared(
    older: PublishedModel, newer: PublishedModel, folder: Path, project: Path
) -> SharedRows:
    """Find the rows, and ask both; NotComparableError says why it would not be honest.

    `project` is where relative sources are: they are read only where the versions' data differ.
    """
    plan = newer.recall_plan(project).model_copy(update={"definition": newer.definition})
    refuse_incomparable(plan, older)
    try:
        snapshot = open_snapshot(plan, tuple(newer.fetch_snapshot(folder)))
    except DataRefused as error:
        raise NotComparableError(first_line(error)) from error
    rows = read_labelled(plan, snapshot, newer)
    read = read_holdout(plan, older, snapshot, rows)
    model, inside = choose_model(plan, older, read)
    shared, theirs = (each.filter(pl.Series(inside)) for each in (rows, read))
    classes = older.vocabulary.classes, newer.vocabulary.classes
    return SharedRows(
        plan=plan,
        total=len(rows),
        rows=shared,
        older=Answers(
            version=older,
            model=model,
            rows=theirs,
            predicted=match_classes(predict(older, model, theirs), *classes),
        ),
        newer=Answers(
            version=newer, model="twin", rows=shared, predicted=predict(newer, "twin", shared)
        ),
    )


def read_labelled(plan: Plan, snapshot: Snapshot, newer: PublishedModel) -> pl.DataFrame:
    """Read a version's holdout as its run did: raw, with target, group, weights and slices."""
    definition, raw = plan.definition, snapshot.scan()
    schema = raw.collect_schema()
    target, classes = settle_target(definition, plan.as_of, raw, plan.origin)
    if classes != newer.vocabulary.classes:  # their places would name others
        raise NotComparableError("rows of its snapshot were forgotten, and with them a whole class")
    labelled = label_rows(definition, plan.as_of, raw, target)
    known = weigh_rows(plan, labelled.filter(pl.col(MATURED), pl.col(TARGET).is_not_null()))
    group, role = group_of_row(definition), part_of_row(definition, newer.split, schema.names())
    made = slice_columns(
        choose_slices(definition, newer.features, newer.vocabulary), schema, plan.origin
    )
    if group is not None:
        made.append(group.hash().alias(GROUP))
    needed = {*newer.features.columns, *definition.extract.key}
    kept = [ROW, TIME, TARGET, *counted_columns(plan), *(name for name in schema if name in needed)]
    return known.filter(role == SplitRole.HOLDOUT).select(*kept, *made).collect()


def as_rows(predicted: Array) -> pl.Series:
    """Put predictions into a column, an array of each class's probability where there are such."""
    return pl.Series("predicted", np.ascontiguousarray(predicted))
